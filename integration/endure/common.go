package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"

	"vpngw/integration/lab"
	"vpngw/integration/lab/command"
)

// common is what every measurement has: its flags, the program under test, and
// where it reports to.
type common struct {
	name          string
	output        string // file for the JSON; empty: none
	program       string // path of vpngw; empty: it is built
	pin           bool   // each site on a core of its own
	progress, out io.Writer

	workshop *lab.Lab // without namespaces: its directory goes away however this process ends
}

// flags makes the flag set that a measurement adds its own to.
func (c *common) flags() *flag.FlagSet {
	f := flag.NewFlagSet("endure "+c.name, flag.ContinueOnError)
	f.StringVar(&c.output, "o", "", "`file` for all figures as JSON")
	f.StringVar(&c.program, "program", "", "`path` of the vpngw to measure; without it, one is built from these sources")
	f.BoolVar(&c.pin, "pin", false, "run site A on core 0 and site B on core 1: steadier, but a gateway has one core only")
	return f
}

// begin parses the flags and makes the program under test.
func (c *common) begin(ctx context.Context, f *flag.FlagSet, args []string) (err error) {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: everything is a flag, see -help", f.Arg(0))
	}
	if err := needed(); err != nil {
		return err
	}
	if c.pin && runtime.NumCPU() < 2 {
		return errors.New("-pin needs two cores")
	}
	folder := ""
	if c.program == "" {
		if c.workshop, err = lab.New(); err != nil {
			return err
		}
		c.say("building vpngw")
		folder = c.workshop.Dir()
	}
	c.program, _, err = command.Program(ctx, c.program, folder)
	return err
}

func (c *common) close() error {
	if c.workshop == nil {
		return nil
	}
	return c.workshop.Close()
}

func (c *common) say(format string, args ...any) {
	fmt.Fprintf(c.progress, c.name+": "+format+"\n", args...)
}

// errMissed ends a measurement whose figures are good but for the bars.
var errMissed = errors.New("a bar is missed")
