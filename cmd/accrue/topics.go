package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"accrue/processor"
)

// newTopicsCmd is `accrue topics`.
func newTopicsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "Show or make the topics and register the schemas",
		Long: "Compares the cluster and the schema registry with the configuration. `plan` says what is to be done, `apply` does it.\n" +
			"Both may be run at any time: what is as it should be is left alone. Input topics are made where they are missing and\n" +
			"never changed. Partitions are never taken away, and no schema is registered that would break its readers. `reshard` gives the\n" +
			"app more shards while its engine is stopped.",
		Example: "  accrue topics plan --config accrue.yaml\n  accrue topics apply --config accrue.yaml",
		Args:    commandArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTopicsPlanCmd(), newTopicsApplyCmd(), newTopicsReshardCmd())
	return cmd
}

func newTopicsPlanCmd() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:     "plan",
		Short:   "Say what `topics apply` would do",
		Example: "  accrue topics plan --config accrue.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withTopicPlan(cmd, config, func(plan *processor.TopicPlan) error {
				fmt.Fprint(cmd.OutOrStdout(), plan)
				return refusals(plan)
			})
		},
	}
	configFlag(cmd, &config)
	return cmd
}

func newTopicsApplyCmd() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:     "apply",
		Short:   "Make or mend the topics and register the schemas",
		Example: "  accrue topics apply --config accrue.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withTopicPlan(cmd, config, func(plan *processor.TopicPlan) error {
				out := cmd.OutOrStdout()
				if err := refusals(plan); err != nil {
					fmt.Fprint(out, plan)
					return err
				}
				for _, note := range plan.Notes {
					fmt.Fprintln(out, "note: "+note)
				}
				err := processor.ApplyTopics(cmd.Context(), plan, func(s processor.TopicStep) { fmt.Fprintln(out, "done: "+s.Words) })
				if err != nil {
					return fmt.Errorf("%w; what is done stays, run it again to go on", err)
				}
				fmt.Fprintf(out, "%d done, %d were as they should be\n", len(plan.Steps), plan.Fine)
				return nil
			})
		},
	}
	configFlag(cmd, &config)
	return cmd
}

// withTopicPlan connects, plans and hands the plan over.
func withTopicPlan(cmd *cobra.Command, config string, use func(*processor.TopicPlan) error) error {
	c, err := loadConfig(config)
	if err != nil {
		return err
	}
	registry, err := c.Registry.Client()
	if err != nil {
		return err
	}
	client, err := connect(cmd.Context(), c)
	if err != nil {
		return err
	}
	defer client.Close()
	plan, err := processor.PlanTopics(cmd.Context(), client, registry, c)
	if err != nil {
		return err
	}
	return use(plan)
}

func refusals(plan *processor.TopicPlan) error {
	if n := len(plan.Refusals); n > 0 {
		return fmt.Errorf("%d refused: see above what to change", n)
	}
	return nil
}
