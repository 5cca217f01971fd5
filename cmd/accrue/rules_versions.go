package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/rules/explain"
	"accrue/rules/programme"
)

func newRulesListCmd() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the versions of the programme: from when, by whom, which is in force",
		Long: "Lists the versions on the control topic in the order of the times from which they are in force. A version is past, in force or\n" +
			"to come; one whose place another took that has the same time was replaced; one that is ignored has no effect, and says why.",
		Example: "  accrue rules list --config accrue.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withControl(cmd, config, func(_ *kgo.Client, _ processor.Config, c *processor.Control) error {
				printVersions(cmd.OutOrStdout(), c, time.Now())
				return nil
			})
		},
	}
	configFlag(cmd, &config)
	return cmd
}

func newRulesShowCmd() *cobra.Command {
	var config, out string
	cmd := &cobra.Command{
		Use:     "show VERSION",
		Short:   "Print a version's source, as it was published",
		Example: "  accrue rules show city-mart@1f0c9a2b --config accrue.yaml\n  accrue rules show city-mart@1f0c9a2b --out programme --config accrue.yaml",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withControl(cmd, config, func(_ *kgo.Client, _ processor.Config, c *processor.Control) error {
				v, err := findVersion(c, args[0])
				if err != nil {
					return err
				}
				if out != "" {
					return writeSource(out, v.Files)
				}
				return printSource(cmd.OutOrStdout(), v.Files)
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "a folder to write the files to, instead of printing them")
	configFlag(cmd, &config)
	return cmd
}

func newRulesDiffCmd() *cobra.Command {
	var config string
	lang := string(explain.English)
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Say in words what changes from one version to another",
		Long: "Says what changes from A to B: rules, levels and keys that are new, removed or changed, with what was and what becomes, and\n" +
			"then in plain sentences what holds no longer and what holds instead. A and B are files, folders, or versions by the name that `rules list` has.",
		Example: "  accrue rules diff city-mart@1f0c9a2b programme.yaml --config accrue.yaml",
		Args:    usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			language, err := languageFlag(lang)
			if err != nil {
				return err
			}
			a, err := diffSide(cmd, config, args[0])
			if err != nil {
				return err
			}
			b, err := diffSide(cmd, config, args[1])
			if err != nil {
				return err
			}
			printChanges(cmd.OutOrStdout(), language, args[0], a, b)
			return nil
		},
	}
	langFlag(cmd, &lang)
	configFlag(cmd, &config)
	return cmd
}

// diffSide reads a programme that is named by its path, or by its version.
func diffSide(cmd *cobra.Command, config, name string) (files map[string][]byte, err error) {
	if _, statErr := os.Stat(name); statErr == nil || !strings.Contains(name, "@") {
		_, files, err = loadValid(name)
		return files, err
	}
	err = withControl(cmd, config, func(_ *kgo.Client, _ processor.Config, c *processor.Control) error {
		v, err := findVersion(c, name)
		files = v.Files
		return err
	})
	return files, err
}

// withControl connects and reads the control topic.
func withControl(cmd *cobra.Command, config string, use func(kafka *kgo.Client, settings processor.Config, c *processor.Control) error) error {
	settings, err := loadConfig(config)
	if err != nil {
		return err
	}
	kafka, err := connect(cmd.Context(), settings)
	if err != nil {
		return err
	}
	defer kafka.Close()
	c, err := processor.ReadControl(cmd.Context(), kafka, settings.App, nil)
	if err != nil {
		return err
	}
	return use(kafka, settings, c)
}

// findVersion finds a version that counts, or did, by its name: published twice, it is the same.
func findVersion(c *processor.Control, name string) (processor.Published, error) {
	var names []string
	for _, v := range slices.Backward(c.Published) {
		switch {
		case v.Programme == nil:
		case v.Version == name:
			return v, nil
		case !slices.Contains(names, v.Version):
			names = append(names, v.Version)
		}
	}
	if len(names) == 0 {
		return processor.Published{}, invalidf("there is no version %q: none is published yet", name)
	}
	return processor.Published{}, invalidf("there is no version %q; there are %s", name, strings.Join(names, ", "))
}

// sourceOf returns the files of a version.
func sourceOf(c *processor.Control, p *programme.Programme) map[string][]byte {
	for _, v := range c.Published {
		if v.Programme == p {
			return v.Files
		}
	}
	return nil
}

// printChanges prints what changes, a line each as it is written, and then in plain sentences.
func printChanges(out io.Writer, language explain.Language, from string, before, after map[string][]byte) {
	changes := programme.Compare(before, after)
	if len(changes) == 0 {
		fmt.Fprintf(out, "Nothing changes against %s.\n", from)
		return
	}
	fmt.Fprintf(out, "What changes against %s:\n", from)
	for _, change := range changes {
		fmt.Fprintf(out, "  %s\n", change)
	}
	old, _ := programme.Parse(before)
	updated, _ := programme.Parse(after)
	if old == nil || updated == nil { // written for another release; what changes stands above
		return
	}
	if text := explain.Changes(old, updated, language, explainWidth); text != "" {
		fmt.Fprintf(out, "In plain sentences:\n%s", text)
	}
}

// printVersions prints the versions by the times from which they are in force, those of one time as they were published, and
// then what is ignored.
func printVersions(out io.Writer, c *processor.Control, now time.Time) {
	if len(c.Published) == 0 {
		fmt.Fprintln(out, "no version is published yet: the first instance publishes the programme of its configuration")
		return
	}
	listed := slices.Clone(c.Published)
	slices.SortStableFunc(listed, func(a, b processor.Published) int { return a.Effective.Compare(b.Effective) })
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VERSION\tIN FORCE FROM\tSTATE\tPUBLISHED\tBY\tNOTE")
	for _, v := range listed {
		if v.Programme == nil {
			continue
		}
		from := "the beginning"
		if !v.Effective.IsZero() {
			from = v.Effective.Format(time.RFC3339)
		}
		state := strings.ReplaceAll(string(c.Standing(&v, now)), "_", " ")
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Version, from, state, v.At.UTC().Format(time.RFC3339), v.By, v.Note)
	}
	_ = table.Flush() // what cannot be written to the terminal cannot be told there either
	for _, v := range c.Published {
		if v.Programme == nil {
			fmt.Fprintf(out, "ignored: the record at offset %d of %s (%s): %s\n", v.Offset, v.At.UTC().Format(time.RFC3339), strings.TrimSpace(v.Version+" by "+v.By), v.Ignored)
		}
	}
}

func printSource(out io.Writer, files map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if len(files) > 1 {
			fmt.Fprintf(out, "# ---- %s ----\n", name)
		}
		if _, err := out.Write(files[name]); err != nil {
			return err
		}
	}
	return nil
}

// writeSource writes files into a folder that is not there yet, or is empty. Their names come from the topic: none may lead
// out of the folder.
func writeSource(folder string, files map[string][]byte) error {
	if entries, err := os.ReadDir(folder); err == nil && len(entries) > 0 {
		return invalidf("write the programme: folder %s is not empty", folder)
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("write the programme: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("write the programme: %w", err)
	}
	defer root.Close() //nolint:errcheck // its files are closed
	for _, name := range slices.Sorted(maps.Keys(files)) {
		local := filepath.FromSlash(name)
		if err := root.MkdirAll(filepath.Dir(local), 0o750); err != nil {
			return fmt.Errorf("write the programme: %w", err)
		}
		if err := root.WriteFile(local, files[name], 0o600); err != nil {
			return fmt.Errorf("write the programme: %w", err)
		}
	}
	return nil
}
