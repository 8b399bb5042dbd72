package lane

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"vpngw/crypto/esp"
	"vpngw/offload"
)

// crossed is what an edge has counted.
type crossed struct{ calls, bytes, packets uint64 }

func (e *Edge) crossed() crossed { return crossed{e.Calls.Load(), e.Bytes.Load(), e.Packets.Load()} }

// planted is a gate with two tunnels, each by an uplink of its own, for the hosts of two
// LANs, and what is counted of the four interfaces.
type planted struct {
	*gate
	sites      [2]*site
	lans, wans [2]Edges
}

func plant(t testing.TB) *planted {
	p := &planted{gate: newGate(t)}
	table := new(LANs)
	for i := range 2 {
		p.sites[i] = p.site(i+1, false)
		p.lane.SetUplink(p.sites[i].Tunnel, p.lane.AddUplink(UplinkConfig{Name: fmt.Sprint("wan", i), Edges: &p.wans[i]}))
		table.Insert(netip.PrefixFrom(host4(i+1, false), 24).Masked(), &p.lans[i])
		table.Insert(netip.PrefixFrom(host6(i+1, false), 48).Masked(), &p.lans[i])
	}
	p.lane.SetLANs(table)
	return p
}

// TestEdgesByInterface: what comes from and goes to the hosts of a LAN is counted there, what
// crosses a tunnel's socket at its uplink, and nothing twice.
func TestEdgesByInterface(t *testing.T) {
	p := plant(t)
	for _, s := range p.sites {
		s.socket.discard = true
	}
	// Out: superpackets from LAN 0, packets alone from LAN 1, one of a host that no LAN has.
	const segment = 1000
	whole := tcp4(1, 5).super(bytesOf(40*segment, 1), segment)
	alone6 := (&flow{src: host6(2, false), dst: host6(2, true), udp: true, srcPort: 9, dstPort: 9}).plain(bytesOf(100, 0))
	stranger := tcp4(2, 5)
	stranger.src = netip.MustParseAddr("10.2.77.1")
	p.tun.push(whole, whole, alone6, tcp4(2, 5).plain(nil), tcp4(2, 6).plain(nil), stranger.plain(nil), []byte("junk"))
	p.settle()
	length := func(b []byte) uint64 { return uint64(len(b) - offload.VirtioHeaderLen) }
	for _, c := range []struct {
		name string
		edge *Edge
		want crossed
	}{
		{"LAN 0", &p.lans[0].TUNRead, crossed{2, 2 * length(whole), 80}},
		{"LAN 1", &p.lans[1].TUNRead, crossed{3, length(alone6) + 80, 3}},
		{"no LAN", &p.lane.counters.TUNRead, crossed{2, 40, 2}},
		{"no uplink", &p.lane.counters.UDPSend, crossed{}},
	} {
		if got := c.edge.crossed(); got != c.want {
			t.Errorf("read from %s: %v, want %v", c.name, got, c.want)
		}
	}
	if a, b := p.wans[0].UDPSend.crossed(), p.wans[1].UDPSend.crossed(); a.packets != 80 || b.packets != 4 {
		t.Errorf("%d and %d packets sent", a.packets, b.packets)
	}
	if n := p.lans[0].TUNRead.Sizes[5].Load(); n != 2 {
		t.Errorf("%d reads of 32 to 63 packets, want 2", n)
	}

	// In: a train by uplink 0 that is glued, packets of two flows in turn by uplink 1.
	f := tcp4(1, 5).back()
	var train []byte
	for range 8 {
		train = append(train, p.sites[0].seal(f.packet(bytesOf(segment, 1), false))...)
	}
	p.sites[0].socket.arrive(len(train)/8, train)
	for i := range 6 {
		g := tcp4(2, uint16(i)).back()
		p.sites[1].socket.arrive(2000, p.sites[1].seal(g.packet(bytesOf(segment, 1), true)))
	}
	p.settle()
	for i, want := range [2]crossed{{1, uint64(len(train)), 8}, {6, 6 * uint64(esp.SealedLen(segment+40)), 6}} {
		if got := p.wans[i].UDPReceive.crossed(); got != want {
			t.Errorf("received by uplink %d: %v, want %v", i, got, want)
		}
	}
	if a, b := p.lans[0].TUNWrite.crossed(), p.lans[1].TUNWrite.crossed(); a != (crossed{1, 8*segment + 40, 8}) || b != (crossed{6, 6 * (segment + 40), 6}) {
		t.Errorf("written to the LANs: %v and %v", a, b)
	}
	if a, b := p.wans[0].MergeEnds[offload.EndBatch].Load(), p.wans[1].MergeEnds[offload.EndBatch].Load(); a != 1 || b != 0 {
		t.Errorf("superpackets ended by their batch: %d by uplink 0 and %d by uplink 1", a, b)
	}
	if o := &p.lane.counters; o.TUNWrite.Calls.Load()+o.UDPReceive.Calls.Load()+o.MergeEnds[offload.EndBatch].Load() != 0 {
		t.Error("what belongs to an interface is counted beside it, too")
	}
}

// TestHandOverByInterface: what came to a lane's listener for the tunnel of another lane is
// counted there as received by no interface that is known; its superpackets are the uplink's.
func TestHandOverByInterface(t *testing.T) {
	gates := newGates(t, 2)
	s := siteOn(gates, 1, 1)
	var wan Edges
	gates[1].lane.SetUplink(s.Tunnel, gates[1].lane.AddUplink(UplinkConfig{Name: "wan1", Edges: &wan}))
	listener := newFakeSocket(t, "0.0.0.0:4500", "203.0.113.1:4500")
	if err := gates[0].lane.AddListener(listener, listener.local); err != nil {
		t.Fatal(err)
	}
	p := tcp4(1, 5).back().packet(bytesOf(1000, 1), false)
	listener.arriveFrom(arrival{b: s.seal(p), size: 10000, from: netip.MustParseAddrPort("203.0.113.9:1234"), to: netip.MustParseAddr("192.0.2.1")})
	gates[0].step()
	gates[1].step()
	if n := gates[0].lane.counters.UDPReceive.Calls.Load(); n != 1 {
		t.Errorf("%d receives of no interface", n)
	}
	if ends := wan.MergeEnds[offload.EndBatch].Load(); ends != 1 || wan.UDPReceive.Calls.Load() != 0 {
		t.Errorf("the uplink has %d ends of superpackets and %d receives", ends, wan.UDPReceive.Calls.Load())
	}
}

// TestReportsByInterface: an ICMP error goes to the LAN that the packet came from.
func TestReportsByInterface(t *testing.T) {
	p := plant(t)
	p.lane.SetMTU(p.sites[1].Tunnel, 1280)
	p.tun.push(tcp4(2, 5).plain(bytesOf(1400, 1)))
	p.settle()
	if got := p.lans[1].TUNWrite.crossed(); got.calls != 1 || got.packets != 1 {
		t.Errorf("the error is counted as %v", got)
	}
}

func hostOf(a netip.Addr) host {
	b := a.As16()
	return host{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}

// TestTowards compares with the table itself: hosts that share a place among those at hand,
// and tables that change.
func TestTowards(t *testing.T) {
	l := newGate(t).lane
	if l.towards(hostOf(netip.MustParseAddr("10.1.0.1"))) != &l.counters.Edges {
		t.Error("without a table a host is behind some interface")
	}
	edges := make([]Edges, 4)
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
			if rapid.Bool().Draw(t, "v6") {
				return netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 15: rapid.Byte().Draw(t, "host")}), rapid.IntRange(120, 128).Draw(t, "bits")).Masked()
			}
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, rapid.Byte().Draw(t, "net"), rapid.Byte().Draw(t, "host")}), rapid.IntRange(16, 32).Draw(t, "bits")).Masked()
		})
		for range rapid.IntRange(1, 3).Draw(t, "tables") {
			table := new(LANs)
			for _, p := range rapid.SliceOfN(prefix, 0, 20).Draw(t, "prefixes") {
				table.Insert(p, &edges[rapid.IntRange(0, 3).Draw(t, "edges")])
			}
			l.SetLANs(table)
			for _, p := range rapid.SliceOfN(prefix, 1, 200).Draw(t, "hosts") {
				want, ok := table.Lookup(p.Addr())
				if !ok {
					want = &l.counters.Edges
				}
				if got := l.towards(hostOf(p.Addr())); got != want {
					t.Fatalf("%v is counted at %p, want %p", p.Addr(), got, want)
				}
			}
		}
	})
}

// TestNoAllocationByInterface covers all four edges of two interfaces each.
func TestNoAllocationByInterface(t *testing.T) {
	p := plant(t)
	p.tun.discard = true
	var packets [][]byte
	for i, s := range p.sites {
		s.socket.discard = true
		packets = append(packets, tcp4(i+1, 77).plain(bytesOf(100, 0)))
	}
	answer := tcp4(1, 5).back().packet(bytesOf(100, 1), false)
	turn := func() {
		p.tun.push(packets...)
		p.sites[0].socket.arrive(2000, p.sites[0].seal(answer))
		p.step()
	}
	const sealing = 2 // allocations of the test's own
	if got := testing.AllocsPerRun(200, turn); got > sealing {
		t.Errorf("%v allocations a turn", got)
	}
	if n := p.lans[0].TUNWrite.Calls.Load(); n != 201 {
		t.Errorf("%d packets were written, want 201", n)
	}
}

// BenchmarkTowards is what it takes to find a host's interface, by the number of hosts that
// send in turn: some of the hosts at hand, all of them, far more.
func BenchmarkTowards(b *testing.B) {
	l := newGate(b).lane
	var edges [2]Edges
	for _, hosts := range []int{0, 1, 16, 4096} {
		table := new(LANs)
		for i := range 8 {
			table.Insert(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i)}), 16), &edges[i%2])
		}
		l.SetLANs(table)
		if hosts == 0 {
			l.SetLANs(nil)
		}
		r := rand.New(rand.NewPCG(1, 2))
		all := make([][]byte, max(hosts, 1))
		for i := range all {
			f := tcp4(1, 5)
			f.src = netip.AddrFrom4([4]byte{10, byte(r.IntN(8)), byte(r.Uint32()), byte(r.Uint32())})
			if hosts <= 16 {
				f.src = netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})
			}
			all[i] = f.packet(nil, false)
		}
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				l.towards(sourceOf(all[i&(len(all)-1)]))
			}
		})
	}
}

// BenchmarkSmallOutByInterface is BenchmarkSmallOut with interfaces that are told apart.
func BenchmarkSmallOutByInterface(b *testing.B) {
	p := plant(b)
	smallOut(b, p.gate, p.sites[0])
}
