// Command accrue is a rewards engine on Kafka: it reads orders and check-ins, applies a programme, and writes point grants
// and tier changes exactly once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes: done, failed, wrong usage or invalid input.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program with its surroundings as arguments.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := newRootCmd()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	var invalid *invalidError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &invalid):
		fmt.Fprintf(errs, "accrue: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(errs, "accrue: %v\n", err)
		return exitFailed
	}
}

// invalidError is wrong usage or invalid input: exit code 2.
type invalidError struct{ err error }

func (e *invalidError) Error() string { return e.err.Error() }
func (e *invalidError) Unwrap() error { return e.err }

func invalidf(format string, args ...any) error {
	return &invalidError{fmt.Errorf(format, args...)}
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:           "accrue",
		Short:         "Rewards on Kafka: points and tiers, exactly once",
		Long:          "Accrue reads orders and check-ins from Kafka, applies a programme of earn rules, and writes point grants, tier\nchanges and decisions exactly once.",
		Example:       "  accrue demo\n  accrue simulate --programme programme.yaml --in events.jsonl --out out.jsonl",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          commandArgs,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return invalidf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.AddCommand(newRulesCmd(), newSimulateCmd(), newBacktestCmd(), newImportCmd(), newTopicsCmd(), newSendCmd(), newTailCmd(), newRunCmd(), newStateCmd(), newTxnCmd(),
		newDeadLettersCmd(), newDemoCmd(), newConfigCmd(), newVerifyCmd(), newVersionCmd(), newCompletionCmd())
	return root
}

// usageArgs makes wrong arguments wrong usage, with the way to the help.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return invalidf("%w; see %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}

// commandArgs refuses a word that is no command, with the commands that were probably meant.
func commandArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		meant = fmt.Sprintf(" (did you mean %s?)", strings.Join(like, " or "))
	}
	return invalidf("unknown command %q%s; see %s --help", args[0], meant, cmd.CommandPath())
}
