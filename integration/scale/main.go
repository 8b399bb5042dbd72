// Command scale measures a hub with many tunnels, of which few are busy: what the idle ones cost the busy ones, in memory and
// in time, and what becomes of events that concern all of them at once. See docs/scale.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/command"
	"vpngw/integration/lab/crowd"
)

// settings are the flags.
type settings struct {
	Many    int `json:"many"`    // tunnels of the large hub
	Busy    int `json:"busy"`    // of these carry traffic, and are all that the small hub has
	Rounds  int `json:"rounds"`  // of each hub
	Seconds int `json:"seconds"` // of load
	Idle    int `json:"idle_seconds"`

	Only            string `json:"only"`
	output, program string
}

func main() {
	command.Main("scale", func(ctx context.Context, args []string) error {
		return run(ctx, args, os.Stdout, os.Stderr)
	})
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	var s settings
	f := flag.NewFlagSet("scale", flag.ContinueOnError)
	f.IntVar(&s.Many, "many", 1000, "tunnels of the large hub")
	f.IntVar(&s.Busy, "busy", 10, "of these carry traffic: all that the small hub has")
	f.IntVar(&s.Rounds, "rounds", 5, "rounds of each hub")
	f.IntVar(&s.Seconds, "seconds", 5, "seconds of load each way")
	f.IntVar(&s.Idle, "idle", 60, "seconds in which an idle hub's processor time is counted")
	f.StringVar(&s.Only, "only", "", "measure one `part` only: throughput, life, away")
	f.StringVar(&s.output, "o", "", "`file` for all figures as JSON")
	f.StringVar(&s.program, "program", "", "`path` of the vpngw to measure; without it, one is built from these sources")
	if err := f.Parse(args); err != nil {
		return err
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: everything is a flag, see -help", f.Arg(0))
	case s.Busy < 1 || s.Busy > lab.MaxBranches || s.Many < s.Busy || s.Many-s.Busy > crowd.MaxMembers:
		return fmt.Errorf("%d tunnels of which %d are busy: at most %d may be busy, and %d idle", s.Many, s.Busy, lab.MaxBranches, crowd.MaxMembers)
	case s.Rounds < 1 || s.Seconds < 2 || s.Idle < 1:
		return errors.New("-rounds and -idle must be at least 1, -seconds at least 2")
	}
	if err := lab.Available(); err != nil {
		return err
	}
	m := &measurement{settings: s, progress: progress, report: report{Started: time.Now().UTC(), Settings: s}}
	workshop, err := lab.New() // its directory goes away however this process ends
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, workshop.Close()) }()
	if s.program, _, err = command.Program(ctx, s.program, workshop.Dir()); err != nil {
		return err
	}
	if m.hub, err = newHub(ctx, s); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.hub.Close()) }()
	err = m.measure(ctx)
	return errors.Join(err, m.report.finish(out, s.output)) // what was seen until an error is worth having
}

// measure runs the parts, or the one that is asked for.
func (m *measurement) measure(ctx context.Context) error {
	for _, p := range parts {
		if m.Only != "" && m.Only != p.name {
			continue
		}
		if err := p.measure(ctx, m); err != nil {
			return fmt.Errorf("%s: %w\nthe hub says: %s", p.name, err, m.hub.lastWords())
		}
	}
	return nil
}

// parts are measured in this order.
var parts = []struct {
	name    string
	measure func(context.Context, *measurement) error
}{
	{"throughput", measureThroughput},
	{"life", measureLife},
	{"away", measureAway},
}

// measurement is a run of the command.
type measurement struct {
	settings
	hub      *hub
	report   report
	progress io.Writer
}

func (m *measurement) say(format string, args ...any) {
	fmt.Fprintf(m.progress, "scale: "+format+"\n", args...)
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
