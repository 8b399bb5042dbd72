package main

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"vpngw/crypto/keys"
)

func newGenpsk() *cobra.Command {
	return &cobra.Command{
		Use:   "genpsk [FILE]",
		Short: "Make a pre-shared key",
		Long: `Genpsk makes a pre-shared key of 256 random bits for the psk_file of a tunnel: one line,
the same at both ends.

With FILE, it is written there, with mode 0600; a file that exists is never overwritten.
Without FILE, it goes to standard output; run "umask 077" before you send that to a file.`,
		Example: "  vpngw genpsk /etc/vpngw/branch-b.psk",
		Args:    arguments(0, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			psk, err := keys.GeneratePSK(rand.Reader)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), psk)
				return err
			}
			if err := keys.WriteSecret(args[0], []byte(psk+"\n")); err != nil {
				return secretError(args[0], err)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "pre-shared key written to %s; bring the file to the peer by a safe way\n", args[0])
			return nil
		},
	}
}
