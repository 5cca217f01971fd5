package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"accrue/processor"
)

// version is what the linker writes in where a binary is built without its repository (deploy/Dockerfile):
// -ldflags "-X main.version=v1.2.3". It is never written to otherwise.
var version string

// build is what is known of this binary. The go command writes it in from the repository.
type build struct {
	Version  string            `json:"version"` // the linker's; else a tag, or the tag before with time and revision
	Revision string            `json:"revision,omitempty"`
	Time     string            `json:"time,omitempty"` // of the revision
	Modified bool              `json:"modified"`       // built from files that no revision holds
	Go       string            `json:"go"`
	Platform string            `json:"platform"`
	Formats  processor.Formats `json:"formats"`
}

func readBuild() build {
	b := build{Version: "unknown", Formats: processor.KnownFormats()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	b.Version, b.Go, b.Platform = cmp.Or(version, info.Main.Version), info.GoVersion, settings["GOOS"]+"/"+settings["GOARCH"]
	b.Revision, b.Time, b.Modified = settings["vcs.revision"], settings["vcs.time"], settings["vcs.modified"] == "true"
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	return b
}

// newVersionCmd is `accrue version`.
func newVersionCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, what it was built from, and the formats that it knows",
		Long: "Prints the version of this binary, the revision that it was built from, and the highest numbers of the formats that it\n" +
			"reads and writes. An app that is at a higher number than a binary knows is not served by it: that is what to compare\n" +
			"before a rollback.",
		Example: "  accrue version\n  accrue version --json | jq .formats",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := readBuild()
			if asJSON {
				lines := json.NewEncoder(cmd.OutOrStdout())
				lines.SetIndent("", "  ")
				return lines.Encode(b)
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "accrue %s\n", b.Version)
			if b.Revision != "" {
				fmt.Fprintf(out, "revision %s of %s", b.Revision, b.Time)
				if b.Modified {
					fmt.Fprint(out, ", with changes that it does not hold")
				}
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "%s, %s\nformats: %s\n", b.Go, b.Platform, b.Formats)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
