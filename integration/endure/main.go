// Command endure measures what a gateway must bear: rekeys under full load, peers
// that are killed, and floods of datagrams from strangers. Each measurement runs in
// network namespaces of its own, prints what it saw beside the bars it must hold,
// and exits 1 if one is missed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"vpngw/integration/lab"
	"vpngw/integration/lab/command"
)

// measurements are the sub-commands.
var measurements = []struct {
	name, about string
	run         func(ctx context.Context, c *common, args []string) error
}{
	{"rekey", "child and IKE rekeys under full TCP, beside the same without rekeys", runRekey},
	{"restart", "a killed peer comes back while only the survivor has traffic", runRestart},
	{"flood", "TCP beside unauthenticated datagrams of every kind", runFlood},
}

func main() { command.Main("endure", run) }

func run(ctx context.Context, args []string) (err error) {
	if len(args) == 0 {
		return usage("no measurement is named")
	}
	for _, m := range measurements {
		if m.name != args[0] {
			continue
		}
		c := &common{name: m.name, progress: os.Stderr, out: os.Stdout}
		defer func() { err = errors.Join(err, c.close()) }()
		return m.run(ctx, c, args[1:])
	}
	return usage(fmt.Sprintf("there is no measurement %q", args[0]))
}

func usage(what string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; usage: endure MEASUREMENT [flags]\n", what)
	for _, m := range measurements {
		fmt.Fprintf(&b, "  %-8s %s\n", m.name, m.about)
	}
	return errors.New(strings.TrimRight(b.String(), "\n"))
}

// needed complains of what the machine lacks.
func needed() error {
	if err := lab.Available(); err != nil {
		return err
	}
	if missing := lab.Missing("ip", "iperf3"); len(missing) > 0 {
		return fmt.Errorf("programs are missing; run: apt-get install --no-install-recommends %s", strings.Join(missing, " "))
	}
	return nil
}
