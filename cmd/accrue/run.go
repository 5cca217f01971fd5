package main

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// newRunCmd is `accrue run`.
func newRunCmd() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the engine against a cluster",
		Long: "Runs one instance of the engine: reads orders and check-ins, applies the programme, and writes grants, tier changes\n" +
			"and decisions exactly once. Start as many as there is work for, each with a data folder of its own; they share the\n" +
			"shards. SIGTERM or Ctrl-C stops it within 10 seconds: what was decided is committed, the shards go to the others.\n" +
			"An outage of the brokers or of the registry is waited for; /readyz and the log say so. The log goes to stderr.\n" +
			"The console, a page for people, is at the address of http.listen (default 127.0.0.1:8080).",
		Example: "  accrue topics apply --config accrue.yaml\n  accrue run --config accrue.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(config)
			if err != nil {
				return err
			}
			s, err := newService(c, newLog(cmd.ErrOrStderr(), c.LogLevel))
			if err != nil {
				return err
			}
			s.log.Info("memory", "state_bytes", c.State.MemoryBytes, "heap_limit_bytes", limitHeap(c.State.HeapBytes))
			if s.server != nil {
				fmt.Fprintf(cmd.OutOrStdout(), "accrue %s, configured with programme %s; console at %s, metrics at %s/metrics, readiness at %s/readyz\n",
					c.App, s.programme.Version, s.server.URL(), s.server.URL(), s.server.URL())
				s.log.Info("console", "url", s.server.URL())
			}
			return s.run(cmd.Context())
		},
	}
	configFlag(cmd, &config)
	return cmd
}

// newLog writes lines of text from a level on, which LoadConfig has checked.
func newLog(w io.Writer, level string) *slog.Logger {
	var from slog.Level
	_ = from.UnmarshalText([]byte(level)) // checked; else info
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: from}))
}

// limitHeap makes the collector work harder before the heap passes so many bytes, where otherwise it waits until the heap has
// doubled: a container that is too small for that would be killed. It returns the limit in force, which is that of the environment where GOMEMLIMIT is set.
func limitHeap(bytes int64) int64 {
	if set := debug.SetMemoryLimit(-1); set != math.MaxInt64 {
		return set
	}
	debug.SetMemoryLimit(bytes)
	return bytes
}
