package main

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"vpngw/crypto/keys"
)

func newGenkey() *cobra.Command {
	return &cobra.Command{
		Use:   "genkey [FILE]",
		Short: "Make a private key",
		Long: `Genkey makes an Ed25519 private key (PKCS#8 PEM) for the key_file of a tunnel file.

With FILE, it is written there, with mode 0600; a file that exists is never overwritten.
The public key is then shown on standard error. Without FILE, the private key goes to
standard output; run "umask 077" before you send that to a file.`,
		Example: "  vpngw genkey /etc/vpngw/gw-a.key\n  vpngw genkey | vpngw pubkey",
		Args:    arguments(0, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := keys.Generate(rand.Reader)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				_, err := cmd.OutOrStdout().Write(key.MarshalPEM())
				return err
			}
			if err := keys.WriteSecret(args[0], key.MarshalPEM()); err != nil {
				return secretError(args[0], err)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "private key written to %s; its public key is %v\n", args[0], key.Public())
			return nil
		},
	}
}
