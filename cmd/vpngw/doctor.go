package main

import (
	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/health"
)

func newDoctor() *cobra.Command {
	var asJSON, fix bool
	var about subjectFlags
	cmd := &cobra.Command{
		Use:   "doctor [FILE]",
		Short: "Find what around the gateway makes tunnels slow or breaks them",
		Long: `Doctor looks at offloads, MTUs, socket buffers, forwarding, reverse-path filters, and what
netfilter does with the tunnels' own packets; it tries the kernel's offloads on sockets
over loopback and on TUN devices in a namespace of their own; and it sends each peer a NAT
keepalive and ICMP echo requests. What it finds it explains, with the command that mends it.

With --fix it runs the commands that only change how packets are carried, not which ones,
says so, and looks again. These changes last until the machine restarts.

It asks the running gateway what it is about; with a FILE it takes that from the tunnel
file, and no gateway needs to run. It needs root to see all, and says what it did not see.
The exit code is 1 if there are errors or warnings, 0 if there are at most notes.`,
		Example: "  vpngw doctor\n  vpngw doctor /etc/vpngw/vpngw.yaml --fix",
		Args:    arguments(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, missing, err := about.subject(cmd, args)
			if err != nil {
				return err
			}
			r := health.Examine(cmd.Context(), s, fix)
			r.Unseen = append(missing, r.Unseen...)
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), &r)
			} else {
				err = r.Print(cmd.OutOrStdout())
			}
			if err == nil && !r.Healthy {
				err = errReported
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "mend what is safe to mend")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; its fields are stable")
	about.register(cmd)
	return cmd
}
