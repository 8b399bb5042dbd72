package integration

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// twoLanes gives both gateways two lanes, and so their tunnel a strand.
func twoLanes(a, b *daemon.Config) {
	for _, c := range []*daemon.Config{a, b} {
		c.Gateway = append(c.Gateway, "lanes: 2")
	}
}

// spread waits until both ends of the tunnel send by their strand.
func (p *pair) spread() {
	p.t.Helper()
	for _, g := range []*daemon.Gateway{p.a, p.b} {
		must(p.t, lab.Poll(p.t.Context(), upTimeout, func() error {
			s, err := g.Status(p.t.Context())
			if err == nil && (len(s.Tunnels[0].Strands) != 1 || !s.Tunnels[0].Strands[0].InUse) {
				err = fmt.Errorf("strands of %s: %+v", g.Namespace.Role, s.Tunnels[0].Strands)
			}
			return err
		}))
	}
}

// numbered sends numbered datagrams in many flows until stop, which returns how many came
// and which of them behind a later one of their flow.
func numbered(t *testing.T, from, to *lab.Namespace, address netip.Addr, flows int) (stop func() (received int, late []string)) {
	t.Helper()
	server, err := listenUDP(to, address)
	must(t, err)
	must(t, server.SetReadBuffer(8<<20))
	var sending, receiving sync.WaitGroup
	received, late, last := 0, []string{}, map[netip.AddrPort]uint64{}
	receiving.Go(func() {
		b := make([]byte, 2048)
		for {
			n, source, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			number := binary.BigEndian.Uint64(b[:n])
			if received++; number <= last[source] {
				late = append(late, fmt.Sprintf("%v: %d after %d", source, number, last[source]))
			}
			last[source] = max(last[source], number)
		}
	})
	ending := make(chan struct{})
	for range flows {
		var c net.Conn
		must(t, from.Do(func() (err error) {
			c, err = net.Dial("udp", server.LocalAddr().String())
			return err
		}))
		sending.Go(func() {
			defer c.Close()
			b := make([]byte, 600)
			for number := uint64(1); ; number++ {
				binary.BigEndian.PutUint64(b, number)
				_, _ = c.Write(b)
				select {
				case <-ending:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	return func() (int, []string) {
		close(ending)
		sending.Wait()
		time.Sleep(200 * time.Millisecond)
		server.Close()
		receiving.Wait()
		return received, late
	}
}

// TestStrands spreads one tunnel over two lanes: both carry flows, and no flow is reordered, also while all keys are made
// anew; what one strand loses goes by the other. It runs alone.
func TestStrands(t *testing.T) {
	needLab(t, "iperf3")
	p := newPair(t, pairOptions{edit: twoLanes})
	p.spread()
	time.Sleep(1500 * time.Millisecond) // a strand has come into use: for a second flows may change their way

	t.Run("both carry", func(t *testing.T) {
		before := status(t, p.a).Tunnels[0]
		stops := []func() (int, []string){
			numbered(t, p.A.Host, p.B.Host, p.B.Host4, 8), numbered(t, p.B.Host, p.A.Host, p.A.Host4, 8)}
		for _, reverse := range []bool{false, true} {
			r, err := lab.Iperf{Client: p.A.Host, Server: p.B.Host, Address: p.B.Host4, Seconds: 3, Streams: 16, Reverse: reverse}.Run(t.Context())
			must(t, err)
			t.Logf("reverse %v: %.2f Gbit/s, %d retransmits", reverse, r.Gbit, r.Retransmits)
		}
		for _, stop := range stops {
			n, late := stop()
			t.Logf("%d datagrams", n)
			if n < 1000 || len(late) > 0 {
				t.Errorf("%d datagrams came, %d of them late: %v", n, len(late), late[:min(len(late), 5)])
			}
		}
		after := status(t, p.a)
		strand := after.Tunnels[0].Strands[0]
		out, in := after.Tunnels[0].PacketsOut-before.PacketsOut, after.Tunnels[0].PacketsIn-before.PacketsIn
		t.Logf("out %d packets, %d by the strand; in %d, %d by the strand; lanes %+v", out, strand.PacketsOut, in, strand.PacketsIn, after.Lanes)
		if strand.Lost > 0 {
			t.Errorf("under load the strand was given up %d times", strand.Lost)
		}
		for what, part := range map[string][2]uint64{"out": {strand.PacketsOut, out}, "in": {strand.PacketsIn, in}} {
			if part[0] < part[1]/20 || part[0] > part[1]/20*19 {
				t.Errorf("%s: the strand carried %d of %d packets", what, part[0], part[1])
			}
		}
	})

	t.Run("rekeys", func(t *testing.T) {
		stop := numbered(t, p.A.Host, p.B.Host, p.B.Host4, 16)
		sas := map[string]bool{}
		for i := range 6 {
			args := []string{program, "rekey", "--socket", p.a.Socket(), "to-b"}
			if i%3 == 2 {
				args = append(args, "--ike")
			}
			_, err := p.A.Gateway.Run(t.Context(), args...)
			must(t, err)
			time.Sleep(300 * time.Millisecond)
			s := status(t, p.a).Tunnels[0].Strands[0]
			sas[s.SPIIn] = true
			if !s.InUse {
				t.Errorf("the strand is not in use after rekey %d: %+v", i, s)
			}
		}
		n, late := stop()
		t.Logf("%d datagrams, %d children of the strand", n, len(sas))
		if n < 1000 || len(late) > 0 || len(sas) < 4 {
			t.Errorf("%d datagrams came, late %v; children of the strand: %v", n, late[:min(len(late), 5)], sas)
		}
	})

	t.Run("restart", func(t *testing.T) {
		p.b.Process.Kill()
		must(t, p.b.Start())
		must(t, p.b.WaitUp(t.Context(), upTimeout))
		p.spread()
		checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 16<<20)
		checkStream(t, p.B.Host, p.A.Host, p.A.Host6, 16<<20)
		p.a.Process.Kill()
		must(t, p.a.Start())
		must(t, p.a.WaitUp(t.Context(), upTimeout))
		p.spread()
		checkStream(t, p.A.Host, p.B.Host, p.B.Host6, 16<<20)
	})

	t.Run("a new TUN device", func(t *testing.T) {
		must(t, p.A.Gateway.DeleteLink(tunnelDevice))
		_, err := flows(t.Context(), p.A.Host, p.B.Host4, recoverTimeout)
		must(t, err)
		checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 16<<20)
	})
	endCleanly(p, p.a, p.b)
}

// TestStrandsOfOne has one end with a single lane, or told to have one strand: the tunnel is as without.
func TestStrandsOfOne(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{edit: func(a, b *daemon.Config) {
		twoLanes(a, b)
		b.Tunnels[0].Lines = append(b.Tunnels[0].Lines, "strands: 1")
	}})
	checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 16<<20)
	checkStream(t, p.B.Host, p.A.Host, p.A.Host4, 16<<20)
	if s := status(t, p.a).Tunnels[0].Strands; len(s) != 1 || s[0].InUse || s[0].SPIIn != "" {
		t.Errorf("strands of a: %+v", s)
	}
	if s := status(t, p.b).Tunnels[0].Strands; len(s) != 0 {
		t.Errorf("strands of b: %+v", s)
	}
}

// TestStrandsThroughNAT has a NAT in front of one gateway, which gives each strand a port and then another one.
func TestStrandsThroughNAT(t *testing.T) {
	t.Parallel()
	p := newNATPair(t, twoLanes)
	p.spread()
	many := func() {
		t.Helper()
		for range 8 { // flows, of which some go by the strand
			checkUDP(t, p.A.Host, p.B.Host, p.B.Host4)
			checkUDP(t, p.B.Host, p.A.Host, p.A.Host4)
		}
	}
	many()
	behind, far := status(t, p.a).Tunnels[0].Strands[0], status(t, p.b).Tunnels[0].Strands[0]
	if !behind.Opener || far.Opener || behind.PacketsOut+behind.PacketsIn == 0 {
		t.Errorf("behind the NAT: %+v; beyond: %+v", behind, far)
	}
	p.nat.rebind("34000-34999")
	// What shows a new mapping, and what is on its way to the old one meanwhile, may be lost.
	must(t, lab.Poll(t.Context(), 20*time.Second, func() error {
		for range 4 {
			err := p.A.Host.Do(func() error {
				c, err := net.Dial("udp", netip.AddrPortFrom(p.B.Host4, 9).String())
				if err == nil {
					_, _ = c.Write([]byte("x"))
					c.Close()
				}
				return err
			})
			if err != nil {
				return lab.Fatal(err)
			}
		}
		b := status(t, p.b).Tunnels[0]
		return errors.Join(p.nat.from(b.Peer), p.nat.from(b.Strands[0].Peer))
	}))
	p.spread()
	many()
}

// TestStrandsBehindFirewall lets through what goes from port 4500 to port 4500 only: no strand is heard, and the tunnel
// carries everything itself.
func TestStrandsBehindFirewall(t *testing.T) {
	t.Parallel()
	needNAT(t)
	p := newPair(t, pairOptions{Options: lab.Options{Router: true}, edit: twoLanes, before: func(p *pair) {
		filter(t, p.Router, ofStrands("")...)
	}})
	must(t, lab.Poll(t.Context(), upTimeout, func() error {
		if s := status(t, p.a).Tunnels[0].Strands; len(s) != 1 || s[0].SPIIn == "" {
			return fmt.Errorf("strands: %+v", s)
		}
		return nil
	}))
	for range 8 {
		checkUDP(t, p.A.Host, p.B.Host, p.B.Host4)
		checkUDP(t, p.B.Host, p.A.Host, p.A.Host6)
	}
	checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 16<<20)
	for _, g := range []*daemon.Gateway{p.a, p.b} {
		if s := status(t, g).Tunnels[0].Strands[0]; s.InUse || s.PacketsIn+s.PacketsOut > 0 {
			t.Errorf("strand of %s: %+v", g.Namespace.Role, s)
		}
	}
}

// TestStrongSwanStrands: strongSwan is not asked for additional child SAs, and a tunnel to it is as without.
func TestStrongSwanStrands(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		t.Run(choose(waits, "strongSwan", "vpngw")+" initiates", func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{waits: waits, edit: func(a *daemon.Config, _ *swanConfig) {
				a.Gateway = append(a.Gateway, "lanes: 2")
				a.Tunnels[0].Lines = append(a.Tunnels[0].Lines, "strands: 2")
			}})
			s := p.settled()
			if len(s.Children) != 1 {
				t.Errorf("%d children", len(s.Children))
			}
			p.reaches(p.A.Host, p.B.Host4, true)
			p.reaches(p.B.Host, p.A.Host4, true)
			sas, err := p.sas()
			must(t, err)
			if len(sas) != 1 || len(sas[0].children) != 1 || slices.ContainsFunc(status(t, p.a).Tunnels[0].Strands, func(s daemon.StrandStatus) bool { return s.InUse }) {
				t.Errorf("strongSwan has %+v", sas)
			}
		})
	}
}
