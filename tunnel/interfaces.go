package tunnel

import (
	"context"
	"slices"
	"strings"
	"time"

	"vpngw/tunnel/lane"
	"vpngw/tunnel/survey"
)

// OtherInterface is the name of the status of what belongs to no interface that is known:
// packets of this machine itself, of hosts that several routes lead to, and datagrams that
// no tunnel's socket is connected for.
const OtherInterface = "other"

// InterfaceStatus is how packets crossed the edges, as far as they came from or went to one
// network interface: through the TUN device those of hosts behind it, by the routes to
// them, through the sockets those of tunnels that leave by it.
type InterfaceStatus struct {
	Name  string   `json:"name"`  // or [OtherInterface]
	Roles []string `json:"roles"` // LAN, uplink: what it is now
	EdgesStatus
}

const (
	roleLAN    = "LAN"
	roleUplink = "uplink"

	// mostInterfaces bounds those that are told apart. A name, once counted, stays.
	mostInterfaces = 64

	// After a change of the network LANs are looked for again, but the most time is left
	// for other things: a router may have a million routes to read.
	lanRest  = time.Second
	lanShare = 50
)

// interfaces are those that tunnels' packets come from and go to. Like all of the
// gateway's they belong to the goroutine of control.
type interfaces struct {
	edges   map[string][]*lane.Edges // by name, and by lane
	lans    []survey.LAN             // as the lanes know them
	changed chan struct{}            // the network has; holds one
}

func newInterfaces() interfaces {
	return interfaces{edges: map[string][]*lane.Edges{}, changed: make(chan struct{}, 1)}
}

// edgesOf are the counters of an interface on each lane; nil if it is not to be told
// from others.
func (g *Gateway) edgesOf(name string) []*lane.Edges {
	all := g.interfaces.edges[name]
	if all != nil || name == "" || name == g.cfg.Interface || len(g.interfaces.edges) >= mostInterfaces {
		return all
	}
	for range g.lanes.Lanes() {
		all = append(all, new(lane.Edges))
	}
	g.interfaces.edges[name] = all
	return all
}

// followLANs looks at the start, and when the network has changed, which interfaces the
// local subnets are behind, until ctx ends. It has a goroutine of its own.
func (g *Gateway) followLANs(ctx context.Context) error {
	local := g.cfg.localSubnets()
	for {
		start := time.Now()
		lans, err := survey.LANs(local)
		if err == nil {
			err = g.ask(ctx, func() { g.useLANs(lans) })
		}
		if err != nil {
			g.log.Debug("interfaces that local subnets are behind are not known", "error", err)
			g.lansChanged() // once more
		}
		rest := max(lanRest, lanShare*time.Since(start))
		select {
		case <-ctx.Done():
			return nil
		case <-g.interfaces.changed:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(rest):
		}
	}
}

// lansChanged has LANs looked for again.
func (g *Gateway) lansChanged() {
	select {
	case g.interfaces.changed <- struct{}{}:
	default:
	}
}

// useLANs tells the lanes which interfaces hosts of ours are behind, if that is news.
func (g *Gateway) useLANs(lans []survey.LAN) {
	if slices.Equal(lans, g.interfaces.lans) {
		return
	}
	g.interfaces.lans = lans
	for i, l := range g.lanes.Lanes() {
		table := new(lane.LANs)
		for _, n := range lans {
			edges := &l.Counters().Edges
			if known := g.edgesOf(n.Link); known != nil {
				edges = known[i]
			}
			table.Insert(n.Hosts, edges)
		}
		l.Do(func() { l.SetLANs(table) })
	}
}

// interfaceStatus is all interfaces by name, and what belongs to none at the end.
func (g *Gateway) interfaceStatus() []InterfaceStatus {
	var list []InterfaceStatus
	for name, edges := range g.interfaces.edges {
		s := InterfaceStatus{Name: name, Roles: g.rolesOf(name), EdgesStatus: newEdgesStatus()}
		for _, e := range edges {
			s.add(e)
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b InterfaceStatus) int { return strings.Compare(a.Name, b.Name) })
	other := InterfaceStatus{Name: OtherInterface, Roles: []string{}, EdgesStatus: newEdgesStatus()}
	for _, l := range g.lanes.Lanes() {
		other.add(&l.Counters().Edges)
	}
	return append(list, other)
}

func (g *Gateway) rolesOf(name string) []string {
	roles := []string{}
	if slices.ContainsFunc(g.interfaces.lans, func(n survey.LAN) bool { return n.Link == name }) {
		roles = append(roles, roleLAN)
	}
	if slices.ContainsFunc(g.tunnels, func(t *tunnel) bool { return t.uplink != nil && t.uplink.name == name }) {
		roles = append(roles, roleUplink)
	}
	return roles
}
