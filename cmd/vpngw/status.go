package main

import (
	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/status"
)

func newStatus() *cobra.Command {
	var asJSON bool
	var gateway gatewayFlags
	cmd := &cobra.Command{
		Use:   "status [TUNNEL ...]",
		Short: "Show a running gateway and its tunnels",
		Long: `Status asks the running gateway over its control socket and shows for each tunnel its state
and the reason if it is not up, whether packets flow, where the peer is, SPIs and their
ages, bytes and packets each way, and what was dropped, by reason.

"up" says that keys are agreed; "packets flow" says that packets get through.

Before that, a line for each uplink and one for each tunnel say where packets wait, for
how long, and what limits the tunnel: its own rate, the uplink's rate, the device, the
peer socket (its send buffer is full), the processor, or nothing.`,
		Example: "  vpngw status\n  vpngw status branch-b --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := status.Fetch(cmd.Context(), gateway.path())
			if err != nil {
				return err
			}
			if err := status.Select(s, args); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), s)
			}
			return status.Print(cmd.OutOrStdout(), s)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; its fields are stable")
	gateway.register(cmd)
	return cmd
}
