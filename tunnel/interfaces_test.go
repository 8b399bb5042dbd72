package tunnel

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"vpngw/tunnel/lane"
	"vpngw/tunnel/survey"
)

// lanesOf gives g so many lanes that do not run.
func lanesOf(t *testing.T, g *Gateway, n int) {
	t.Helper()
	lanes, err := lane.NewGroup(lane.Config{}, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lanes.Close)
	g.useLanes(lanes)
}

// TestInterfaceStatus: an interface that is LAN and uplink is one row, the rows of several
// lanes are added, and all rows together are what crossed the edges.
func TestInterfaceStatus(t *testing.T) {
	g := three(t)
	lanesOf(t, g, 3)
	g.tunnels[0].link, g.tunnels[1].link, g.tunnels[2].link = "eth0", "eth1", "eth1"
	g.openUplinks()
	g.useLANs([]survey.LAN{
		{Hosts: netip.MustParsePrefix("10.1.0.0/16"), Link: "eth1"},
		{Hosts: netip.MustParsePrefix("10.1.7.0/24"), Link: "lan7"},
		{Hosts: netip.MustParsePrefix("10.1.8.0/24"), Link: g.cfg.Interface},
		{Hosts: netip.MustParsePrefix("10.1.9.0/24")},
	})
	want := map[string]uint64{}
	for i := range 3 {
		for n, name := range []string{"eth0", "eth1", "lan7"} {
			e, calls := g.edgesOf(name)[i], uint64(10*n+i+1)
			for k, edge := range []*lane.Edge{&e.TUNRead, &e.UDPSend, &e.UDPReceive, &e.TUNWrite} {
				edge.Calls.Add(calls + uint64(100*k))
			}
			e.MergeEnds[0].Add(calls)
			want[name] += calls
		}
		g.lanes.Lanes()[i].Counters().TUNRead.Calls.Add(7)
	}
	want[OtherInterface] = 21
	sum := uint64(0)
	roles := map[string]string{"eth0": "[uplink]", "eth1": "[LAN uplink]", "lan7": "[LAN]", OtherInterface: "[]"}
	list := g.interfaceStatus()
	for _, s := range list {
		if s.TUNRead.Calls != want[s.Name] || fmt.Sprint(s.Roles) != roles[s.Name] {
			t.Errorf("%s: %d calls, want %d; roles %v", s.Name, s.TUNRead.Calls, want[s.Name], s.Roles)
		}
		if s.Name != OtherInterface && (s.TUNWrite.Calls != want[s.Name]+900 || s.UDPSend.Calls != want[s.Name]+300 || s.UDPReceive.Calls != want[s.Name]+600) {
			t.Errorf("%+v", s)
		}
		sum += s.TUNRead.Calls
	}
	if len(list) != 4 || list[3].Name != OtherInterface {
		t.Errorf("%d rows: %+v", len(list), list)
	}
	all := g.edges()
	if all.TUNRead.Calls != sum {
		t.Errorf("%d calls in all, %d by interface", all.TUNRead.Calls, sum)
	}
	byLane := uint64(0)
	for _, l := range g.eachLane() {
		byLane += l.TUNRead.Calls
	}
	if byLane != sum {
		t.Errorf("%d calls by lane, %d by interface", byLane, sum)
	}
	text, err := json.Marshal(list[1])
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); !strings.HasPrefix(s, `{"name":"eth1","roles":["LAN","uplink"],"tun_read":{"calls":36,`) || !strings.Contains(s, `"merge_ends":{"`) {
		t.Errorf("JSON: %s", s)
	}
}

// TestUplinkCountsByLane: the uplink of each lane counts where the status looks for it.
func TestUplinkCountsByLane(t *testing.T) {
	g := three(t)
	lanesOf(t, g, 2)
	g.tunnels[0].link, g.tunnels[1].link = "eth0", ""
	g.openUplinks()
	for i, l := range g.lanes.Lanes() {
		if u := g.tunnels[0].uplink.on(l); u.Edges == nil || u.Edges != g.edgesOf("eth0")[i] {
			t.Errorf("lane %d counts eth0 at %p", i, u.Edges)
		}
		if u := g.tunnels[1].uplink.on(l); u.Edges != nil {
			t.Error("an uplink without name is counted apart")
		}
	}
}

// TestMostInterfaces: beyond the bound they are not told apart, and no address leads astray.
func TestMostInterfaces(t *testing.T) {
	g := three(t)
	var lans []survey.LAN
	for i := range 2 * mostInterfaces {
		lans = append(lans, survey.LAN{Hosts: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i)}), 16), Link: fmt.Sprint("veth", i)})
	}
	g.useLANs(lans)
	if n := len(g.interfaceStatus()); n != mostInterfaces+1 {
		t.Errorf("%d rows", n)
	}
	if g.edgesOf("one-more") != nil || g.edgesOf("veth3") == nil || g.edgesOf("") != nil {
		t.Error("edges of too many, or of one that is known no more")
	}
	settled(t, g)
}
