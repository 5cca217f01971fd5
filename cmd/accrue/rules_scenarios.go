package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"accrue/rules/scenario"
)

func newRulesTestCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "test PATH",
		Short: "Run the scenario files next to a programme",
		Long: "Runs scenario files: events in, and what the members have then. PATH is a scenario file, or a folder that is searched\n" +
			"for files named scenario.yaml or ending in .scenario.yaml; the programme lies beside each. Differences are told in words.\n" +
			"Exit code 1 where something differs.",
		Example: "  accrue rules test rules/testdata",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := scenarioFiles(args[0])
			if err != nil {
				return err
			}
			failed := 0
			for _, name := range names {
				report, err := runScenario(name)
				if err != nil {
					return err
				}
				if report.Passed() {
					fmt.Fprintf(cmd.OutOrStdout(), "ok    %s: %s\n", name, report.Title)
					continue
				}
				failed++
				fmt.Fprintf(cmd.OutOrStdout(), "FAIL  %s: %s\n%s\n", name, report.Title, report)
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d scenarios failed", failed, len(names))
			}
			return nil
		},
	}
}

// scenarioFiles are the scenario files below a path, in alphabetical order.
func scenarioFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, invalidf("look for scenarios: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var names []string
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && scenario.IsFile(name) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for scenarios: %w", err)
	}
	if len(names) == 0 {
		return nil, invalidf("folder %s holds no scenario.yaml", path)
	}
	return names, nil
}

// runScenario runs one scenario file with the files beside it.
func runScenario(name string) (*scenario.Report, error) {
	beside, err := filepath.Glob(filepath.Join(filepath.Dir(name), "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("look beside %s: %w", name, err)
	}
	files := make(map[string][]byte, len(beside))
	for _, file := range beside {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read scenario: %w", err)
		}
		files[filepath.ToSlash(file)] = content
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	return scenario.Run(files, filepath.ToSlash(name), content), nil
}
