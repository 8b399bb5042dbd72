// Command profile says where a gateway's processor time goes: it joins two sites in network namespaces of their own by the
// program of these sources, sends several kinds of traffic, and prints for each what a superpacket or packet costs, part by
// part, and how the gateways' lanes worked meanwhile. docs/performance.md says how to read it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/command"
)

func main() {
	command.Main("profile", func(ctx context.Context, args []string) error {
		return start(ctx, args, os.Stdout, os.Stderr)
	})
}

// options are the flags, parsed.
type options struct {
	seconds         int
	functions       int // to show of each account
	wires           []wire
	kinds           []traffic
	pin             bool
	output, program string
	against         *result // nil: nothing to compare with
}

func parseFlags(args []string) (o options, err error) {
	f := flag.NewFlagSet("profile", flag.ContinueOnError)
	f.IntVar(&o.seconds, "seconds", 8, "length of what is watched of each kind of traffic, in `seconds`; 2,000 samples of a busy gateway in each")
	f.IntVar(&o.functions, "functions", 0, "also show so many functions, ours and the kernel's, in which most samples were taken")
	only := f.String("only", "", "comma-separated `names` of wires and traffic; of what is not named, all: "+strings.Join(names(), ", "))
	f.BoolVar(&o.pin, "pin", false, "run host A and gateway A on core 0, host B and gateway B on core 1")
	f.StringVar(&o.output, "o", "", "`file` for all figures as JSON")
	against := f.String("against", "", "`file` of an earlier run's figures: print what differs")
	f.StringVar(&o.program, "program", "", "`path` of the vpngw to watch; without it, one is built from these sources")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: everything is a flag, see -help", f.Arg(0))
	case o.seconds < 1 || o.functions < 0:
		return o, errors.New("-seconds must be at least 1, -functions at least 0")
	case o.pin && runtime.NumCPU() < 2:
		return o, errors.New("-pin needs two cores")
	}
	if o.wires, o.kinds, err = choose(*only); err != nil {
		return o, err
	}
	if *against != "" {
		o.against, err = readResult(*against)
	}
	return o, err
}

func start(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	if err := lab.Available(); err != nil {
		return err
	}
	if missing := lab.Missing("ip", "iperf3"); len(missing) > 0 {
		return fmt.Errorf("programs are missing; run: apt-get install --no-install-recommends %s", strings.Join(missing, " "))
	}
	meter := lab.NewCPUMeter(fmt.Sprintf("vpngw-profile-%d", os.Getpid()))
	defer func() { err = errors.Join(err, meter.Close()) }()
	workshop, err := lab.New() // without namespaces: its directory goes away however this process ends
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, workshop.Close()) }()
	r := &result{Started: time.Now().UTC(), Machine: lab.Machine(), Pin: o.pin, Source: meter.Source(), Runs: []run{}}
	if o.program, r.Version, err = command.Program(ctx, o.program, workshop.Dir()); err != nil {
		return err
	}
	fmt.Fprintf(out, "vpngw %s on %s\n\n", r.Version, r.Machine)
	for _, w := range o.wires {
		if err := r.measure(ctx, w, o, meter, out, progress); err != nil {
			return err
		}
	}
	if o.output != "" {
		if err := command.WriteJSON(o.output, r); err != nil {
			return err
		}
		fmt.Fprintf(progress, "profile: all figures are in %s\n", o.output)
	}
	if o.against != nil {
		writeDifferences(out, r, o.against)
	}
	return nil
}

// measure adds the runs on one wire, and prints each.
func (r *result) measure(ctx context.Context, w wire, o options, meter *lab.CPUMeter, out, progress io.Writer) (err error) {
	a, err := newArena(ctx, w, o.program, o.pin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	for _, t := range o.kinds {
		fmt.Fprintf(progress, "profile: %s, %s\n", w.title, t.title)
		one, err := a.run(ctx, t, meter, o.seconds)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", w.title, t.title, err)
		}
		one.Wire = w.name
		r.Runs = append(r.Runs, one)
		writeRun(out, w.title+", "+t.title, &one)
		writeFunctions(out, &one, o.functions)
	}
	return nil
}
