package lab

import (
	"errors"
	"fmt"
	"net/netip"
)

// Bottleneck is a hub site and its branches with one wire between them that all their packets share: hub – near router – trunk – far
// router – branches. Insides and outsides have the addresses of [Hub]. Nothing between the sites is carried in clear.
type Bottleneck struct {
	*Lab
	Hub      Site
	Branches []Site
	// Near is the router at the hub and Far the one at the branches. What Near sends on [TrunkDevice] goes from the hub to the
	// branches, what Far sends on it comes back.
	Near, Far *Namespace
}

// TrunkDevice is the device of both routers on the shared wire.
const TrunkDevice = "trunk"

// Dumbbell builds a hub with n branches behind one shared wire. The caller must Close the result.
func Dumbbell(n int, o Options) (*Bottleneck, error) {
	if n < 1 || n > MaxBranches {
		return nil, fmt.Errorf("dumbbell of %d branches: choose 1 to %d", n, MaxBranches)
	}
	l, err := New()
	if err != nil {
		return nil, err
	}
	t := &Bottleneck{Lab: l}
	o.Isolated = true
	if err := t.build(n, o); err != nil {
		return nil, errors.Join(fmt.Errorf("dumbbell of %d branches: %w", n, err), l.Close())
	}
	return t, nil
}

func (t *Bottleneck) build(n int, o Options) (err error) {
	if t.Near, err = t.router("near"); err != nil {
		return err
	}
	if t.Far, err = t.router("far"); err != nil {
		return err
	}
	near := newOutside("203.0.113.0/30", "2001:db8:ffff::/64")
	far := near.swapped()
	err = t.wire(End{t.Near, TrunkDevice, near.near()}, End{t.Far, TrunkDevice, far.near()}, o)
	if err != nil {
		return err
	}
	err = errors.Join(t.Near.AddDefaultRoutes(far.own4.Addr(), far.own6.Addr()), t.Far.AddDefaultRoutes(near.own4.Addr(), near.own6.Addr()))
	if err != nil {
		return err
	}
	if t.Hub, err = t.site("hub", 100); err != nil {
		return err
	}
	if err := t.connect(&t.Hub, newOutside("192.0.2.0/30", "2001:db8::/64"), t.Near, RouterDeviceHub, o); err != nil {
		return err
	}
	t.Branches = make([]Site, n)
	for i := range t.Branches {
		number := i + 1
		if t.Branches[i], err = t.site(fmt.Sprint(number), uint8(number)); err != nil {
			return err
		}
		v4 := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, uint8(4 * number)}), 30)
		v6 := fmt.Sprintf("2001:db8:%x::/64", number)
		if err := t.connect(&t.Branches[i], newOutside(v4.String(), v6), t.Far, RouterDeviceBranch(number), o); err != nil {
			return err
		}
	}
	return nil
}
