package main

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/demo"
)

func newDemo() *cobra.Command {
	var seconds int
	var only act
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Join sites on this machine and send real traffic",
		Long: `Demo runs real gateways with files and keys of its own in network namespaces of this
machine, in two acts, and ends with one screen of what came through.

Act 1 joins two sites (host – gateway – gateway – host) and sends pings, TCP, UDP and a file
through the tunnel. Act 2 sends TCP from a hub to four branches over a wire of 100 Mbit/s,
eight flows in one tunnel and one in each other, and shows who gets what while it happens:
first with a FIFO in the hub, then with the fair queue.

It needs root, installs iproute2 and iperf3 with apt-get if they are missing, takes less than
a minute, and leaves nothing behind, also when it is interrupted.`,
		Example: "  sudo vpngw demo\n  sudo vpngw demo --act 2",
		Args:    arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), demo.Options{Out: cmd.OutOrStdout(), Act: int(only), Seconds: seconds})
		},
	}
	cmd.Flags().Var(&only, "act", "`ACT` to play: 1, 2 or all")
	cmd.Flags().IntVar(&seconds, "seconds", 4, "length of each throughput measurement of act 1 in `SECONDS`")
	return cmd
}

// act is the flag that chooses one; 0 is all.
type act int

func (a *act) Set(s string) error {
	switch s {
	case "1":
		*a = 1
	case "2":
		*a = 2
	case "all":
		*a = 0
	default:
		return errors.New("choose 1, 2 or all")
	}
	return nil
}

func (a *act) String() string {
	if *a == 0 {
		return "all"
	}
	return strconv.Itoa(int(*a))
}

func (*act) Type() string { return "act" }
