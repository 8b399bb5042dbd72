package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
	"vpngw/integration/lab/load"
)

// flowAgain is the bar: packets flow so soon after the killed gateway can be heard again.
const flowAgain = 2 * time.Second

// giveUp is how long a return is waited for.
const giveUp = 30 * time.Second

// Runs take these in turns; as their numbers have no common divisor, every age meets
// every absence.
var (
	// ages are how old the tunnel is when it is hit.
	ages = []time.Duration{300 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second}
	// absences are how long the killed gateway stays away: shorter and longer than the
	// survivor takes to find out.
	absences = []time.Duration{300 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second}
)

// restartSettings are the flags of the measurement.
type restartSettings struct {
	Runs int `json:"runs"` // of each kind
}

// restartKind is what the killed gateway knows of its peer.
type restartKind struct {
	Name  string
	Waits bool // no address: the survivor must come to it
}

var restartKinds = []restartKind{
	{"initiates by itself", false},
	{"waits for its peer", true},
}

// restartRun is one kill.
type restartRun struct {
	Kind string        `json:"kind"`
	Run  int           `json:"run"`
	Age  time.Duration `json:"age_ns"`  // of the tunnel, at the kill
	Away time.Duration `json:"away_ns"` // from the kill to its start
	Took time.Duration `json:"took_ns"` // from its port being bound to the first packet that came through and back
	Lost bool          `json:"lost"`    // nothing came through at all: Took is how long it was waited for
}

func runRestart(ctx context.Context, c *common, args []string) error {
	var s restartSettings
	f := c.flags()
	f.IntVar(&s.Runs, "runs", 50, "kills of each kind")
	if err := c.begin(ctx, f, args); err != nil {
		return err
	}
	if s.Runs < 1 {
		return errors.New("-runs must be at least 1")
	}
	r := report{Started: time.Now().UTC(), Settings: s}
	var runs []restartRun
	for _, kind := range restartKinds {
		more, err := measureRestarts(ctx, c, s, kind)
		if err != nil {
			return fmt.Errorf("the killed gateway %s: %w", kind.Name, err)
		}
		runs = append(runs, more...)
	}
	if err := writeTable(c.out, restartTable(runs)); err != nil {
		return err
	}
	r.Rounds, r.Bars = runs, restartBars(s, runs)
	return c.finish(r)
}

func measureRestarts(ctx context.Context, c *common, s restartSettings, kind restartKind) (runs []restartRun, err error) {
	p, err := c.newPair(ctx, lab.Options{}, func(_, b *daemon.Config) {
		if kind.Waits {
			b.Tunnels[0].Peer = ""
		}
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for i := range s.Runs {
		r := restartRun{Kind: kind.Name, Run: i, Age: ages[i%len(ages)], Away: absences[i%len(absences)]}
		if err := p.restart(ctx, &r); err != nil {
			return runs, fmt.Errorf("run %d: %w%s", i+1, err, p.lastWords())
		}
		runs = append(runs, r)
		c.say("%s, run %d of %d: up for %v, away %v, flows again after %v", kind.Name, i+1, s.Runs, r.Age, r.Away, r.Took.Round(time.Millisecond))
		if r.Lost || r.Took > flowAgain {
			c.say("this is above the bar; the gateways' logs:%s", p.lastWords())
		}
	}
	return runs, nil
}

// restart kills gateway B and starts it again, while host A goes on sending.
func (p *pair) restart(ctx context.Context, r *restartRun) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	e := p.startEchoes(ctx)
	if _, err := e.first(ctx, time.Now(), upTimeout); err != nil {
		return fmt.Errorf("before the kill: %w", err)
	}
	if err := pause(ctx, r.Age); err != nil {
		return err
	}
	p.b.Process.Kill()
	if err := pause(ctx, r.Away); err != nil {
		return err
	}
	if err := p.b.Start(); err != nil {
		return err
	}
	for !p.b.Process.Bound(port) {
		if !p.b.Process.Running() {
			return fmt.Errorf("the gateway ended with exit code %d", p.b.Process.ExitCode())
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	back := time.Now()
	took, err := e.first(ctx, back, giveUp)
	if err != nil && !errors.Is(err, errNoEcho) {
		return err
	}
	r.Took, r.Lost = took, err != nil
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// times are the figures of one kind.
func times(runs []restartRun, kind string) (took []time.Duration, lost int) {
	for _, r := range runs {
		if r.Kind != kind {
			continue
		}
		took = append(took, r.Took)
		if r.Lost {
			lost++
		}
	}
	return took, lost
}

func restartTable(runs []restartRun) [][]string {
	rows := [][]string{{"the killed gateway", "runs", "p50", "p99", "max", "never"}}
	for _, kind := range restartKinds {
		took, lost := times(runs, kind.Name)
		row := []string{kind.Name, strconv.Itoa(len(took))}
		for _, d := range []time.Duration{load.Percentile(took, 50), load.Percentile(took, 99), load.Percentile(took, 100)} {
			row = append(row, d.Round(time.Millisecond).String())
		}
		rows = append(rows, append(row, strconv.Itoa(lost)))
	}
	return rows
}

func restartBars(s restartSettings, runs []restartRun) []bar {
	var bars []bar
	for _, kind := range restartKinds {
		took, lost := times(runs, kind.Name)
		p99 := load.Percentile(took, 99)
		bars = append(bars, bar{
			What: fmt.Sprintf("flows again, the killed gateway %s: 99th percentile of %d runs", kind.Name, len(took)),
			Got:  p99.Round(time.Millisecond).String(), Want: "≤ " + flowAgain.String(),
			OK: len(took) == s.Runs && lost == 0 && p99 <= flowAgain,
		})
	}
	return bars
}
