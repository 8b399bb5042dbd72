package lab

import (
	"errors"
	"fmt"
	"net/netip"
)

// MaxBranches is the largest hub.
const MaxBranches = 60

// Star is a hub site and its branches, joined by one router. The hub's inside is 10.100.0.0/24 with fd00:64::/64, branch i's
// (from 1) 10.i.0.0/24 with fd00:i::/64. Outside, the hub is 192.0.2.1 and 2001:db8::1, branch i is 198.51.100.(4i+1) and
// 2001:db8:i::1.
type Star struct {
	*Lab
	Hub      Site
	Branches []Site
	Router   *Namespace
}

// RouterDeviceHub is the router's device towards the hub of [Hub]; towards branch i (from 1) it is [RouterDeviceBranch].
const RouterDeviceHub = "to-hub"

// RouterDeviceBranch names the router's device towards branch i, from 1.
func RouterDeviceBranch(i int) string { return fmt.Sprintf("to-%d", i) }

// Hub builds a hub with n branches. The caller must Close the result.
func Hub(n int, o Options) (*Star, error) {
	if n < 1 || n > MaxBranches {
		return nil, fmt.Errorf("hub of %d branches: choose 1 to %d", n, MaxBranches)
	}
	l, err := New()
	if err != nil {
		return nil, err
	}
	s := &Star{Lab: l}
	if err := s.build(n, o); err != nil {
		return nil, errors.Join(fmt.Errorf("hub of %d branches: %w", n, err), l.Close())
	}
	return s, nil
}

func (s *Star) build(n int, o Options) (err error) {
	if s.Router, err = s.router("router"); err != nil {
		return err
	}
	if s.Hub, err = s.site("hub", 100); err != nil {
		return err
	}
	if err := s.connect(&s.Hub, newOutside("192.0.2.0/30", "2001:db8::/64"), s.Router, RouterDeviceHub, o); err != nil {
		return err
	}
	s.Branches = make([]Site, n)
	for i := range s.Branches {
		number := i + 1
		if s.Branches[i], err = s.site(fmt.Sprint(number), uint8(number)); err != nil {
			return err
		}
		v4 := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, uint8(4 * number)}), 30)
		v6 := fmt.Sprintf("2001:db8:%x::/64", number)
		if err := s.connect(&s.Branches[i], newOutside(v4.String(), v6), s.Router, RouterDeviceBranch(number), o); err != nil {
			return err
		}
	}
	return nil
}
