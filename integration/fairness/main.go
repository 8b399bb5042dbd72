// Command fairness measures whether tunnels that share a wire share it evenly, and whether what is sparse passes what is bulky,
// for vpngw, for vpngw with its queue switched off and for WireGuard in user space. Everything runs in network namespaces of
// its own on this machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/command"
)

func main() {
	command.Main("fairness", func(ctx context.Context, args []string) error {
		return start(ctx, args, os.Stdout, os.Stderr)
	})
}

const (
	// subject is the contestant whose bars decide about success.
	subject       = "vpngw"
	shapedFIFO    = "fifo"
	unshapedFIFO  = "fifo-unshaped"
	wireguardName = "wireguard-go"
)

func contestants() []contestant {
	return []contestant{
		&vpngw{title: subject, text: "vpngw, fair queue, shaped to 95 %"},
		&vpngw{title: shapedFIFO, text: "vpngw, one FIFO, shaped to 95 %", fifo: true},
		&vpngw{title: unshapedFIFO, text: "vpngw, one FIFO, unshaped", fifo: true, unshaped: true},
		&wireguard{},
	}
}

// options are the flags, parsed.
type options struct {
	output, program string
	from            string // a report to be written again; empty: it is measured
	only            []scenario
	contestants     []contestant
	rates           []uint64
	congestion      []string
	seconds         time.Duration
}

func parseFlags(args []string) (o options, err error) {
	f := flag.NewFlagSet("fairness", flag.ContinueOnError)
	only := f.String("only", "", "comma-separated `scenarios`; all without it: "+strings.Join(names(scenarios(), scenarioName), ", "))
	who := f.String("contestants", "", "comma-separated `names`; all without it: "+strings.Join(names(contestants(), contestant.name), ", "))
	rates := f.String("rates", "100,400,1000", "comma-separated rates of the wire in `Mbit/s`")
	congestion := f.String("cc", "cubic,bbr", "comma-separated congestion `controls`")
	seconds := f.Int("seconds", 8, "length of a measurement in `seconds`, of which the first two do not count")
	f.StringVar(&o.output, "o", "", "`file` for all figures as JSON; the table and the plots go beside it")
	f.StringVar(&o.from, "from", "", "`file` of an earlier run's figures: measure nothing, write its table and plots again")
	f.StringVar(&o.program, "program", "", "`path` of the vpngw to measure; without it, one is built from these sources")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: everything is a flag, see -help", f.Arg(0))
	}
	var errs [3]error
	o.only, errs[0] = choose("scenario", *only, scenarios(), scenarioName)
	o.contestants, errs[1] = choose("contestant", *who, contestants(), contestant.name)
	o.rates, errs[2] = parseRates(*rates)
	o.congestion, o.seconds = split(*congestion), time.Duration(*seconds)*time.Second
	if *seconds < 4 {
		return o, errors.New("-seconds must be at least 4: the first two do not count")
	}
	return o, errors.Join(errs[:]...)
}

func scenarioName(s scenario) string { return s.name }

func names[T any](all []T, name func(T) string) (list []string) {
	for _, x := range all {
		list = append(list, name(x))
	}
	return list
}

// choose picks by comma-separated names; none means all.
func choose[T any](kind, text string, all []T, name func(T) string) (chosen []T, err error) {
	if text == "" {
		return all, nil
	}
	for _, want := range split(text) {
		i := slices.IndexFunc(all, func(x T) bool { return name(x) == want })
		if i < 0 {
			return nil, fmt.Errorf("there is no %s %q; there are %s", kind, want, strings.Join(names(all, name), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func parseRates(text string) (list []uint64, err error) {
	for _, t := range split(text) {
		n, err := strconv.ParseUint(t, 10, 32)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("-rates: %q is no number of Mbit/s", t)
		}
		list = append(list, n*1e6)
	}
	return list, nil
}

func split(text string) (list []string) {
	for t := range strings.SplitSeq(text, ",") {
		if t = strings.TrimSpace(t); t != "" {
			list = append(list, t)
		}
	}
	return list
}

// errMissed ends a measurement whose figures are good but for the bars.
var errMissed = errors.New("a bar is missed")

func start(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	r := &report{Started: time.Now().UTC(), Seconds: o.seconds.Seconds(), Machine: lab.Machine()}
	if o.from != "" {
		r, err = readReport(o.from)
	} else {
		err = measure(ctx, o, r, progress)
	}
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, r.markdown()); err != nil {
		return err
	}
	if o.output != "" {
		if err := r.write(o.output); err != nil {
			return err
		}
		fmt.Fprintf(progress, "fairness: all figures are in %s, the table and the pictures beside it\n", o.output)
	}
	if n := len(r.Failures); n > 0 {
		return fmt.Errorf("%d failures, listed in the report", n)
	}
	for _, bar := range r.Bars {
		if bar.Contestant == subject && !bar.OK {
			return errMissed
		}
	}
	return nil
}

// measure fills a report.
func measure(ctx context.Context, o options, r *report, progress io.Writer) (err error) {
	if err := lab.Available(); err != nil {
		return err
	}
	workshop, err := lab.New() // without namespaces: its directory goes away however this process ends
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, workshop.Close()) }()
	b := &bench{contestants: o.contestants, scenarios: o.only, rates: o.rates, congestion: o.congestion, seconds: o.seconds, progress: progress, report: r}
	return b.run(ctx, &builder{bin: workshop.Dir(), program: o.program})
}
