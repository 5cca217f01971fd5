package main

import (
	"github.com/spf13/cobra"
)

// newCompletionCmd is `accrue completion`.
func newCompletionCmd() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that lets a shell complete commands and flags (bash, zsh, fish, powershell)",
		Long: "Prints a script for a shell, which then completes the commands and flags of accrue.\n\n" +
			"  bash        accrue completion bash > /etc/bash_completion.d/accrue   (needs the package bash-completion)\n" +
			"  zsh         accrue completion zsh > \"${fpath[1]}/_accrue\"\n" +
			"  fish        accrue completion fish > ~/.config/fish/completions/accrue.fish\n" +
			"  powershell  accrue completion powershell | Out-String | Invoke-Expression",
		Example:   "  source <(accrue completion bash)",
		ValidArgs: shells,
		Args:      usageArgs(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			default:
				return root.GenPowerShellCompletionWithDesc(out)
			}
		},
	}
}
