package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/cmd/accrue/wording"
	"accrue/processor"
	"accrue/rules"
	"accrue/rules/explain"
	"accrue/state"
)

func newStateGetCmd() *cobra.Command {
	var config string
	var asJSON bool
	lang := string(explain.English)
	cmd := &cobra.Command{
		Use:   "get MEMBER",
		Short: "Show a member: balance, tier, events, and why each point was given",
		Long: "Shows what the engine holds of a member: balance, what is held, tier, what limits have counted, and each event within\n" +
			"the window with its grants. The reasons are those that the programme of the configuration gives; what was said at\n" +
			"the time is in the decisions (accrue tail). The console's page of a member says the same in the same words.",
		Example: "  accrue state get m1 --config accrue.yaml\n  accrue state get m1 --lang zh\n  accrue state get m1 --json | jq .balance",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			language, err := languageFlag(lang)
			if err != nil {
				return err
			}
			words, err := wording.In(language)
			if err != nil {
				return err
			}
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			d, err := describeMember(cmd, c, args[0])
			if err != nil {
				return err
			}
			if !asJSON {
				(&memberSheet{Words: words, out: cmd.OutOrStdout()}).print(&d)
				return nil
			}
			lines := json.NewEncoder(cmd.OutOrStdout())
			lines.SetEscapeHTML(false)
			lines.SetIndent("", "  ")
			return lines.Encode(d)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	langFlag(cmd, &lang)
	configFlag(cmd, &config)
	return cmd
}

// describeMember reads the member's shard into memory and lets the account describe itself.
func describeMember(cmd *cobra.Command, c processor.Config, member string) (d rules.Description, err error) {
	err = withChangelog(cmd, c, func(kafka *kgo.Client, store *state.Store, shards int32) error {
		ledger, err := ledgerOf(cmd, kafka, c)
		if err != nil {
			return err
		}
		home := processor.Home(member, shards)
		if err := foldShard(cmd, kafka, c.App, store.Shard(home)); err != nil {
			return err
		}
		account, err := ledger.Open(member, store.Shard(home).View(member, nil))
		if err != nil {
			return err
		}
		if account.New() {
			return sayErased(ledger, store.Shard(home), member)
		}
		d, err = account.Describe()
		return err
	})
	if err == nil && d.NewestEvent.IsZero() {
		return d, fmt.Errorf("nothing is held of member %q: no event of theirs was accepted yet; members are told apart by every letter", member)
	}
	return d, err
}

// sayErased says of a member of whom nothing is held whether that was erased.
func sayErased(ledger *rules.Ledger, shard *state.Shard, member string) error {
	erasures, err := ledger.OpenErasures(shard.View(state.KeyName(rules.ErasuresKey), nil))
	if err != nil {
		return err
	}
	at, erased, err := erasures.Find(member)
	if err == nil && erased {
		err = fmt.Errorf("member %q was erased at %s: nothing is held of them, and nothing is granted any more", member, moment(at))
	}
	return err
}
