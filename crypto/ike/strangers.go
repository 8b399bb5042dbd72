package ike

import (
	"maps"
	"net/netip"
	"slices"
)

// addresses knows which peers are configured at an address, and what any peer accepts.
type addresses struct {
	at  map[netip.Addr][]*peer
	any *preferences // nil: to be computed

	waiting int // peers without an address
}

func (m *Machine) knowAddress(p *peer) {
	m.addrs.any = nil
	if p.Remote.IsValid() {
		a := p.Remote.Addr().Unmap()
		m.addrs.at[a] = append(m.addrs.at[a], p)
	} else {
		m.addrs.waiting++
	}
}

func (m *Machine) forgetAddress(p *peer) {
	m.addrs.any = nil
	if !p.Remote.IsValid() {
		m.addrs.waiting--
		return
	}
	a := p.Remote.Addr().Unmap()
	rest := slices.DeleteFunc(m.addrs.at[a], func(o *peer) bool { return o == p })
	if len(rest) == 0 {
		delete(m.addrs.at, a)
		return
	}
	m.addrs.at[a] = rest
}

// strangerPreferences are those of the peers configured at an address, or of all peers
// where there is none: it may be any of them behind a NAT.
func (m *Machine) strangerPreferences(from netip.Addr) preferences {
	if here := m.addrs.at[from.Unmap()]; len(here) > 0 {
		return union(here)
	}
	if m.addrs.any == nil {
		all := make([]*peer, 0, len(m.peers))
		for _, id := range slices.Sorted(maps.Keys(m.peers)) {
			all = append(all, m.peers[id])
		}
		u := union(all)
		m.addrs.any = &u
	}
	return *m.addrs.any
}

// union is what at least one of the peers accepts, the first one's preferences first.
func union(peers []*peer) preferences {
	var u preferences
	for _, p := range peers {
		w := p.preferences()
		u.ciphers = merge(u.ciphers, w.ciphers)
		u.prfs = merge(u.prfs, w.prfs)
		u.groups = merge(u.groups, w.groups)
		u.mlkem = u.mlkem || w.mlkem
	}
	return u
}

func merge[T comparable](list, more []T) []T {
	list = slices.Clip(list)
	for _, x := range more {
		if !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return list
}

// allows tells whether a suite is one of this peer's.
func (w preferences) allows(s suite) bool {
	return slices.Contains(w.ciphers, s.cipher) && slices.Contains(w.prfs, s.prf) && slices.Contains(w.groups, s.group)
}
