package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"vpngw/integration/lab"
)

// rekeySettings are the flags of the measurement.
type rekeySettings struct {
	Child   int  `json:"child_rekeys"`
	IKE     int  `json:"ike_rekeys"`
	Pairs   int  `json:"pairs"` // of rounds: one with rekeys, one without
	Seconds int  `json:"seconds"`
	Both    bool `json:"both_directions"`
}

const (
	// probeEvery and probeSize make a flow of 0.8 Mbit/s: far below its fair share.
	probeEvery = 2 * time.Millisecond
	probeSize  = 200

	// fastest is the shortest time between two rekeys that are asked for.
	fastest = 90 * time.Millisecond

	// sameRate is the bar: throughput with rekeys ÷ throughput without.
	sameRate = 0.95
)

// rekeyRound is one stretch of full TCP with the probe beside it.
type rekeyRound struct {
	Pair       int               `json:"pair"`
	Rekeying   bool              `json:"rekeying"`
	Gbit       float64           `json:"gbit_per_s"` // both directions together
	Child      int               `json:"child_rekeys"`
	IKE        int               `json:"ike_rekeys"`
	Failed     int               `json:"rekeys_failed"`
	Probe      probeResult       `json:"probe"`
	Congested  uint64            `json:"dropped_by_congestion"` // of both gateways
	Others     map[string]uint64 `json:"dropped_otherwise"`     // of both gateways, by reason
	Wire       uint64            `json:"dropped_by_the_wire"`
	Retransmit int               `json:"tcp_retransmits"`
}

func runRekey(ctx context.Context, c *common, args []string) error {
	var s rekeySettings
	f := c.flags()
	f.IntVar(&s.Child, "child", 1000, "child rekeys to do in all rounds together")
	f.IntVar(&s.IKE, "ike", 100, "IKE rekeys to do in all rounds together")
	f.IntVar(&s.Pairs, "pairs", 5, "pairs of rounds, one with rekeys and one without; as many again where rekeys are left to do")
	f.IntVar(&s.Seconds, "seconds", 24, "length of a round in `seconds`")
	f.BoolVar(&s.Both, "both", true, "TCP in both directions at once")
	if err := c.begin(ctx, f, args); err != nil {
		return err
	}
	if s.Pairs < 1 || s.Seconds < 1 || s.Child < 0 || s.IKE < 0 {
		return errors.New("-pairs and -seconds must be at least 1, -child and -ike at least 0")
	}
	r := report{Started: time.Now().UTC(), Settings: s}
	rounds, err := measureRekeys(ctx, c, s)
	if err != nil {
		return err
	}
	if err := writeTable(c.out, rekeyTable(rounds)); err != nil {
		return err
	}
	r.Rounds, r.Bars = rounds, rekeyBars(s, rounds)
	return c.finish(r)
}

// measureRekeys takes pairs of rounds until all rekeys are done. The order within a
// pair changes, so that a machine that grows slower favours neither.
func measureRekeys(ctx context.Context, c *common, s rekeySettings) (rounds []rekeyRound, err error) {
	p, err := c.newPair(ctx, lab.Options{}, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if _, err := p.load(1, true).Run(ctx); err != nil { // warm caches, and the path's MTU known
		return nil, err
	}
	child, ike := s.Child, s.IKE
	for pair := 0; pair < s.Pairs || pair < 2*s.Pairs && (child > 0 || ike > 0); pair++ {
		left := max(s.Pairs-pair, 1)
		do := rekeyPlan{child: ceilDiv(child, left), ike: ceilDiv(ike, left)}
		for turn := range 2 {
			round := rekeyRound{Pair: pair, Rekeying: turn != pair%2}
			if err := p.rekeyRound(ctx, s, do, &round); err != nil {
				return nil, fmt.Errorf("pair %d: %w%s", pair+1, err, p.lastWords())
			}
			if round.Rekeying {
				child, ike = max(child-round.Child, 0), max(ike-round.IKE, 0)
			}
			rounds = append(rounds, round)
			c.say("pair %d of %d, rekeying %-5t: %.2f Gbit/s, %d child and %d IKE rekeys, probe lost %d of %d, reordered %d",
				pair+1, s.Pairs, round.Rekeying, round.Gbit, round.Child, round.IKE, round.Probe.Lost, round.Probe.Sent, round.Probe.Reordered)
		}
	}
	return rounds, nil
}

func ceilDiv(n, d int) int { return (n + d - 1) / d }

// load is the TCP that the rekeys happen under.
func (p *pair) load(seconds int, both bool) lab.Iperf {
	return lab.Iperf{Client: p.A.Host, Server: p.B.Host, Address: p.B.Host4, Seconds: seconds, Bidirectional: both, Congestion: "cubic"}
}

// rekeyRound runs TCP, the probe and the rekeys beside each other.
func (p *pair) rekeyRound(ctx context.Context, s rekeySettings, do rekeyPlan, round *rekeyRound) error {
	before, err := p.counts(ctx)
	if err != nil {
		return err
	}
	loaded, end := context.WithCancel(ctx)
	defer end()
	group, loaded := errgroup.WithContext(loaded)
	var tcp lab.IperfResult
	group.Go(func() (err error) {
		tcp, err = p.load(s.Seconds, s.Both).Run(ctx)
		end() // the others last as long as this
		return err
	})
	group.Go(func() (err error) {
		round.Probe, err = probe{from: p.A.Host, to: p.B.Host, address: p.B.Host4, interval: probeEvery, size: probeSize}.run(loaded)
		return err
	})
	r := rekeyer{pair: p, plan: do, idle: !round.Rekeying, interval: do.interval(time.Duration(s.Seconds) * time.Second)}
	group.Go(func() error { return r.run(loaded) })
	if err := group.Wait(); err != nil {
		return err
	}
	after, err := p.counts(ctx)
	if err != nil {
		return err
	}
	round.Gbit, round.Retransmit = tcp.Gbit+tcp.GbitReverse, tcp.Retransmits
	done := r.seenA.both(&r.seenB)
	round.Child, round.IKE, round.Failed = done.child, done.ike, r.failed
	round.Congested, round.Others = split(since(before.drops, after.drops))
	round.Wire = after.wire - before.wire
	return nil
}

// counts is what was dropped so far.
type counts struct {
	drops map[string]uint64 // by either gateway
	wire  uint64
}

func (p *pair) counts(ctx context.Context) (c counts, err error) {
	a, errA := p.controlA.state(ctx)
	b, errB := p.controlB.state(ctx)
	c.wire, err = wireDrops(p.Sites)
	c.drops = sum(a.AllDrops(), b.AllDrops())
	return c, errors.Join(errA, errB, err)
}
