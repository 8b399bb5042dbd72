package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vpngw/crypto/keys"
)

// maxKeyInput bounds what is read from standard input; a key has 119 bytes.
const maxKeyInput = 64 << 10

func newPubkey() *cobra.Command {
	asPEM := false
	cmd := &cobra.Command{
		Use:   "pubkey [FILE]",
		Short: "Print the public key of a private key",
		Long: `Pubkey reads a private key from FILE or from standard input and prints its public key
on standard output: one line for the public_key of the peer's tunnel file (an ECDSA key's is
longer) or, with --pem, SPKI PEM as strongSwan and OpenSSL take it.`,
		Example: "  vpngw pubkey /etc/vpngw/gw-a.key\n  vpngw pubkey --pem < gw-a.key > gw-a.pub",
		Args:    arguments(0, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := readPrivate(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			text := []byte(key.Public().String() + "\n")
			if asPEM {
				text = key.Public().MarshalPEM()
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&asPEM, "pem", false, "print SPKI PEM")
	return cmd
}

// readPrivate reads a private key from the file that args names, else from stdin.
func readPrivate(stdin io.Reader, args []string) (keys.PrivateKey, error) {
	if len(args) > 0 {
		key, err := keys.LoadPrivate(args[0])
		if err != nil {
			err = secretError(args[0], err)
		}
		return key, err
	}
	data, err := io.ReadAll(io.LimitReader(stdin, maxKeyInput))
	if err != nil {
		return keys.PrivateKey{}, fmt.Errorf("standard input: %w", err)
	}
	key, err := keys.ParsePrivate(data)
	if err != nil {
		err = secretError("standard input", err)
	}
	return key, err
}
