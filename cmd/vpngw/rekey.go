package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/status"
	"vpngw/configs"
)

func newRekey() *cobra.Command {
	var ikeSA bool
	var socket, device string
	cmd := &cobra.Command{
		Use:   "rekey TUNNEL",
		Short: "Give a tunnel new keys now",
		Long: `Rekey asks the running gateway over its control socket for new keys of a tunnel, before
they are due: those of its packets (the child SA), or with --ike those of the IKE SA. It
returns when the gateway has begun; no packet is lost over it. See ` + "`vpngw status`" + ` for the age
of the SAs.`,
		Example: "  vpngw rekey branch-b\n  vpngw rekey --ike branch-b",
		Args:    arguments(1, 1, "the name of the tunnel"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if socket == "" {
				socket = configs.ControlSocket(device)
			}
			if err := status.Rekey(cmd.Context(), socket, args[0], ikeSA); err != nil {
				var refused *status.RefusedError
				if errors.As(err, &refused) {
					return &hintedError{err, refused.Hint}
				}
				return err
			}
			what := "child SA"
			if ikeSA {
				what = "IKE SA"
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: rekey of the %s has begun\n", args[0], what)
			return err
		},
	}
	cmd.Flags().BoolVar(&ikeSA, "ike", false, "new keys of the IKE SA, not of the child SA")
	cmd.Flags().StringVar(&socket, "socket", "", "control socket at `PATH`, as gateway.control_socket in the tunnel file")
	cmd.Flags().StringVar(&device, "interface", "vpngw0", "gateway with the TUN device `NAME`, if its control socket is where it is by default")
	return cmd
}
