package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"accrue/cmd/accrue/audit"
)

func newVerifyCmd() *cobra.Command {
	var config, jsonFile, asOf string
	var all bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove the ledger from its topics: every input answered once, every grant follows",
		Long: "Reads the input and output topics of an app independently of its instances, holds them against each other, decides all inputs\n" +
			"again in memory, and says what is proved: every input has exactly one decision or dead letter, every entry is there once and\n" +
			"follows from an input, no grant is below 0, changes of tier follow on one another, no budget is passed, and every grant,\n" +
			"balance and tier is what the programme makes of the inputs. Each difference is printed. What shared thresholds ruled is\n" +
			"taken from the alerts; where a budget has, in an order among members that no topic tells, what differs is said not to be\n" +
			"proved. Instances may run; what they have not read yet is left out. Exit code 0: nothing differs; 1: something does.",
		Example: "  accrue verify --config accrue.yaml\n  accrue verify --config accrue.yaml --all --json verified.json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			if err := writable("--json", jsonFile); err != nil {
				return err
			}
			v := &verifying{config: c, most: shownDifferences, errs: cmd.ErrOrStderr()}
			if v.asOf, err = timeFlag("--as-of", asOf); err != nil {
				return err
			}
			if all {
				v.most = int(^uint(0) >> 1)
			}
			report, err := v.run(cmd.Context())
			if err != nil {
				return err
			}
			if err := writeVerified(cmd.OutOrStdout(), report, jsonFile, c.App, v.most); err != nil {
				return err
			}
			if !report.Passed() {
				return errors.New("the topics do not prove the ledger: see above")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, fmt.Sprintf("print every difference, not the first %d of each kind", shownDifferences))
	cmd.Flags().StringVar(&asOf, "as-of", "", "demand that what fell due up to this time has happened (default: up to each member's last record)")
	cmd.Flags().StringVar(&jsonFile, "json", "", "also write the report as JSON to this file (-: to standard output, without the text)")
	configFlag(cmd, &config)
	return cmd
}

// writeVerified gives the report out as JSON, as text, or both.
func writeVerified(out io.Writer, r *audit.Report, file, app string, most int) error {
	if file != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Errorf("write the report as JSON: %w", err)
		}
		text = append(text, '\n')
		if file == "-" {
			_, err = out.Write(text)
			return err
		}
		if err := writeFile(file, text); err != nil {
			return err
		}
	}
	printVerified(out, r, app, most)
	return nil
}

func printVerified(out io.Writer, r *audit.Report, app string, most int) {
	n := r.Counts
	fmt.Fprintf(out, "app %s: %d inputs, %d of them not read yet; %d decisions, %d dead letters; %d entries of %d grants, %d changes of tier; %d members\n",
		app, n.Inputs, n.Unread, n.Decisions, n.DeadLetters, n.Entries, n.Grants, n.TierChanges, n.Members)
	for _, check := range r.Checks {
		word := "ok  "
		if check.Found > 0 {
			word = "FAIL"
		}
		fmt.Fprintf(out, "%s  %-10s %s: %d", word, check.Name, check.Proves, check.Held)
		if check.Found > 0 {
			fmt.Fprintf(out, ", %d differences", check.Found)
		}
		fmt.Fprintln(out)
		printSome(out, check.Differences, check.Found)
	}
	if len(r.NotProved) > 0 {
		fmt.Fprintf(out, "not proved: %d\n", len(r.NotProved))
		printSome(out, r.NotProved[:min(len(r.NotProved), most)], int64(len(r.NotProved)))
	}
}

// printSome prints the first of so many texts, and how many there are more.
func printSome(out io.Writer, texts []string, all int64) {
	for _, text := range texts {
		fmt.Fprintf(out, "        %s\n", text)
	}
	if more := all - int64(len(texts)); more > 0 {
		fmt.Fprintf(out, "        and %d more: --all prints them\n", more)
	}
}
