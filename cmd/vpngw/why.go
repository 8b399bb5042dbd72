package main

import (
	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/status"
)

func newWhy() *cobra.Command {
	var gateway gatewayFlags
	cmd := &cobra.Command{
		Use:   "why [TUNNEL ...]",
		Short: "Say why a tunnel is not up, and what to do",
		Long: `Why asks the running gateway over its control socket what keeps a tunnel from carrying
packets: which value disagreed in the last negotiation, ours and the peer's as far as the
protocol reveals it, whom we refused and why, what was dropped, and where to look.`,
		Example: "  vpngw why branch-b",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := status.Fetch(cmd.Context(), gateway.path())
			if err != nil {
				return err
			}
			if err := status.Select(s, args); err != nil {
				return err
			}
			return status.Why(cmd.OutOrStdout(), s)
		},
	}
	gateway.register(cmd)
	return cmd
}
