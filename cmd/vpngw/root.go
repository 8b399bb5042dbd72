package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

const rootHelp = `vpngw joins site networks by IPsec: IKEv2 for the keys, ESP in UDP for the packets,
one YAML file for the tunnels.

Results are written to standard output, everything else to standard error.

Exit codes:
  0  all is well
  1  what was asked for failed, or the tunnel file has mistakes
  2  the command line is wrong: unknown command, flag or argument`

// usageTemplate is cobra's in shorter words.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if or .IsAvailableCommand (eq .Name "help")}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`

// newRoot makes the command tree. Each command stands in a file of its own.
func newRoot() *cobra.Command {
	cobra.EnableCommandSorting = false
	root := &cobra.Command{
		Use:           "vpngw",
		Short:         "A site-to-site IPsec gateway",
		Long:          rootHelp,
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,

		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.ErrOrStderr(), cmd.UsageString()) // and an empty line
			return &usageError{errorf("no command"), cmd.CommandPath()}
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetUsageTemplate(usageTemplate)
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(
		newRun(),
		newStatus(),
		newRekey(),
		newWhy(),
		newOffloads(),
		newDoctor(),
		newDemo(),
		newCheck(),
		newGenkey(),
		newPubkey(),
		newGenpsk(),
		newVersion(),
	)
	root.SetHelpCommand(newHelp(root))
	return root
}

// knownCommand is asked only when the first argument is no command.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := errorf("unknown command %q", args[0])
	if close := cmd.SuggestionsFor(args[0]); len(close) > 0 {
		return &hintedError{err, fmt.Sprintf("did you mean %q?", strings.Join(close, `" or "`))}
	}
	return err
}

// newHelp replaces cobra's own, which exits with 0 for a command that there is not.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Say how a command is used",
		Long:  "Help says how a command is used, as does the flag --help of each command.",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = knownCommand(root, rest)
			}
			if err != nil {
				return &usageError{err, root.CommandPath()}
			}
			cmd.InitDefaultHelpFlag()
			cmd.InitDefaultVersionFlag()
			return cmd.Help()
		},
	}
}

// execute runs the command line and gives the exit code.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	// Cobra calls this between the parsing of the command line and the command itself.
	understood := false
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	cmd, err := root.ExecuteC()
	if err != nil && !understood {
		err = &usageError{err, cmd.CommandPath()}
	}
	return report(stderr, err)
}
