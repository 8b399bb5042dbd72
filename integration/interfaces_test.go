package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// Of gateway A of [TestInterfaces]: beside a LAN and an uplink on which packets are glued, one of each on which none are.
const (
	singleLAN = "lan2"
	singleWAN = "wan2"
)

// fourInterfaces is a gateway A with two LANs and two uplinks, each to a gateway of its own.
type fourInterfaces struct {
	*pair
	host2, hostC, gatewayC *lab.Namespace
	c                      *daemon.Gateway
	insideC                netip.Prefix
}

func newFourInterfaces(t *testing.T) *fourInterfaces {
	lan2 := netip.MustParsePrefix("10.1.1.0/24")
	nearA, nearC := netip.MustParsePrefix("203.0.113.1/30"), netip.MustParsePrefix("203.0.113.2/30")
	f := &fourInterfaces{insideC: netip.MustParsePrefix("10.3.0.0/24")}
	at := func(p netip.Prefix, n int) netip.Prefix {
		a := p.Addr()
		for range n {
			a = a.Next()
		}
		return netip.PrefixFrom(a, p.Bits())
	}
	f.pair = newPair(t, pairOptions{
		edit: func(a, b *daemon.Config) {
			a.Gateway = append(a.Gateway, "lanes: 2")
			a.Tunnels[0].Local = append(a.Tunnels[0].Local, lan2)
			b.Tunnels[0].Remote = append(b.Tunnels[0].Remote, lan2)
			toC := a.Tunnels[0]
			toC.Name, toC.Peer, toC.PeerID, toC.Remote = "to-c", nearC.Addr().String(), "gw-c.example", []netip.Prefix{f.insideC}
			a.Tunnels = append(a.Tunnels, toC)
		},
		before: func(p *pair) {
			var err error
			for role, n := range map[string]**lab.Namespace{"host2": &f.host2, "hostc": &f.hostC, "gwc": &f.gatewayC} {
				*n, err = p.Namespace(role)
				must(t, err)
			}
			must(t, f.gatewayC.Forward())
			wire := func(a *lab.Namespace, deviceA string, addressA netip.Prefix, b *lab.Namespace, deviceB string, addressB netip.Prefix) {
				must(t, p.Wire(lab.End{Namespace: a, Device: deviceA, Addresses: []netip.Prefix{addressA}}, lab.End{Namespace: b, Device: deviceB, Addresses: []netip.Prefix{addressB}}, 0))
			}
			wire(f.host2, lab.HostDevice, at(lan2, 2), p.A.Gateway, singleLAN, at(lan2, 1))
			wire(f.hostC, lab.HostDevice, at(f.insideC, 2), f.gatewayC, lab.LAN, at(f.insideC, 1))
			wire(p.A.Gateway, singleWAN, nearA, f.gatewayC, lab.WAN, nearC)
			must(t, f.host2.AddDefaultRoutes(at(lan2, 1).Addr()))
			must(t, f.hostC.AddDefaultRoutes(at(f.insideC, 1).Addr()))
			for _, end := range []struct {
				sender   *lab.Namespace
				device   string
				receiver string // of gateway A
			}{{f.host2, lab.HostDevice, singleLAN}, {f.gatewayC, lab.WAN, singleWAN}} {
				must(t, end.sender.Feature(end.device, "tx-checksum-ip-generic", false)) // its kernel cuts
				must(t, p.A.Gateway.Feature(end.receiver, "rx-gro", false))
			}
			f.c, err = daemon.New(p.Lab, f.gatewayC, program)
			must(t, err)
			psk, err := f.c.WriteSecret("psk", goodPSK)
			must(t, err)
			must(t, f.c.Configure(daemon.Config{ID: "gw-c.example", Interface: tunnelDevice, Tunnels: []daemon.Tunnel{{
				Name: "to-a", Peer: nearA.Addr().String(), PeerID: "gw-a.example", PSKFile: psk,
				Local: []netip.Prefix{f.insideC}, Remote: []netip.Prefix{p.A.Inside4, lan2}}}}))
			must(t, f.c.Start())
		},
	})
	return f
}

// both sends TCP from the host of LAN 1 to B and from that of LAN 2 to C at once, or with reverse the other way, and returns what
// gateway A says of its interfaces for that time.
func (f *fourInterfaces) both(reverse bool) (of func(name string) daemon.Edges) {
	f.t.Helper()
	before := f.quiet()
	done := make(chan error, 2)
	for _, i := range []lab.Iperf{
		{Client: f.A.Host, Server: f.B.Host, Address: f.B.Host4},
		{Client: f.host2, Server: f.hostC, Address: f.insideC.Addr().Next().Next()},
	} {
		i.Seconds, i.Reverse = 2, reverse
		go func() {
			_, err := i.Run(f.t.Context())
			done <- err
		}()
	}
	must(f.t, errors.Join(<-done, <-done))
	after := f.quiet()
	return func(name string) daemon.Edges { return after.Interface(name).Sub(before.Interface(name).Edges) }
}

// quiet waits until nothing crosses gateway A, and wants the counts of the interfaces and those of the lanes to be all there is.
func (f *fourInterfaces) quiet() (s daemon.Status) {
	f.t.Helper()
	must(f.t, f.a.WaitStatus(f.t.Context(), upTimeout, func(now daemon.Status) error {
		var sum daemon.Edges
		for _, i := range now.Interfaces {
			sum = plus(sum, i.Edges)
		}
		if sum != now.Edges {
			return fmt.Errorf("by interface %+v, in all %+v", sum, now.Edges)
		}
		var read, write uint64
		for _, l := range now.Lanes {
			read, write = read+l.TunRead.Packets, write+l.TunWrite.Packets
		}
		if read != now.Edges.TunRead.Packets || write != now.Edges.TunWrite.Packets || len(now.Lanes) != 2 {
			return fmt.Errorf("by lane %d and %d packets, in all %+v", read, write, now.Edges)
		}
		s = now
		return nil
	}))
	return s
}

func plus(a, b daemon.Edges) daemon.Edges {
	add := func(a, b daemon.Edge) daemon.Edge {
		a.Calls, a.Bytes, a.Packets = a.Calls+b.Calls, a.Bytes+b.Bytes, a.Packets+b.Packets
		for i := range a.Sizes {
			a.Sizes[i] += b.Sizes[i]
		}
		return a
	}
	return daemon.Edges{TunRead: add(a.TunRead, b.TunRead), UDPSend: add(a.UDPSend, b.UDPSend), UDPReceive: add(a.UDPReceive, b.UDPReceive), TunWrite: add(a.TunWrite, b.TunWrite)}
}

// checkGlued wants the calls at an edge to have carried many packets each, or one.
func checkGlued(t *testing.T, what string, e daemon.Edge, glued bool) {
	t.Helper()
	t.Logf("%s: %d calls, %d packets, %.0f bytes per call, by packets %v", what, e.Calls, e.Packets, e.BytesPerCall(), e.Sizes)
	switch large := e.Sizes[4] + e.Sizes[5] + e.Sizes[6] + e.Sizes[7]; {
	case e.Packets < 1000:
		t.Errorf("%s: %d packets only", what, e.Packets)
	case glued && (e.Packets < 8*e.Calls || large == 0):
		t.Errorf("%s: hardly anything is glued", what)
	case !glued && e.Sizes[0] < e.Calls*99/100:
		t.Errorf("%s: something is glued", what)
	}
}

// TestInterfaces: a gateway between two LANs and two uplinks, of which one each delivers single packets, says which.
func TestInterfaces(t *testing.T) {
	t.Parallel()
	needLab(t, "iperf3")
	f := newFourInterfaces(t)
	must(t, f.a.WaitStatus(t.Context(), upTimeout, func(s daemon.Status) error {
		for name, role := range map[string]string{lab.LAN: "LAN", singleLAN: "LAN", lab.WAN: "uplink", singleWAN: "uplink"} {
			if i := s.Interface(name); !slices.Equal(i.Roles, []string{role}) {
				return fmt.Errorf("%s is %v, expected %s", name, i.Roles, role)
			}
		}
		return nil
	}))

	out := f.both(false)
	checkGlued(t, "read of LAN 1", out(lab.LAN).TunRead, true)
	checkGlued(t, "read of LAN 2", out(singleLAN).TunRead, false)
	if a, b := out(lab.WAN).UDPSend, out(singleWAN).UDPSend; a.Packets < out(lab.LAN).TunRead.Packets*9/10 || b.Packets < out(singleLAN).TunRead.Packets*9/10 {
		t.Errorf("sent by uplink 1 %+v, by uplink 2 %+v", a, b)
	}
	back := f.both(true)
	checkGlued(t, "received by uplink 1", back(lab.WAN).UDPReceive, true)
	checkGlued(t, "received by uplink 2", back(singleWAN).UDPReceive, false)
	checkGlued(t, "written to LAN 1", back(lab.LAN).TunWrite, true)
	if e := back(singleLAN).TunWrite; e.Packets < back(singleWAN).UDPReceive.Packets*9/10 {
		t.Errorf("written to LAN 2: %+v", e)
	}
	for _, of := range []func(string) daemon.Edges{out, back} {
		if e := of("other"); e.TunRead.Packets+e.TunWrite.Packets+e.UDPSend.Packets+e.UDPReceive.Packets > 100 {
			t.Errorf("of no interface: %+v", e)
		}
	}
	f.commands()
	f.anotherRoute()
}

// commands looks at what `vpngw offloads` says of the interfaces.
func (f *fourInterfaces) commands() {
	f.t.Helper()
	out, err := f.A.Gateway.Run(f.t.Context(), program, "offloads", "--json", "--socket", f.a.Socket())
	must(f.t, err)
	var o struct {
		Interfaces []struct {
			Name  string        `json:"name"`
			Edges *daemon.Edges `json:"edges"`
		} `json:"interfaces"`
	}
	must(f.t, json.Unmarshal([]byte(out), &o))
	counted := 0
	for _, i := range o.Interfaces {
		if i.Edges != nil && i.Edges.TunRead.Calls+i.Edges.UDPSend.Calls > 0 {
			counted++
		}
	}
	if counted != 4 {
		f.t.Errorf("`offloads --json` counts for %d interfaces, expected 4:\n%s", counted, out)
	}

	for _, asJSON := range []bool{false, true} {
		args := []string{program, "offloads", "--watch", "--socket", f.a.Socket()}
		if asJSON {
			args = append(args, "--json")
		}
		ctx, cancel := context.WithTimeout(f.t.Context(), 4500*time.Millisecond)
		done := make(chan string, 1)
		go func() {
			out, _ := f.A.Gateway.Run(ctx, args...) // until it is killed
			done <- out
		}()
		r := ping(f.t, lab.Ping{From: f.host2, To: f.insideC.Addr().Next().Next(), Count: 80, Interval: 50 * time.Millisecond})
		out := <-done
		cancel()
		if r.Received == 0 {
			f.t.Errorf("no echo: %v", r)
		}
		if !asJSON {
			for _, row := range []string{"TUN read", "\n  " + singleLAN, "\n  " + singleWAN} {
				if !strings.Contains(out, row) {
					f.t.Errorf("`offloads --watch` has no %q:\n%s", row, out)
				}
			}
			continue
		}
		seconds := 0 // in which a few echoes were read, all from there
		for line := range strings.Lines(out) {
			var s daemon.Status
			if err := json.Unmarshal([]byte(line), &s); err != nil {
				f.t.Errorf("`offloads --watch --json`: %v in %s", err, line)
			}
			if e := s.Interface(singleLAN); e.TunRead.Packets > 0 && e.TunRead.Packets < 100 && e.TunRead == s.Edges.TunRead {
				seconds++
			}
		}
		if seconds == 0 {
			f.t.Errorf("`offloads --watch --json`:\n%s", out)
		}
	}
}

// anotherRoute leads one host of LAN 1 over LAN 2, and packets from there are counted there.
func (f *fourInterfaces) anotherRoute() {
	f.t.Helper()
	moved := netip.MustParsePrefix("10.1.0.77/32")
	via := netip.MustParseAddr("10.1.1.2")
	must(f.t, f.host2.AddAddress(lab.HostDevice, moved))
	must(f.t, f.A.Gateway.AddRoute(moved, via))
	must(f.t, lab.Poll(f.t.Context(), upTimeout, func() error {
		before := f.quiet()
		if r := ping(f.t, lab.Ping{From: f.B.Host, To: moved.Addr(), Count: 5, Interval: 20 * time.Millisecond}); r.Received < 5 {
			return fmt.Errorf("of the moved host: %v", r)
		}
		after := f.quiet()
		for _, edge := range []daemon.Edge{
			after.Interface(singleLAN).Sub(before.Interface(singleLAN).Edges).TunRead,
			after.Interface(singleLAN).Sub(before.Interface(singleLAN).Edges).TunWrite,
		} {
			if edge.Packets < 5 {
				return fmt.Errorf("%d packets of a host that is now behind %s are counted there", edge.Packets, singleLAN)
			}
		}
		return nil
	}))
}
