// Command bench compares vpngw with plain forwarding and with WireGuard in user
// space over the same lab of network namespaces, in paired rounds, on this
// machine. README.md says how to repeat it and what each figure is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		stop()
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	rounds, seconds, udpMbit int
	only, cpu, output        string
	pin, extra, switches     bool
}

func parseFlags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 3, "rounds; every contestant runs every case once a round")
	f.IntVar(&o.seconds, "seconds", 4, "length of each measurement in `seconds`")
	f.IntVar(&o.udpMbit, "udp-mbit", 10, "payload rate of the 64-byte UDP case in `Mbit/s`; 10 are 19,531 packets/s")
	f.StringVar(&o.only, "only", "", "comma-separated `names` of contestants, cases and wires to run; a kind without a name here runs whole")
	f.BoolVar(&o.pin, "pin", false, "run host A and gateway A on core 0, host B and gateway B on core 1")
	f.StringVar(&o.cpu, "cpu", "", "count CPU by `cgroup` or machine (default cgroup where there is one)")
	f.BoolVar(&o.extra, "extra", false, "also show the rows of the gateways' processes and of losses")
	f.BoolVar(&o.switches, "switches", false, "measure vpngw with each of its offloads switched off, and show what each brings")
	f.StringVar(&o.output, "o", "", "`file` of the raw rounds as JSON (default out/bench.json in the project's folder)")
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "Usage: bench [flags]\n\nNames for -only: %s\n\n", strings.Join(allNames(), ", "))
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: everything is a flag, see -help", f.Arg(0))
	case o.rounds < 1 || o.seconds < 1 || o.udpMbit < 1:
		return o, errors.New("-rounds, -seconds and -udp-mbit must be at least 1")
	case o.cpu != "" && o.cpu != lab.CPUGroup && o.cpu != lab.CPUMachine:
		return o, fmt.Errorf("-cpu %s: there are %s and %s", o.cpu, lab.CPUGroup, lab.CPUMachine)
	case o.switches && o.only != "":
		return o, errors.New("-switches chooses itself what runs: leave -only out")
	case o.pin && runtime.NumCPU() < 2:
		return o, errors.New("-pin needs two cores")
	}
	return o, nil
}

func run(ctx context.Context, args []string) (err error) {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	if o.switches {
		o.only = switchChoice()
	}
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	if err := lab.Available(); err != nil {
		return err
	}
	if missing := lab.Missing("ip", "iperf3"); len(missing) > 0 {
		return fmt.Errorf("programs are missing; run: apt-get install --no-install-recommends %s", strings.Join(missing, " "))
	}
	root, err := findRoot(ctx)
	if err != nil {
		return err
	}
	if o.output == "" {
		o.output = filepath.Join(root, "out", "bench.json")
	}
	build := builder{root: root, bin: filepath.Join(root, "out", "bin")}
	if err := command.MakeFolder(filepath.Dir(build.bin)); err != nil {
		return err
	}
	res := &result{Samples: []sample{}, Failures: []failure{}, Format: resultFormat, Started: time.Now().UTC(), Machine: describeMachine(ctx)}

	cpu := lab.NewCPUMeter(fmt.Sprintf("vpngw-bench-%d", os.Getpid()))
	defer func() { err = errors.Join(err, cpu.Close()) }()
	if o.cpu == "" {
		o.cpu = cpu.Source()
	}
	if o.cpu == lab.CPUGroup && cpu.Source() != lab.CPUGroup {
		return errors.New("-cpu cgroup: this machine has no cgroup v2 that can be written")
	}
	res.Settings = settings{Rounds: o.rounds, Seconds: o.seconds, Pin: o.pin, UDPMbit: o.udpMbit, CPUSource: o.cpu}

	b := &bench{
		contestants: chosen.contestants, wires: chosen.wires, cases: chosen.cases,
		rounds: o.rounds, pin: o.pin, progress: os.Stderr, result: res,
		meters: &meters{cpu: cpu, source: o.cpu, seconds: o.seconds, udpMbit: o.udpMbit},
	}
	err = b.Run(ctx, build)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted, nothing is written: %w", err)
	}
	if err != nil {
		return err
	}
	res.Summary = summarise(res.Samples, chosen.wires, chosen.cases)
	write := writeTables
	if o.switches {
		write = writeSwitches
	}
	if err := write(os.Stdout, res, chosen.wires, chosen.cases, o.extra); err != nil {
		return err
	}
	if err := command.WriteJSON(o.output, res); err != nil {
		return err
	}
	b.say("raw rounds are in %s", o.output)
	if n := len(res.Failures); n > 0 {
		return fmt.Errorf("%d failures, listed below the table", n)
	}
	return nil
}
