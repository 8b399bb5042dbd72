package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"vpngw/configs"
	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
	"vpngw/integration/lab/load"
)

// The second act sends from a hub to four branches, a tunnel to each, over one wire that is too narrow. The first tunnel has
// many TCP flows, the others one each, and the last a probe beside it.
const (
	branches   = 4
	crowd      = 8 // flows in the first tunnel
	wireRate   = 100e6
	wireQueue  = 256 << 10 // bytes
	uplinkRate = wireRate / 100 * 95
	probeEvery = 10 * time.Millisecond
)

// queue is what the hub's gateway lets packets wait in.
type queue struct {
	name  string
	lines []string // of the tunnel file's gateway section
}

var (
	uplink = fmt.Sprintf("uplink: {rate: %v}", configs.Rate(uplinkRate))
	fifo   = queue{"FIFO", []string{uplink, "fairness: {queue: fifo}"}}
	fair   = queue{"fair", []string{uplink}}
)

// comparison is what the second act shows.
type comparison struct {
	version    string
	fifo, fair *contest
}

// hubAndBranches is the second act's network.
type hubAndBranches struct {
	*demo
	star *lab.Star
	hub  *daemon.Gateway // restarted for each queue
}

// secondAct builds its lab, does everything in it and removes it.
func (d *demo) secondAct(ctx context.Context) (c *comparison, err error) {
	star, err := lab.Hub(branches, lab.Options{Isolated: !d.clear})
	if err != nil {
		return nil, err
	}
	n := &hubAndBranches{demo: d, star: star}
	err = d.inLab(ctx, star.Lab, func() error {
		d.say("a hub and %d branches in network namespaces vpngw-%s-*, %.0f Mbit/s from the hub to all of them", branches, star.ID(), wireRate/1e6)
		if err := n.prepare(ctx); err != nil {
			return err
		}
		c = &comparison{}
		var err error
		if c.fifo, err = n.watch(ctx, fifo); err != nil {
			return err
		}
		if c.fair, err = n.watch(ctx, fair); err != nil {
			return err
		}
		status, err := n.hub.Status(ctx)
		if err != nil {
			return fmt.Errorf("status of the hub's gateway: %w", err)
		}
		c.version = status.Version
		return d.stopAll()
	})
	return c, err
}

// prepare narrows the wire and starts the branches' gateways.
func (n *hubAndBranches) prepare(ctx context.Context) (err error) {
	if n.hub, err = n.newGateway(n.star.Lab, n.star.Hub.Gateway); err != nil {
		return err
	}
	if err := n.star.Hub.Gateway.ByteQueue(ctx, lab.WAN, wireRate, wireQueue); err != nil {
		return err
	}
	hosts := []*lab.Namespace{n.star.Hub.Host}
	for i, site := range n.star.Branches {
		hosts = append(hosts, site.Host)
		if err := n.startBranch(i, site); err != nil {
			return err
		}
	}
	for _, host := range hosts {
		// A slow start threshold remembered from the FIFO would be the fair queue's handicap.
		if err := host.Sysctl("net.ipv4.tcp_no_metrics_save", "1"); err != nil {
			return err
		}
	}
	return nil
}

const hubID = "hub.example"

func branchID(i int) string { return fmt.Sprintf("branch-%d.example", i+1) }
func secret(i int) string   { return fmt.Sprintf("the secret of the demo's branch %d", i+1) }

func (n *hubAndBranches) startBranch(i int, site lab.Site) error {
	g, err := n.newGateway(n.star.Lab, site.Gateway)
	if err != nil {
		return err
	}
	psk, err := g.WriteSecret("psk", secret(i))
	if err != nil {
		return err
	}
	err = g.Configure(daemon.Config{ID: branchID(i), Interface: tunnelDevice, Tunnels: []daemon.Tunnel{{
		Name: "hub", Peer: n.star.Hub.Outside4.String(), PeerID: hubID, PSKFile: psk,
		Local: []netip.Prefix{site.Inside4}, Remote: []netip.Prefix{n.star.Hub.Inside4},
	}}})
	if err != nil {
		return err
	}
	return g.Start()
}

// watch lets the hub's gateway run with a queue and shows who gets what.
func (n *hubAndBranches) watch(ctx context.Context, q queue) (*contest, error) {
	if err := n.startHub(ctx, q); err != nil {
		return nil, fmt.Errorf("%s: %w", q.name, err)
	}
	c := &contest{}
	display := newDisplay(n.Out)
	l := load.Load{
		Probes:   []load.Probe{{From: n.star.Hub.Host, To: n.star.Branches[branches-1].Host, Address: n.star.Branches[branches-1].Host4, Interval: probeEvery}},
		Duration: time.Duration(n.QueueSeconds) * time.Second,
		Watch: func(r load.Reading) {
			display.show(c.add(r), fmt.Sprintf("%5.1f s  %s %2d s", time.Since(n.start).Seconds(), q.name, len(c.moments)))
		},
	}
	for i, site := range n.star.Branches {
		for range flowsIn(i) {
			l.Flows = append(l.Flows, load.Flow{From: n.star.Hub.Host, To: site.Host, Address: site.Host4, Congestion: "cubic", Tunnel: i})
		}
	}
	c.flows = l.Flows
	result, err := l.Run(ctx)
	if err != nil {
		return nil, fmt.Errorf("traffic through the %s queue: %w", q.name, err)
	}
	c.finish(result)
	return c, nil
}

// flowsIn is how many flows tunnel i carries, from 0.
func flowsIn(i int) int {
	if i == 0 {
		return crowd
	}
	return 1
}

// startHub starts the hub's gateway, again if it runs, and waits until every branch is reached.
func (n *hubAndBranches) startHub(ctx context.Context, q queue) error {
	if n.hub.Process != nil {
		if err := n.stop(n.hub); err != nil {
			return err
		}
	}
	c := daemon.Config{ID: hubID, Interface: tunnelDevice, Gateway: q.lines}
	for i, site := range n.star.Branches {
		psk, err := n.hub.WriteSecret(fmt.Sprintf("psk-%d", i+1), secret(i))
		if err != nil {
			return err
		}
		c.Tunnels = append(c.Tunnels, daemon.Tunnel{
			Name: fmt.Sprintf("branch-%d", i+1), Peer: site.Outside4.String(), PeerID: branchID(i), PSKFile: psk,
			Local: []netip.Prefix{n.star.Hub.Inside4}, Remote: []netip.Prefix{site.Inside4},
		})
	}
	if err := n.hub.Configure(c); err != nil {
		return err
	}
	if err := n.hub.Check(ctx); err != nil {
		return fmt.Errorf("tunnel file of the hub:\n%s\n%w", c.YAML(), err)
	}
	if err := n.hub.Start(); err != nil {
		return err
	}
	if err := n.hub.WaitUp(ctx, upTimeout); err != nil {
		return fmt.Errorf("the tunnels did not come up: %w", err)
	}
	for _, site := range n.star.Branches {
		if err := n.reach(ctx, site); err != nil {
			return err
		}
	}
	n.say("hub: vpngw run tunnels.yaml, with %s; %d tunnels up", strings.Join(q.lines, ", "), branches)
	return nil
}

// reach waits until packets cross a tunnel in both directions.
func (n *hubAndBranches) reach(ctx context.Context, site lab.Site) error {
	return lab.Poll(ctx, upTimeout, func() error {
		r, err := lab.Ping{From: n.star.Hub.Host, To: site.Host4, Count: 1, Wait: 200 * time.Millisecond}.Run(ctx)
		if err != nil {
			return lab.Fatal(err)
		}
		if r.Received == 0 {
			return errors.Join(ctx.Err(), fmt.Errorf("the hub's host does not reach %s", site.Host4))
		}
		return nil
	})
}
