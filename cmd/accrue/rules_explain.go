package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"accrue/rules/explain"
)

// explainWidth is how wide an explained programme is, in columns.
const explainWidth = 100

func newRulesExplainCmd() *cobra.Command {
	lang := string(explain.English)
	cmd := &cobra.Command{
		Use:   "explain PATH",
		Short: "Say a programme in plain sentences, for the person who has to sign it",
		Long: "Says the whole programme in plain sentences, a fact each, in English or Chinese: what holds for all, the levels, each\n" +
			"rule with an example where the points depend on the amount, and the thresholds against fraud. What is left out in the\n" +
			"programme is said with what it means then. Exit code 2 where the programme is not valid.",
		Example: "  accrue rules explain programme.yaml\n  accrue rules explain --lang zh programme.yaml",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			language, err := languageFlag(lang)
			if err != nil {
				return err
			}
			p, problems, err := loadProgramme(args[0])
			if err != nil {
				return err
			}
			if problems.Failed() {
				return invalidf("%s is not a valid programme:\n%s", args[0], strings.TrimRight(problems.String(), "\n"))
			}
			fmt.Fprint(cmd.OutOrStdout(), explain.Text(p, language, explainWidth))
			return nil
		},
	}
	langFlag(cmd, &lang)
	return cmd
}

func langFlag(cmd *cobra.Command, lang *string) {
	cmd.Flags().StringVar(lang, "lang", *lang, "the language of sentences: "+languageCodes())
}

func languageFlag(lang string) (explain.Language, error) {
	language := explain.Language(lang)
	if !slices.Contains(explain.Languages(), language) {
		return "", invalidf("--lang %s: the languages are %s", lang, languageCodes())
	}
	return language, nil
}

func languageCodes() string {
	var codes []string
	for _, language := range explain.Languages() {
		codes = append(codes, string(language))
	}
	return strings.Join(codes, " or ")
}
