package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vpngw/integration/lab/crowd"
	"vpngw/integration/lab/daemon"
)

const (
	upTimeout = 90 * time.Second
	stopGrace = 20 * time.Second
)

// hub is the gateway under test, with branches that run all the time and a crowd that comes and goes.
type hub struct {
	*crowd.Hub
	control *control
	crowd   *crowd.Crowd // nil: nobody is there
}

func newHub(ctx context.Context, s settings) (*hub, error) {
	made, err := crowd.NewHub(ctx, s.program, s.Busy, s.Many-s.Busy)
	if err != nil {
		return nil, err
	}
	h := &hub{Hub: made, control: newControl(made.Gateway.Socket())}
	for _, site := range append(made.Star.Branches, made.Star.Hub) {
		// A slow start threshold remembered from the last run would tie the rounds together.
		err = errors.Join(err, site.Host.Sysctl("net.ipv4.tcp_no_metrics_save", "1"))
	}
	for _, g := range made.Gateways {
		err = errors.Join(err, g.Start())
	}
	if err != nil {
		return nil, errors.Join(err, made.Close())
	}
	return h, nil
}

// start starts the hub with tunnels for so many members of the crowd. They come if gather says so.
func (h *hub) start(c crowd.Configuration, gather bool) (err error) {
	if err := h.Configure(c); err != nil {
		return err
	}
	if err := h.Gateway.Start(); err != nil {
		return err
	}
	if gather && c.Members > 0 {
		h.crowd, err = h.Gather(c.Members)
	}
	return err
}

// waitUp returns when so many tunnels are up at the hub, and how long that took from the call.
func (h *hub) waitUp(ctx context.Context, tunnels int, timeout time.Duration) (time.Duration, error) {
	start := time.Now()
	for {
		s, err := h.control.status(ctx)
		up := 0
		for _, t := range s.Tunnels {
			if t.Up() {
				up++
			}
		}
		switch {
		case err == nil && up == tunnels:
			return time.Since(start), nil
		case !h.Gateway.Process.Running():
			return 0, fmt.Errorf("the hub ended with exit code %d", h.Gateway.Process.ExitCode())
		case time.Since(start) > timeout:
			return 0, errors.Join(err, fmt.Errorf("%d of %d tunnels are up after %v%s", up, tunnels, timeout, downWhy(s)))
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// downWhy is why the first tunnel that is not up is not.
func downWhy(s daemon.Status) string {
	for _, t := range s.Tunnels {
		if !t.Up() {
			return fmt.Sprintf("; %s is %s: %s", t.Name, t.State, t.Reason)
		}
	}
	return ""
}

// terminate ends the hub's gateway with SIGTERM, if it runs, and returns how long that took.
func (h *hub) terminate() (time.Duration, error) {
	if !h.Gateway.Process.Running() {
		return 0, nil
	}
	start := time.Now()
	code := h.Gateway.Stop(stopGrace)
	took := time.Since(start)
	h.control.forget()
	if code != 0 {
		return took, fmt.Errorf("the hub ended with exit code %d after %v", code, took)
	}
	return took, nil
}

// end ends the hub's gateway, and then the crowd.
func (h *hub) end() error {
	_, err := h.terminate()
	if h.crowd != nil {
		err = errors.Join(err, h.crowd.Stop())
		h.crowd = nil
	}
	return err
}

func (h *hub) lastWords() string {
	if h.Gateway.Process == nil {
		return "nothing"
	}
	return strings.TrimSpace(h.Gateway.Process.Tail(10))
}
