// Package demo is `vpngw demo`. Its first act builds two sites out of network namespaces on this machine, joins them by two real
// vpngw gateways set up with a user's own steps, sends real traffic through the tunnel, and shows what came through. The second
// lets four tunnels share a narrow wire, first behind a FIFO, then behind the fair queue, and shows who gets what as it happens.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// Options of [Run]. The zero value is the ordinary demo.
type Options struct {
	Binary  string    // the vpngw to run; "": this executable
	Out     io.Writer // nil: standard output
	Act     int       // 1 or 2; 0: both
	Seconds int       // of each throughput measurement; 0: 4
	FileMiB int       // size of the file to copy; 0: 64

	QueueSeconds int // for which the second act watches each queue; 0: 7

	clear bool // for tests with a stand-in: the sites reach each other without a tunnel
}

// logTail is how many lines of each gateway's log a failure shows.
const logTail = 15

// stopGrace is how long a gateway may take to end on SIGTERM.
const stopGrace = 3 * time.Second

// Run shows the demo. It needs root. On SIGINT, SIGTERM, the end of the context or any failure it removes everything it made and
// returns an error; a failure has by then been explained on Options.Out with the tails of the gateways' logs.
func Run(ctx context.Context, o Options) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Seconds <= 0 {
		o.Seconds = 4
	}
	if o.FileMiB <= 0 {
		o.FileMiB = 64
	}
	if o.QueueSeconds <= 0 {
		o.QueueSeconds = 7
	}
	if o.Binary == "" {
		executable, err := os.Executable()
		if err != nil {
			return fmt.Errorf("demo: which vpngw to run: %w", err)
		}
		o.Binary = executable
	}
	d := &demo{Options: o, start: time.Now()}
	if err := d.requirements(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	e, err := d.acts(ctx)
	if ctx.Err() != nil && d.removed {
		return errors.New("demo: interrupted; everything it made is removed")
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprint(o.Out, "\n", e.screen())
	return nil
}

// demo is one run.
type demo struct {
	Options
	start time.Time

	sites    *lab.Sites // of the first act
	a, b     *daemon.Gateway
	gateways []*daemon.Gateway // of the act that is on

	removed bool // nothing of any lab is left
}

// acts plays those that were asked for.
func (d *demo) acts(ctx context.Context) (e *ending, err error) {
	e = &ending{}
	if d.Act != 2 {
		if e.first, err = d.firstAct(ctx); err != nil {
			return nil, err
		}
		e.version = e.first.versionText
	}
	if d.Act != 1 {
		if e.second, err = d.secondAct(ctx); err != nil {
			return nil, err
		}
		e.version = e.second.version
	}
	e.seconds = time.Since(d.start).Seconds()
	return e, nil
}

// say prints one line of progress.
func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.Out, "%5.1f s  %s\n", time.Since(d.start).Seconds(), fmt.Sprintf(format, args...))
}

// requirements installs what is missing.
func (d *demo) requirements(ctx context.Context) error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("network namespaces need root, this is user %d; run: sudo vpngw demo", uid)
	}
	if missing := lab.Missing("ip", "iperf3"); len(missing) > 0 {
		d.say("installing %s: apt-get install --no-install-recommends", strings.Join(missing, ", "))
		var log strings.Builder
		if err := lab.Install(ctx, &log, missing...); err != nil {
			return fmt.Errorf("%w\n%s", err, lastLines(log.String(), logTail))
		}
	}
	return lab.Available()
}

// firstAct builds its lab, does everything in it and removes it.
func (d *demo) firstAct(ctx context.Context) (r *results, err error) {
	if d.sites, err = lab.TwoSites(lab.Options{Isolated: !d.clear}); err != nil {
		return nil, err
	}
	err = d.inLab(ctx, d.sites.Lab, func() (err error) {
		d.say("two sites in network namespaces vpngw-%s-*, nothing else on this machine is touched", d.sites.ID())
		if err := d.setUp(ctx); err != nil {
			return err
		}
		if err := d.bringUp(ctx); err != nil {
			return err
		}
		if r, err = d.measure(ctx); err != nil {
			return err
		}
		return d.stopAll()
	})
	return r, err
}

// inLab plays an act, explains what fails in it, and removes the lab.
func (d *demo) inLab(ctx context.Context, l *lab.Lab, act func() error) (err error) {
	d.removed, d.gateways = false, nil
	defer func() {
		closeErr := l.Close()
		d.removed = closeErr == nil
		err = errors.Join(err, closeErr)
	}()
	if err = act(); err != nil && ctx.Err() == nil {
		d.explain(err)
	}
	return err
}

// newGateway prepares one of the act's gateways.
func (d *demo) newGateway(l *lab.Lab, n *lab.Namespace) (*daemon.Gateway, error) {
	g, err := daemon.New(l, n, d.Binary)
	if err == nil {
		d.gateways = append(d.gateways, g)
	}
	return g, err
}

// explain shows what failed and what the gateways said.
func (d *demo) explain(err error) {
	d.say("FAILED: %v", err)
	for _, g := range d.gateways {
		if g.Process != nil {
			fmt.Fprintf(d.Out, "\nlog of %s, last lines:\n%s\n", g.Namespace.Role, g.Process.Tail(logTail))
		}
	}
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
