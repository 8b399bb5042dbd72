package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vpngw/integration/lab"
)

// Gateway is a vpngw in a namespace, with its own directory for its tunnel file, key and control socket. One goroutine
// at a time may use it.
type Gateway struct {
	Namespace *lab.Namespace
	Binary    string // path of vpngw
	// Prefix is a command that is given the program and its arguments to run, such as one that changes its user; usually none.
	Prefix  []string
	Dir     string // lab directory/role
	Process *lab.Process
}

// New prepares a gateway inside the namespace.
func New(l *lab.Lab, n *lab.Namespace, binary string) (*Gateway, error) {
	dir := filepath.Join(l.Dir(), n.Role)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("gateway directory: %w", err)
	}
	return &Gateway{Namespace: n, Binary: binary, Dir: dir}, nil
}

// Names of the files in [Gateway.Dir].
const (
	fileName   = "tunnels.yaml"
	keyName    = "gw.key"
	socketName = "ctl"
)

// File is the path of the tunnel file.
func (g *Gateway) File() string { return filepath.Join(g.Dir, fileName) }

// KeyFile is the path of the private key.
func (g *Gateway) KeyFile() string { return filepath.Join(g.Dir, keyName) }

// Socket is the path of the control socket.
func (g *Gateway) Socket() string { return filepath.Join(g.Dir, socketName) }

// Genkey makes the gateway's private key with `vpngw genkey` and returns what `vpngw pubkey` prints for it.
func (g *Gateway) Genkey(ctx context.Context) (public string, err error) {
	if _, err := g.Namespace.Run(ctx, g.Binary, "genkey", g.KeyFile()); err != nil {
		return "", err
	}
	out, err := g.Namespace.Run(ctx, g.Binary, "pubkey", g.KeyFile())
	return strings.TrimSpace(out), err
}

// WriteSecret writes a file readable by its owner alone into the gateway's directory and returns its path.
func (g *Gateway) WriteSecret(name, text string) (string, error) {
	path := filepath.Join(g.Dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// Configure writes the tunnel file. The control socket is the gateway's own unless the configuration names one.
func (g *Gateway) Configure(c Config) error {
	if c.ControlSocket == "" {
		c.ControlSocket = g.Socket()
	}
	if err := os.WriteFile(g.File(), []byte(c.YAML()), 0o600); err != nil {
		return fmt.Errorf("tunnel file: %w", err)
	}
	return nil
}

// Check runs `vpngw check` on the tunnel file.
func (g *Gateway) Check(ctx context.Context) error {
	_, err := g.Namespace.Run(ctx, g.Binary, "check", g.File())
	return err
}

// Start starts `vpngw run` on the tunnel file.
func (g *Gateway) Start() error {
	p, err := g.Namespace.Start(lab.Spec{Args: append(slices.Clone(g.Prefix), g.Binary, "run", g.File())})
	if err != nil {
		return err
	}
	g.Process = p
	return nil
}

// Status asks the running gateway.
func (g *Gateway) Status(ctx context.Context) (Status, error) {
	out, err := g.Namespace.Run(ctx, g.Binary, "status", "--socket", g.Socket(), "--json")
	if err != nil {
		return Status{}, err
	}
	return ParseStatus([]byte(out))
}

// statusInterval between questions, each of which is a program started.
const statusInterval = 100 * time.Millisecond

// WaitUp returns when every tunnel of the gateway is up. It fails at once if the gateway ends.
func (g *Gateway) WaitUp(ctx context.Context, timeout time.Duration) error {
	return g.WaitStatus(ctx, timeout, func(s Status) error {
		if len(s.Tunnels) == 0 {
			return errors.New("no tunnels")
		}
		for _, t := range s.Tunnels {
			if !t.Up() {
				return fmt.Errorf("tunnel %s is %s: %s", t.Name, t.State, t.Reason)
			}
		}
		return nil
	})
}

// WaitStatus asks until the status satisfies ok. It fails at once if the gateway ends.
func (g *Gateway) WaitStatus(ctx context.Context, timeout time.Duration, ok func(Status) error) error {
	var asked time.Time
	err := errors.New("not asked yet")
	return lab.Poll(ctx, timeout, func() error {
		if !g.Process.Running() {
			return lab.Fatal(fmt.Errorf("gateway %s ended with exit code %d:\n%s", g.Namespace.Role, g.Process.ExitCode(), g.Process.Tail(20)))
		}
		if time.Since(asked) < statusInterval {
			return err
		}
		asked = time.Now()
		var s Status
		if s, err = g.Status(ctx); err == nil {
			err = ok(s)
		}
		if err != nil {
			err = fmt.Errorf("gateway %s: %w", g.Namespace.Role, err)
		}
		return err
	})
}

// Stop ends the gateway with SIGTERM and returns its exit code; -1 if it had to be killed.
func (g *Gateway) Stop(grace time.Duration) int { return g.Process.Stop(grace) }
