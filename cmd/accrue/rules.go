package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"accrue/rules/programme"
	"accrue/rules/scenario"
)

func newRulesCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rules",
		Short:   "Check, explain, test and publish a programme, or help an editor to write one",
		Example: "  accrue rules check programme.yaml",
		Args:    commandArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRulesCheckCmd(), newRulesExplainCmd(), newRulesTestCmd(), newRulesSchemaCmd(), newRulesPublishCmd(), newRulesListCmd(), newRulesDiffCmd(), newRulesShowCmd())
	return cmd
}

func newRulesCheckCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "check PATH",
		Short:   "Parse, type-check and lint a programme: every problem at once",
		Long:    "Parses, type-checks and lints a programme, a file or a folder of files. Every problem is printed with its\nfile:line:column, what is wrong and what was probably meant. Exit code 2 where there is an error.",
		Example: "  accrue rules check programme.yaml",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, problems, err := loadProgramme(args[0])
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), problems.String())
			if problems.Failed() {
				return invalidf("%s is not a valid programme", args[0])
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: programme %s is valid, version %s, with %d rules\n", args[0], p.ID, p.Version, len(p.Rules))
			return nil
		},
	}
}

func newRulesSchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of programmes, for editors",
		Long: "Prints the JSON Schema (draft 2020-12) of programme files. An editor that knows it completes keys, shows what each means\n" +
			"and marks mistakes while a programme is written. With yaml-language-server (VS Code, Neovim, ...) this is the first line of the\n" +
			"programme: # yaml-language-server: $schema=programme.schema.json\n" +
			"What one key demands of another, and what conditions say, only `accrue rules check` tells.",
		Example: "  accrue rules schema > programme.schema.json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := programme.Schema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}

// loadProgramme reads a programme from a file, or from all YAML files of a folder.
func loadProgramme(path string) (*programme.Programme, programme.Problems, error) {
	files, err := programmeFiles(path)
	if err != nil {
		return nil, nil, err
	}
	p, problems := programme.Parse(files)
	return p, problems, nil
}

// loadValid reads a programme that has to be valid, and its files as they are named wherever the folder lies.
func loadValid(path string) (*programme.Programme, map[string][]byte, error) {
	files, err := programmeFiles(path)
	if err != nil {
		return nil, nil, err
	}
	p, problems := programme.Parse(files)
	if p == nil {
		return nil, nil, invalidf("%s is not a valid programme:\n%s", path, strings.TrimRight(problems.String(), "\n"))
	}
	named := make(map[string][]byte, len(files))
	for name, content := range files {
		if relative, err := filepath.Rel(path, name); err == nil && relative != "." {
			named[filepath.ToSlash(relative)] = content
		} else {
			named[filepath.Base(name)] = content
		}
	}
	return p, named, nil
}

// programmeFiles reads the files of a programme by the names that they are found under.
func programmeFiles(path string) (map[string][]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, invalidf("read programme: %w", err)
	}
	names := []string{path}
	if info.IsDir() {
		names = names[:0]
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && name != path && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir // what begins with a dot is hidden: Kubernetes keeps a ConfigMap's files there and links to them
			}
			isYAML := strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
			if err == nil && !entry.IsDir() && isYAML && !scenario.IsFile(name) {
				names = append(names, name)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read programme: %w", err)
		}
		if len(names) == 0 {
			return nil, invalidf("read programme: folder %s holds no .yaml file", path)
		}
	}
	files := make(map[string][]byte, len(names))
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read programme: %w", err)
		}
		files[name] = content
	}
	return files, nil
}

// loadVersions reads the versions that --programme names, as FILE or FILE@T, ascending.
func loadVersions(flags []string) (programme.Versions, error) {
	var versions programme.Versions
	for _, flag := range flags {
		path, from, err := splitVersion(flag)
		if err != nil {
			return nil, err
		}
		p, problems, err := loadProgramme(path)
		if err != nil {
			return nil, err
		}
		if problems.Failed() {
			return nil, invalidf("%s is not a valid programme:\n%s", path, strings.TrimRight(problems.String(), "\n"))
		}
		if n := len(versions); n > 0 && !versions[n-1].From.Before(from) {
			return nil, invalidf("--programme %s: versions are given in the order of their times, FILE first, then FILE@T", flag)
		}
		version := programme.Version{From: from, Programme: p}
		if why := versions.Refusals(version); len(why) > 0 {
			return nil, invalidf("--programme %s cannot follow the versions before it:\n%s", flag, strings.Join(why, "\n"))
		}
		versions = append(versions, version)
	}
	if len(versions) == 0 {
		return nil, &invalidError{errors.New("--programme is missing: name the programme file")}
	}
	return versions, nil
}

// splitVersion takes FILE@T apart; a file without a time is in force from the beginning.
func splitVersion(flag string) (path string, from time.Time, err error) {
	i := strings.LastIndexByte(flag, '@')
	if i < 0 {
		return flag, time.Time{}, nil
	}
	if _, statErr := os.Stat(flag); statErr == nil { // a file whose name holds an @
		return flag, time.Time{}, nil
	}
	from, err = time.Parse(time.RFC3339, flag[i+1:])
	if err != nil {
		return "", from, invalidf("--programme %s: what follows @ is a time such as 2026-06-01T00:00:00Z: %w", flag, err)
	}
	return flag[:i], from, nil
}
