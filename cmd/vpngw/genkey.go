package main

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"vpngw/crypto/keys"
)

func newGenkey() *cobra.Command {
	kind := keys.Ed25519.String()
	cmd := &cobra.Command{
		Use:   "genkey [FILE]",
		Short: "Make a private key",
		Long: `Genkey makes a private key (PKCS#8 PEM) for the key_file of a tunnel file. It is an Ed25519
key; ECDSA keys on P-256 and P-384 are for peers and authorities that know no others.

With FILE, it is written there, with mode 0600; a file that exists is never overwritten.
The public key is then shown on standard error. Without FILE, the private key goes to
standard output; run "umask 077" before you send that to a file.`,
		Example: "  vpngw genkey /etc/vpngw/gw-a.key\n  vpngw genkey | vpngw pubkey",
		Args:    arguments(0, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := keys.ParseKind(kind)
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			key, err := keys.GenerateKind(k, rand.Reader)
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
	cmd.Flags().StringVar(&kind, "type", kind, "`KIND` of key: ed25519, ecdsa-p256, ecdsa-p384")
	return cmd
}
