package main

import (
	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/demo"
)

func newDemo() *cobra.Command {
	var seconds int
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Join two sites on this machine and send real traffic",
		Long: `Demo builds two sites in network namespaces of this machine (host – gateway – gateway –
host), joins them by two real gateways with files and keys of its own, sends pings, TCP, UDP
and a file through the tunnel, and ends with one screen of what came through.

It needs root, installs iproute2 and iperf3 with apt-get if they are missing, takes about a
minute, and leaves nothing behind, also when it is interrupted.`,
		Example: "  sudo vpngw demo",
		Args:    arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), demo.Options{Out: cmd.OutOrStdout(), Seconds: seconds})
		},
	}
	cmd.Flags().IntVar(&seconds, "seconds", 4, "length of each throughput measurement in `SECONDS`")
	return cmd
}
