package main

import (
	"bufio"
	"fmt"
	"io"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/rules/explain"
	"accrue/rules/programme"
)

// publishing is one run of `accrue rules publish`.
type publishing struct {
	again, effective, by, note, config, lang string
	dryRun, yes                              bool
	now                                      func() time.Time
}

func newRulesPublishCmd() *cobra.Command {
	p := publishing{now: time.Now, lang: string(explain.English)}
	cmd := &cobra.Command{
		Use:   "publish [PATH]",
		Short: "Put a version of the programme in force for the whole fleet, from a time on",
		Long: "Checks a programme as `rules check` does, says what changes against the version that it follows and what stands against\n" +
			"it, asks, and puts it on the control topic. Every instance then decides what happens from that time on by it, however late\n" +
			"it arrives, and what happened before by the versions before. The time must be at least 10 minutes ahead. A version with the\n" +
			"time of one that is still to come takes its place. --again publishes a version of before once more: the way back.",
		Example: "  accrue rules publish programme.yaml --effective 2026-07-01T00:00:00+08:00 --config accrue.yaml\n" +
			"  accrue rules publish --again city-mart@1f0c9a2b --effective 2026-07-01T00:00:00+08:00 --config accrue.yaml",
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (p.again != "") {
				return invalidf("name either the programme's PATH or, with --again, a version of before; see %s --help", cmd.CommandPath())
			}
			return p.run(cmd, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.effective, "effective", "", "from when it is in force, such as 2026-07-01T00:00:00+08:00; at least 10 minutes ahead")
	flags.StringVar(&p.again, "again", "", "a version that was published before, by the name that `rules list` has")
	flags.StringVar(&p.note, "note", "", "why, for those who read `rules list`")
	flags.StringVar(&p.by, "by", "", "who publishes it (default: the name of the user here)")
	flags.BoolVar(&p.dryRun, "dry-run", false, "say what would change, and publish nothing")
	flags.BoolVar(&p.yes, "yes", false, "do not ask")
	langFlag(cmd, &p.lang)
	configFlag(cmd, &p.config)
	return cmd
}

func (p *publishing) run(cmd *cobra.Command, args []string) error {
	language, err := languageFlag(p.lang)
	if err != nil {
		return err
	}
	effective, err := timeFlag("--effective", p.effective)
	if err != nil {
		return err
	}
	if effective.IsZero() {
		return invalidf("--effective is missing: from when is it to be in force? At least %s ahead, such as %s",
			tenMinutes, p.now().Add(processor.PublishAhead).Truncate(time.Hour).Add(time.Hour).Format(time.RFC3339))
	}
	effective = effective.Truncate(time.Millisecond)
	var next *programme.Programme
	var files map[string][]byte
	if len(args) == 1 { // what is wrong with it is said before anybody is asked
		if next, files, err = loadValid(args[0]); err != nil {
			return err
		}
		if err := printWarnings(cmd.ErrOrStderr(), args[0]); err != nil {
			return err
		}
	}
	return withControl(cmd, p.config, func(kafka *kgo.Client, settings processor.Config, c *processor.Control) error {
		if p.again != "" {
			before, err := findVersion(c, p.again)
			if err != nil {
				return err
			}
			next, files = before.Programme, before.Files
		}
		if why := c.CheckPublication(next, effective, p.now()); len(why) > 0 {
			return invalidf("%s cannot be published:\n- %s", next.Version, strings.Join(why, "\n- "))
		}
		if err := canDraw(settings, next); err != nil {
			return err
		}
		p.tell(cmd.OutOrStdout(), language, c, next, files, effective)
		if p.dryRun {
			fmt.Fprintln(cmd.OutOrStdout(), "nothing is published (--dry-run)")
			return nil
		}
		if err := p.confirm(cmd); err != nil {
			return err
		}
		published, err := processor.Publish(cmd.Context(), kafka, settings.App, processor.Publication{
			Files: files, Effective: effective, By: p.publisher(), Note: p.note,
		})
		if err != nil {
			return fmt.Errorf("%w; see what stands there now with accrue rules list, and publish it again", err)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "published: %s is in force from %s on every instance\n", published.Version, atPlace(effective, next))
		return nil
	})
}

// canDraw refuses a programme that draws lots where no secret for them is configured: instances without it stop when they see
// such a version. Whether they have it nobody can tell from here; they have the configuration that this command should have.
func canDraw(settings processor.Config, next *programme.Programme) error {
	secret, err := settings.Random.Key()
	if err != nil {
		return &invalidError{err}
	}
	_, err = newLedger(next, secret)
	return err
}

// tenMinutes is processor.PublishAhead for people.
const tenMinutes = "10 minutes"

// printWarnings prints what `rules check` warns of.
func printWarnings(out io.Writer, path string) error {
	_, problems, err := loadProgramme(path)
	if err == nil {
		fmt.Fprint(out, problems.String())
	}
	return err
}

// tell says what changes.
func (p *publishing) tell(out io.Writer, language explain.Language, c *processor.Control, next *programme.Programme, files map[string][]byte, effective time.Time) {
	versions := c.Versions()
	before := versions.At(effective.Add(-time.Millisecond))
	fmt.Fprintf(out, "%s, in force from %s\n", next.Version, atPlace(effective, next))
	printChanges(out, language, before.Version, sourceOf(c, before), files)
	for _, v := range versions {
		switch {
		case v.From.Equal(effective):
			fmt.Fprintf(out, "It takes the place of %s, which was to be in force from the same time.\n", v.Programme.Version)
		case v.From.After(effective):
			fmt.Fprintf(out, "It is in force until %s, when %s follows, as published before.\n", atPlace(v.From, next), v.Programme.Version)
			return
		}
	}
}

func (p *publishing) confirm(cmd *cobra.Command) error {
	if p.yes {
		return nil
	}
	return confirm(cmd, "Publish it?", "nothing is published")
}

// confirm asks, and says no to everything but yes.
func confirm(cmd *cobra.Command, question, no string) error {
	fmt.Fprintf(cmd.OutOrStdout(), "%s Type yes: ", question)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if strings.TrimSpace(answer) == "yes" {
		return nil
	}
	fmt.Fprintln(cmd.OutOrStdout())
	if err != nil && strings.TrimSpace(answer) == "" {
		return invalidf("%s: nobody answered; say --yes where nobody can", no)
	}
	return invalidf("%s", no)
}

func (p *publishing) publisher() string { return byName(p.by) }

// byName is the name under which something is done: the one that is given or else that of the user here.
func byName(given string) string {
	if given != "" {
		return given
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// atPlace is an instant as people where the programme is read it, and in UTC.
func atPlace(at time.Time, p *programme.Programme) string {
	if at.IsZero() {
		return "the beginning"
	}
	return fmt.Sprintf("%s (%s)", at.In(p.Zone).Format("2006-01-02 15:04:05 MST"), at.UTC().Format(time.RFC3339))
}
