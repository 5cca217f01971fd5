package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"accrue/processor"
	"accrue/schemas"
)

// hexShown is how much of a value that is no text is shown to people.
const hexShown = 4 << 10

func newLettersShowCmd() *cobra.Command {
	var config string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a dead letter: why, where from, and what is in it",
		Long: "Shows a dead letter: why it is one, with the chain of causes, where it came from, its key and headers, and its value:\n" +
			"decoded where the registry's schema can, as text where it is text, else in hexadecimal.",
		Example: "  accrue dlq show 3:812 --config accrue.yaml\n  accrue dlq show 3:812 --json | jq .value",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := (&letterChoice{}).filter(time.Now(), args)
			if err != nil {
				return err
			}
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			var letter *processor.Letter
			if err := eachLetter(cmd.Context(), c, &filter, func(l *processor.Letter) error { letter = l; return nil }); err != nil {
				return err
			}
			if letter == nil {
				return fmt.Errorf("there is no dead letter %s on %s: accrue dlq list shows those that are there", args[0], c.Topics.DeadLetters)
			}
			value, undecoded := decodeLetter(cmd.Context(), c, letter)
			if asJSON {
				return printLetterJSON(cmd.OutOrStdout(), letter, value)
			}
			printLetter(cmd.OutOrStdout(), letter, value, undecoded)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	configFlag(cmd, &config)
	return cmd
}

// decodeLetter returns the value in JSON, or why it cannot be.
func decodeLetter(ctx context.Context, c processor.Config, l *processor.Letter) ([]byte, error) {
	kind, known := c.Topics.Kinds()[l.Source.Topic]
	switch {
	case !known:
		return nil, errors.New("it is not of a topic that has a schema")
	case l.Value == nil:
		return nil, errors.New("it has no value")
	case l.WholeSize > 0:
		return nil, errors.New("it is cut")
	}
	registry, err := c.Registry.Open()
	if err != nil {
		return nil, err
	}
	value, err := schemas.NewDecoder(registry).Decode(ctx, kind, l.Value)
	if err != nil {
		return nil, err
	}
	return schemas.AppendValue(nil, value)
}

func printLetterJSON(out io.Writer, l *processor.Letter, value []byte) error {
	d := describeLetter(l)
	d.Key, d.Value = string(l.Key), value
	for _, h := range l.Headers {
		if d.Headers == nil {
			d.Headers = map[string][]string{}
		}
		d.Headers[h.Key] = append(d.Headers[h.Key], string(h.Value))
	}
	if value == nil {
		d.Base64 = l.Value
	}
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	lines.SetIndent("", "  ")
	return lines.Encode(d)
}

func printLetter(out io.Writer, l *processor.Letter, value []byte, undecoded error) {
	const most = 4 << 10
	fmt.Fprintf(out, "dead letter %s, written %s, reason %s\n", l.ID, l.Written.Format(time.RFC3339), l.Reason)
	fmt.Fprintf(out, "why      %s\n", oneLine(l.Why, most))
	for _, cause := range l.Causes {
		fmt.Fprintf(out, "  from   %s\n", oneLine(cause, most))
	}
	fmt.Fprintf(out, "was      %s, of %s\n", placeText(l.Source.Topic, l.Source.Partition, l.Source.Offset), l.Timestamp.Format(time.RFC3339))
	if l.Tries > 0 {
		fmt.Fprintf(out, "tries    it was sent again %d times before, and failed again\n", l.Tries)
	}
	if r := l.Retried; r != nil {
		fmt.Fprintf(out, "retried  %s by %s: it is %s now\n", r.At.UTC().Format(time.RFC3339), orDash(r.By), placeText(r.To.Topic, r.To.Partition, r.To.Offset))
	}
	fmt.Fprintf(out, "key      %s\n", shownBytes(l.Key))
	for _, h := range l.Headers {
		fmt.Fprintf(out, "header   %s: %s\n", oneLine(h.Key, most), shownBytes(h.Value))
	}
	printLetterValue(out, l, value, undecoded)
}

func printLetterValue(out io.Writer, l *processor.Letter, value []byte, undecoded error) {
	switch {
	case value != nil:
		fmt.Fprintf(out, "value    %s\n", value)
	case l.Value == nil:
		fmt.Fprintln(out, "value    none, it is a tombstone")
	case printable(l.Value):
		fmt.Fprintf(out, "value    %d bytes, not decoded: %s\n%s\n", len(l.Value), oneLine(undecoded.Error(), whyShown*4), l.Value)
	default:
		fmt.Fprintf(out, "value    %d bytes, not decoded: %s\n%s", len(l.Value), oneLine(undecoded.Error(), whyShown*4), hex.Dump(l.Value[:min(len(l.Value), hexShown)]))
		if len(l.Value) > hexShown {
			fmt.Fprintf(out, "%d more; --json has all, in base64\n", len(l.Value)-hexShown)
		}
	}
	if l.WholeSize > 0 {
		fmt.Fprintf(out, "It was too large to be kept: these are the first %d of %d bytes.\n", len(l.Value), l.WholeSize)
	}
}

// printable says that bytes are text that a terminal only shows.
func printable(b []byte) bool {
	for _, r := range string(b) {
		if r == utf8.RuneError || !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return false
		}
	}
	return utf8.Valid(b)
}

func shownBytes(b []byte) string {
	const most = 200
	switch {
	case b == nil:
		return "none"
	case printable(b):
		return oneLine(string(b), most)
	}
	return "hex " + hex.EncodeToString(b[:min(len(b), most)])
}
