package integration

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// star is a hub and four branches, all with two lanes.
type star struct {
	*lab.Star
	t        *testing.T
	hub      *daemon.Gateway
	branches []*daemon.Gateway
}

func newStar(t *testing.T) *star {
	t.Helper()
	needLab(t, "iperf3")
	const n = 4
	sites, err := lab.Hub(n, lab.Options{Isolated: true})
	must(t, err)
	s := &star{Star: sites, t: t}
	t.Cleanup(func() {
		if t.Failed() {
			for _, g := range append(s.branches, s.hub) {
				showLog(t, g)
			}
		}
		if err := sites.Close(); err != nil {
			t.Error(err)
		}
	})
	s.hub, err = daemon.New(sites.Lab, sites.Hub.Gateway, program)
	must(t, err)
	lanes, whole := []string{"lanes: 2"}, []string{"strands: 1"} // tunnels that may move
	config := daemon.Config{ID: "hub.example", Interface: tunnelDevice, Gateway: lanes}
	hubInside := []netip.Prefix{sites.Hub.Inside4, sites.Hub.Inside6}
	psk, err := s.hub.WriteSecret("psk", goodPSK)
	must(t, err)
	for i, branch := range sites.Branches {
		g, err := daemon.New(sites.Lab, branch.Gateway, program)
		must(t, err)
		s.branches = append(s.branches, g)
		inside := []netip.Prefix{branch.Inside4, branch.Inside6}
		here, err := g.WriteSecret("psk", goodPSK)
		must(t, err)
		config.Tunnels = append(config.Tunnels, daemon.Tunnel{Name: branchName(i), PeerID: branchName(i) + ".example", PSKFile: psk, Local: hubInside, Remote: inside, Lines: whole})
		must(t, g.Configure(daemon.Config{ID: branchName(i) + ".example", Interface: tunnelDevice, Gateway: lanes, Tunnels: []daemon.Tunnel{
			{Name: "hub", Peer: sites.Hub.Outside4.String(), PeerID: "hub.example", PSKFile: here, Local: inside, Remote: hubInside, Lines: whole}}}))
	}
	must(t, s.hub.Configure(config))
	for _, g := range append(s.branches, s.hub) {
		must(t, g.Start())
	}
	for _, g := range append(s.branches, s.hub) {
		must(t, g.WaitUp(t.Context(), upTimeout))
	}
	return s
}

func branchName(i int) string { return fmt.Sprintf("branch-%d", i+1) }

// home makes a tunnel's home a lane, once it may move again.
func home(ctx context.Context, g *daemon.Gateway, tunnel string, lane int) error {
	return lab.Poll(ctx, upTimeout, func() error { return g.Home(ctx, tunnel, lane) })
}

// wander moves the first branch's tunnel between the lanes at both of its ends until stop,
// which returns how often.
func (s *star) wander() (stop func() int) {
	ctx, cancel := context.WithCancel(s.t.Context())
	moves := make(chan int, 1)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			for tunnel, g := range map[string]*daemon.Gateway{branchName(0): s.hub, "hub": s.branches[0]} {
				if err := home(ctx, g, tunnel, n%2); err != nil && ctx.Err() == nil {
					s.t.Errorf("move %d: %v", n, err)
				}
			}
			time.Sleep(250 * time.Millisecond)
		}
		moves <- 2 * n
	}()
	return func() int { cancel(); return <-moves }
}

// laneDrops are those that a move or a hand-over may cause.
func laneDrops(s daemon.Status) uint64 {
	all := s.AllDrops()
	return all["lane_full"] + all["unknown_spi"] + all["no_socket"] + all["tun_down"]
}

// TestLanes spreads the tunnels of a hub over two lanes, moves one all the time under load
// and through rekeys, restarts a branch and deletes the TUN device. It runs alone.
func TestLanes(t *testing.T) {
	s := newStar(t)
	for i := range s.branches {
		must(t, home(t.Context(), s.hub, branchName(i), i%2))
		must(t, home(t.Context(), s.branches[i], "hub", 1))
	}
	before := status(t, s.hub)
	if before.Lanes[0].Tunnels != 2 || before.Lanes[1].Tunnels != 2 || before.Tunnels[1].Lane != 1 {
		t.Fatalf("the hub's lanes: %+v", before.Lanes)
	}

	t.Run("traffic in all", func(t *testing.T) {
		var all sync.WaitGroup
		for _, b := range s.Branches {
			all.Go(func() { checkStream(t, s.Hub.Host, b.Host, b.Host4, 64<<20) })
			all.Go(func() { checkStream(t, b.Host, s.Hub.Host, s.Hub.Host6, 64<<20) })
		}
		all.Wait()
		after := status(t, s.hub)
		for i, l := range after.Lanes {
			t.Logf("lane %d: busy %.2f, %d bytes per TUN read, %d packets handed over of %d", i, l.Busy, int(l.TunRead.BytesPerCall()), l.HandedOver, l.TunRead.Packets)
			// Flows come to the lane of their tunnel by themselves.
			if l.TunRead.Packets == 0 || l.TunWrite.Packets == 0 || l.HandedOver > l.TunRead.Packets/10 {
				t.Errorf("lane %d: %+v", i, l)
			}
		}
		if n := laneDrops(after) - laneDrops(before); n > 0 {
			t.Errorf("%d packets were dropped: %s", n, daemon.FormatDrops(after.AllDrops()))
		}
	})

	t.Run("UDP while moving", func(t *testing.T) {
		// What a machine that is busy with something else lets the kernel drop.
		starved := func() (n uint64) {
			for _, g := range []*daemon.Gateway{s.hub, s.branches[0]} {
				all := status(t, g).AllDrops()
				n += all["tun_ring_full"] + all["receive_buffer_full"]
			}
			return n
		}
		was := starved()
		stop := s.wander()
		r, err := lab.Iperf{Client: s.Hub.Host, Server: s.Branches[0].Host, Address: s.Branches[0].Host4, Seconds: 4, UDP: true, RateMbit: 50, Length: 1000}.Run(t.Context())
		moves := stop()
		must(t, err)
		kernel := int(starved() - was)
		t.Logf("%d moves, %d of %d datagrams lost, %d in the kernel", moves, r.Lost, r.Packets, kernel)
		if r.Lost > kernel+r.Packets/1000 { // a program that comes late to its socket loses some, too
			t.Errorf("moves cost %d datagrams", r.Lost)
		}
	})

	t.Run("TCP while moving", func(t *testing.T) {
		flow := lab.Iperf{Client: s.Hub.Host, Server: s.Branches[0].Host, Address: s.Branches[0].Host4, Seconds: 4, Bidirectional: true}
		still, err := flow.Run(t.Context())
		must(t, err)
		was := status(t, s.hub)
		stop := s.wander()
		moving, err := flow.Run(t.Context())
		moves := stop()
		must(t, err)
		now := status(t, s.hub)
		t.Logf("still: %.2f + %.2f Gbit/s, %d retransmits; with %d moves: %.2f + %.2f Gbit/s, %d retransmits; drops %s",
			still.Gbit, still.GbitReverse, still.Retransmits, moves, moving.Gbit, moving.GbitReverse, moving.Retransmits, daemon.FormatDrops(now.AllDrops()))
		if n := laneDrops(now) - laneDrops(was); n > 0 {
			t.Errorf("%d packets were dropped over the moves", n)
		}
		if moving.Gbit+moving.GbitReverse < (still.Gbit+still.GbitReverse)/2 {
			t.Error("moves cost half of the throughput")
		}
	})

	t.Run("rekeys while moving", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		stop := s.wander()
		done := make(chan int)
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				if _, err := s.Hub.Gateway.Run(ctx, program, "rekey", "--socket", s.hub.Socket(), branchName(0)); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				time.Sleep(100 * time.Millisecond)
			}
			done <- n
		}()
		r := ping(t, lab.Ping{From: s.Branches[0].Host, To: s.Hub.Host4, Count: 400, Interval: 10 * time.Millisecond})
		cancel()
		t.Logf("%d rekeys, %d moves: %v", <-done, stop(), r)
		if r.Received != r.Sent {
			t.Errorf("%d of %d echoes came back", r.Received, r.Sent)
		}
		checkStream(t, s.Branches[0].Host, s.Hub.Host, s.Hub.Host4, 8<<20)
	})

	t.Run("homes by load", func(t *testing.T) {
		for i := range s.branches {
			must(t, home(t.Context(), s.hub, branchName(i), 0))
			must(t, s.hub.Home(t.Context(), branchName(i), -1))
		}
		was := status(t, s.hub)
		var all sync.WaitGroup
		for _, b := range s.Branches {
			all.Go(func() {
				_, err := lab.Iperf{Client: s.Hub.Host, Server: b.Host, Address: b.Host4, Seconds: 6, Bidirectional: true}.Run(t.Context())
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		now := status(t, s.hub)
		// Whether lane 0 is ever full is up to the machine.
		t.Logf("lane 0 was busy %.2f with %d tunnels, lane 1 %.2f with %d", now.Lanes[0].Busy, now.Lanes[0].Tunnels, now.Lanes[1].Busy, now.Lanes[1].Tunnels)
		if n := laneDrops(now) - laneDrops(was); n > 0 {
			t.Errorf("%d packets were dropped", n)
		}
	})

	t.Run("restart and a new TUN", func(t *testing.T) {
		s.branches[1].Process.Kill()
		must(t, s.branches[1].Start())
		must(t, s.branches[1].WaitUp(t.Context(), upTimeout))
		_, err := flows(t.Context(), s.Branches[1].Host, s.Hub.Host4, upTimeout)
		must(t, err)
		must(t, s.Hub.Gateway.DeleteLink(tunnelDevice))
		for _, b := range s.Branches {
			took, err := flows(t.Context(), b.Host, s.Hub.Host4, recoverTimeout)
			must(t, err)
			t.Logf("TUN device deleted: flows again after %v", took.Round(time.Millisecond))
			checkStream(t, b.Host, s.Hub.Host, s.Hub.Host4, 4<<20)
			checkStream(t, s.Hub.Host, b.Host, b.Host6, 4<<20)
		}
		for _, g := range append(s.branches, s.hub) {
			if code := g.Stop(stopGrace); code != 0 {
				t.Errorf("%s ended with %d", g.Namespace.Role, code)
			}
		}
	})
}
