package main

import (
	"context"
	"net/netip"
	"strconv"

	"vpngw/integration/lab"
)

// slowLane is a class of what leaves the hub's gateway for one address, with a rate of its own below the sockets.
type slowLane struct{ at *lab.Namespace }

// openRate in bits per second limits nothing.
const openRate = 20_000_000_000

// slowLane makes the lane, open at first.
func (r *run) slowLane(ctx context.Context, to netip.Addr) (*slowLane, error) {
	s := &slowLane{r.Hub.Gateway}
	for _, args := range [][]string{
		{"qdisc", "add", "dev", lab.WAN, "root", "handle", "1:", "htb", "default", "1"},
		s.class("add", "1:1", openRate),
		s.class("add", "1:2", openRate),
		{"filter", "add", "dev", lab.WAN, "parent", "1:", "protocol", "ip", "u32", "match", "ip", "dst", to.String() + "/32", "flowid", "1:2"},
	} {
		if err := s.tc(ctx, args...); err != nil {
			s.remove()
			return nil, err
		}
	}
	return s, nil
}

func (s *slowLane) class(verb, id string, rate uint64) []string {
	return []string{"class", verb, "dev", lab.WAN, "parent", "1:", "classid", id, "htb", "rate", strconv.FormatUint(rate, 10) + "bit",
		"burst", "64k", "cburst", "64k", "quantum", "60000"}
}

// set gives the lane a rate in bits per second.
func (s *slowLane) set(ctx context.Context, rate uint64) error {
	return s.tc(ctx, s.class("change", "1:2", rate)...)
}

// remove takes the lane away, with what waits in it.
func (s *slowLane) remove() { _ = s.tc(context.Background(), "qdisc", "del", "dev", lab.WAN, "root") }

func (s *slowLane) tc(ctx context.Context, args ...string) error {
	_, err := s.at.Run(ctx, append([]string{"tc"}, args...)...)
	return err
}
