package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/status"
)

func newRekey() *cobra.Command {
	var ikeSA bool
	var gateway gatewayFlags
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
			if err := status.Rekey(cmd.Context(), gateway.path(), args[0], ikeSA); err != nil {
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
	gateway.register(cmd)
	return cmd
}
