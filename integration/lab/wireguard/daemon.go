// Package wireguard runs WireGuard daemons in user space inside a lab, for comparison.
package wireguard

import (
	"cmp"
	"context"
	"os"
	"strconv"
	"time"

	"vpngw/integration/lab"
)

const (
	// Overhead is what WireGuard's usual MTU leaves for the largest outer headers.
	Overhead = 80
	usualMTU = 1500 - Overhead
	// startTimeout is how long a daemon may take until it can be configured.
	startTimeout = 15 * time.Second
	// stopTimeout is how long it may take to end by itself.
	stopTimeout = 3 * time.Second
)

// Daemon is one that runs.
type Daemon struct {
	Process *lab.Process
	device  string
}

// Start runs the daemon in a namespace, configures it, and leads what its peers are allowed to send into its device. The
// device's name must be unique on the machine, whatever the namespace.
func Start(ctx context.Context, n *lab.Namespace, binary, device string, c Config) (*Daemon, error) {
	p, err := n.Start(lab.Spec{Args: []string{binary, "-f", device}, Env: []string{"WG_PROCESS_FOREGROUND=1"}})
	if err != nil {
		return nil, err
	}
	d := &Daemon{p, device}
	if err := d.setUp(ctx, n, c); err != nil {
		d.Stop()
		return nil, err
	}
	return d, nil
}

func (d *Daemon) setUp(ctx context.Context, n *lab.Namespace, c Config) error {
	if err := configure(ctx, d.Process, d.device, c); err != nil {
		return err
	}
	commands := [][]string{{"ip", "link", "set", d.device, "mtu", strconv.Itoa(cmp.Or(c.MTU, usualMTU)), "up"}}
	for _, p := range c.Peers {
		for _, network := range p.AllowedIPs {
			commands = append(commands, []string{"ip", "route", "add", network.String(), "dev", d.device})
		}
	}
	for _, args := range commands {
		if _, err := n.Run(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the daemon, and removes its socket in case it could not.
func (d *Daemon) Stop() {
	d.Process.Stop(stopTimeout)
	_ = os.Remove(socket(d.device)) // it is gone where all went well
}
