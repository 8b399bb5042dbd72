package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vpngw/integration/lab/crowd"
	"vpngw/integration/lab/load"
)

const (
	// throughputBar is the part of the small hub's throughput that the large one must have.
	throughputBar = 0.95
	// warmUp is left out of the figures.
	warmUp = time.Second
	// settleTime is for the search of the paths' MTU, which follows a tunnel's coming up.
	settleTime = 2 * time.Second
)

// round is one hub under load.
type round struct {
	Tunnels int  `json:"tunnels"`
	Up      bool `json:"up"` // the branches send, not the hub
	Number  int  `json:"round"`
	traffic
}

// traffic is what a load came to.
type traffic struct {
	Gbit      float64       `json:"gbit"`        // TCP payload a second, in all flows
	ProbeP50  time.Duration `json:"probe50_ns"`  // one way, in the tunnel of the first branch
	ProbeP99  time.Duration `json:"probe99_ns"`  //
	ProbeMax  time.Duration `json:"probemax_ns"` //
	ProbeLost int           `json:"probe_lost"`
	HubCPU    float64       `json:"hub_cpu"` // seconds a second
}

// measureThroughput has the hub carry the same load in turns with few tunnels and with many, in the same lab.
func measureThroughput(ctx context.Context, m *measurement) error {
	for n := range m.Rounds {
		order := []int{m.Busy, m.Many}
		if n%2 == 1 {
			slices.Reverse(order)
		}
		for _, tunnels := range order {
			if err := m.hub.start(crowd.Configuration{Members: tunnels - m.Busy}, true); err != nil {
				return err
			}
			if _, err := m.hub.waitUp(ctx, tunnels, upTimeout); err != nil {
				return err
			}
			if err := pause(ctx, restTime); err != nil {
				return err
			}
			for _, up := range []bool{false, true} {
				t, err := m.hub.load(ctx, flows{fromBranches: up, all: true, seconds: m.Seconds})
				if err != nil {
					return err
				}
				m.report.Rounds = append(m.report.Rounds, round{tunnels, up, n, t})
				m.say("round %d of %d, %d tunnels, %s: %.2f Gbit/s, probe %v, 99 %% %v", n+1, m.Rounds, tunnels,
					direction(up), t.Gbit, t.ProbeP50.Round(time.Microsecond), t.ProbeP99.Round(time.Microsecond))
			}
			if err := m.hub.end(); err != nil {
				return err
			}
		}
	}
	for _, up := range []bool{false, true} {
		m.report.compare(m.settings, m.report.Rounds, up)
	}
	return nil
}

func direction(up bool) string {
	if up {
		return "branches to hub"
	}
	return "hub to branches"
}

// flows are one TCP flow between the hub's host and each branch's, or none.
type flows struct {
	all, fromBranches bool
	seconds           int
	events            []load.Event // under load
}

// load sends, with a probe from the hub to the first branch beside it.
func (h *hub) load(ctx context.Context, f flows) (t traffic, err error) {
	site, branches := h.Star.Hub, h.Star.Branches
	l := load.Load{
		Duration: time.Duration(f.seconds) * time.Second, Events: f.events,
		Probes: []load.Probe{{From: site.Host, To: branches[0].Host, Address: branches[0].Host4}},
	}
	for _, b := range branches {
		switch {
		case !f.all:
		case f.fromBranches:
			l.Flows = append(l.Flows, load.Flow{From: b.Host, To: site.Host, Address: site.Host4, Congestion: "cubic"})
		default:
			l.Flows = append(l.Flows, load.Flow{From: site.Host, To: b.Host, Address: b.Host4, Congestion: "cubic"})
		}
	}
	before, err := h.Gateway.Process.CPUSeconds()
	if err != nil {
		return t, err
	}
	r, err := l.Run(ctx)
	if err != nil {
		return t, err
	}
	after, err := h.Gateway.Process.CPUSeconds()
	if err != nil {
		return t, err
	}
	p := r.Probes[0]
	return traffic{
		Gbit: goodput(r), ProbeLost: p.Lost,
		ProbeP50: load.Percentile(p.Delays, 50), ProbeP99: load.Percentile(p.Delays, 99), ProbeMax: load.Percentile(p.Delays, 100),
		HubCPU: (after - before) / l.Duration.Seconds(),
	}, nil
}

// goodput is what all flows received after the warm-up, in Gbit a second.
func goodput(r *load.Result) float64 {
	first, last := 0, len(r.Times)-1
	for first < last && r.Times[first] < warmUp {
		first++
	}
	if first >= last {
		return 0
	}
	bytes := uint64(0)
	for _, f := range r.Flows {
		bytes += f.Received[last] - f.Received[first]
	}
	return 8 * float64(bytes) / 1e9 / (r.Times[last] - r.Times[first]).Seconds()
}

// compare adds the figures and the bar of one direction. Ratios are of rounds that followed one another.
func (r *report) compare(s settings, rounds []round, up bool) {
	few, many := pick(rounds, s.Busy, up), pick(rounds, s.Many, up)
	var ratios []float64
	for i := range few {
		ratios = append(ratios, 100*many[i].Gbit/few[i].Gbit)
	}
	for _, of := range []struct {
		what string
		get  func(round) float64
		unit string
	}{
		{"TCP in all busy tunnels", func(r round) float64 { return r.Gbit }, "Gbit/s"},
		{"the hub's processor", func(r round) float64 { return r.HubCPU / r.Gbit }, "s/Gbit"},
		{"probe, median", func(r round) float64 { return milliseconds(r.ProbeP50) }, "ms"},
		{"probe, 99 %", func(r round) float64 { return milliseconds(r.ProbeP99) }, "ms"},
	} {
		a, b := values(few, of.get), values(many, of.get)
		r.figure(direction(up)+", "+of.what, "%s with %d tunnels, %s with %d", spread(a, of.unit), s.Busy, spread(b, of.unit), s.Many)
	}
	r.bar(fmt.Sprintf("throughput of %d busy tunnels among %d, %s, beside that among %d", s.Busy, s.Many, direction(up), s.Busy),
		spread(ratios, "%"), fmt.Sprintf("≥ %.0f %%", 100*throughputBar), load.Median(ratios) >= 100*throughputBar)
}

func pick(rounds []round, tunnels int, up bool) (some []round) {
	for _, r := range rounds {
		if r.Tunnels == tunnels && r.Up == up {
			some = append(some, r)
		}
	}
	return some
}

func values(rounds []round, get func(round) float64) (v []float64) {
	for _, r := range rounds {
		v = append(v, get(r))
	}
	return v
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
