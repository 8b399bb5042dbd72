package main

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/daemon"
	"vpngw/cmd/vpngw/internal/health"
	"vpngw/cmd/vpngw/internal/status"
	"vpngw/tunnel/doctor"
	"vpngw/tunnel/survey"
)

func newOffloads() *cobra.Command {
	var asJSON, watch bool
	var about subjectFlags
	cmd := &cobra.Command{
		Use:   "offloads [FILE]",
		Short: "Show the offloads of all interfaces on a packet's way",
		Long: `Offloads shows the interfaces that matter to a gateway: the TUN device, the uplinks (by the
routes to the peers), the LAN interfaces (by the local subnets), and what these are stacked
on. Each has its sizes and its features in the words and groups of ethtool -k; beside them
stands what is best for the gateway, with a "!" where that is not so, and why.

It asks the running gateway what it is about; with a FILE it takes that from the tunnel
file, and no gateway needs to run. It changes nothing. ` + "`vpngw doctor`" + ` says what to do.

With --watch it shows, each second, what crossed the gateway in the last one, in all and by
interface: calls, packets, bytes per call, the calls by how many packets each carried, and why
superpackets for the TUN device did not grow. An interface whose packets come one by one
stands out, as do those that come by no interface that is known: "other". With --json each
second is one line. docs/offloads.md explains the reasons.`,
		Example: "  vpngw offloads\n  vpngw offloads /etc/vpngw/vpngw.yaml --json\n  vpngw offloads --watch",
		Args:    arguments(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if watch && len(args) > 0 {
				return &usageError{errorf("--watch is about a running gateway: it takes no FILE"), cmd.CommandPath()}
			}
			if watch {
				return watchEdges(cmd.Context(), cmd.OutOrStdout(), about.path(), asJSON)
			}
			s, missing, err := about.subject(cmd, args)
			if err != nil {
				return err
			}
			f, err := survey.Interfaces(s)
			if err != nil {
				return err
			}
			f.Unseen = append(missing, f.Unseen...)
			o := health.OffloadsOf(f)
			if asJSON {
				if len(args) == 0 {
					s, err := status.Fetch(cmd.Context(), about.path())
					if err != nil {
						return err
					}
					o.Count(s)
				}
				return printJSON(cmd.OutOrStdout(), o)
			}
			return health.PrintOffloads(cmd.OutOrStdout(), o)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; its fields are stable")
	cmd.Flags().BoolVar(&watch, "watch", false, "show each second how large packets cross the gateway, and why they were not glued larger")
	about.register(cmd)
	return cmd
}

// subjectFlags say which gateway is meant where no tunnel file is given.
type subjectFlags struct{ gatewayFlags }

// subject is the gateway of the tunnel file in args, or else the running one. missing says
// what of it is not known.
func (f *subjectFlags) subject(cmd *cobra.Command, args []string) (s doctor.Subject, missing []string, err error) {
	if len(args) == 0 {
		if s, err = status.Subject(cmd.Context(), f.path()); err != nil {
			err = &hintedError{err, "name the tunnel file to look without a running gateway"}
		}
		return s, nil, err
	}
	file, err := loadFile(cmd.ErrOrStderr(), args[0])
	if err != nil {
		return s, nil, err
	}
	s, errs := daemon.Subject(cmd.Context(), file)
	for _, e := range errs {
		missing = append(missing, e.Error())
	}
	return s, missing, nil
}

// watchEdges shows each second what crossed the gateway in it, until ctx ends.
func watchEdges(ctx context.Context, w io.Writer, socket string, asJSON bool) error {
	before, err := status.Fetch(ctx, socket)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		now, err := status.Fetch(ctx, socket)
		if err != nil {
			return err
		}
		crossed := health.CrossedBetween(before, now)
		if asJSON {
			err = json.NewEncoder(w).Encode(&crossed)
		} else {
			err = health.PrintCrossed(w, &crossed)
		}
		if err != nil {
			return err
		}
		before = now
	}
}
