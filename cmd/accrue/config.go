package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"accrue/processor"
)

// newConfigCmd is `accrue config`.
func newConfigCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Check the configuration, the connections and the permissions",
		Long:    "Commands about the configuration. deploy/accrue.yaml explains every key.",
		Example: "  accrue config check --config accrue.yaml",
		Args:    commandArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheckCmd())
	return cmd
}

func newConfigCheckCmd() *cobra.Command {
	var config, job string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Try the connections and the permissions, and say what is missing and how to give it",
		Long: "Reads the configuration, then tries what a job needs: each broker, also under the addresses that the cluster hands out, who\n" +
			"we are there, the topics, each permission (ACL), the schema registry and its schemas; for `run` also the programme and\n" +
			"the data folder. Each thing that is missing is said in words, with the command that gives it. Nothing is changed, and\n" +
			"instances that run are not disturbed, so it may be run at any time. Exit code 1: something is wrong.\n\n" +
			"The jobs: run (accrue run), topics (accrue topics plan and apply), operate (what operators do: rules, state, txn, dlq, tail, send).",
		Example: "  accrue config check --config accrue.yaml\n  accrue config check --for topics --config accrue.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(processor.Jobs(), processor.Job(job)) {
				return invalidf("--for takes run, topics or operate, not %q", job)
			}
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			return checkConfig(cmd, c, processor.Job(job))
		},
	}
	cmd.Flags().StringVar(&job, "for", string(processor.JobRun), "the job: run, topics or operate")
	configFlag(cmd, &config)
	return cmd
}

// checkConfig prints what it finds as it finds it.
func checkConfig(cmd *cobra.Command, c processor.Config, job processor.Job) error {
	out, wrong := cmd.OutOrStdout(), 0
	report := func(f processor.Finding) {
		if f.Grade == processor.GradeWrong {
			wrong++
		}
		printFinding(out, f)
	}
	if job == processor.JobRun {
		report(checkProgramme(c))
		report(checkData(c.Data))
	}
	if err := processor.CheckAccess(cmd.Context(), c, job, report); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d wrong: see above what to do", wrong)
	}
	fmt.Fprintf(out, "all that %s needs is there\n", job)
	return nil
}

func printFinding(out io.Writer, f processor.Finding) {
	fmt.Fprintf(out, "%-6s%s\n", f.Grade, strings.ReplaceAll(f.Text, "\n", "\n      "))
	if f.Do != "" {
		fmt.Fprintf(out, "      -> %s\n", f.Do)
	}
}

// checkProgramme reads the programme as `run` does.
func checkProgramme(c processor.Config) processor.Finding {
	wrong := func(err error) processor.Finding {
		return processor.Finding{Grade: processor.GradeWrong, Text: fmt.Sprintf("the programme cannot be used: %v", err), Do: "accrue rules check " + c.Programme}
	}
	if c.Programme == "" {
		return processor.Finding{Grade: processor.GradeWrong, Text: "the configuration names no programme", Do: "set the key programme to a file or folder of rules"}
	}
	p, _, err := loadValid(c.Programme)
	if err != nil {
		return wrong(err)
	}
	secret, err := c.Random.Key()
	if err != nil {
		return wrong(err)
	}
	if _, err := newLedger(p, secret); err != nil {
		return wrong(err)
	}
	return processor.Finding{Text: fmt.Sprintf("programme %s is valid", p.Version)}
}

// checkData looks whether the data folder can be written. One that does not exist is made by `run`, and not by a check.
func checkData(folder string) processor.Finding {
	const do = "give it to the user that runs accrue, on a volume that stays with the instance"
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		return processor.Finding{Grade: processor.GradeNote, Text: "the data folder " + folder + " does not exist yet: accrue run makes it"}
	}
	f, err := os.CreateTemp(folder, "config-check-*")
	if err != nil {
		return processor.Finding{Grade: processor.GradeWrong, Text: fmt.Sprintf("the data folder cannot be written: %v", err), Do: do}
	}
	_, writeErr := f.WriteString("a check of the configuration\n")
	if err := cmp.Or(writeErr, f.Close(), os.Remove(f.Name())); err != nil {
		return processor.Finding{Grade: processor.GradeWrong, Text: fmt.Sprintf("the data folder cannot be written: %v", err), Do: do}
	}
	return processor.Finding{Text: "data folder " + folder + " can be written"}
}
