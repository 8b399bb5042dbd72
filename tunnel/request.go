package tunnel

import (
	"context"
	"errors"
	"fmt"

	"vpngw/crypto/ike"
)

// ErrStopped is the answer to a question to a gateway that has ended.
var ErrStopped = errors.New("the gateway has stopped")

// ask has f run on the goroutine that all of a gateway belongs to, and waits for its end.
// Any goroutine may call it while the gateway runs.
func (g *Gateway) ask(ctx context.Context, f func()) error {
	ctx, cancel := context.WithTimeout(ctx, answerDeadline)
	defer cancel()
	done := make(chan struct{})
	select {
	case g.requests <- func() { f(); close(done) }:
		<-done
		return nil
	case <-g.stopped:
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("the gateway does not answer: %w", ctx.Err())
	}
}

// NoTunnelError says that a gateway has no tunnel of a name.
type NoTunnelError struct {
	Name string
	Have []string // the tunnels that there are, in the order of the file
}

// Error names the tunnel that there is not.
func (e *NoTunnelError) Error() string { return fmt.Sprintf("there is no tunnel %q", e.Name) }

// NotUpError says that something needs a tunnel that is up.
type NotUpError struct {
	Name  string
	State string // connecting, down and so on
	Why   string // the reason as status gives it; "" where there is none
}

// Error names the tunnel, its state and the reason for it.
func (e *NotUpError) Error() string {
	text := fmt.Sprintf("tunnel %s is not up but %s", e.Name, e.State)
	if e.Why != "" {
		text += ": " + e.Why
	}
	return text
}

// Rekey asks for new keys of a tunnel now: of the child SA in use, or with ikeSA of the
// IKE SA under it. It does not wait for them. The error is a *[NoTunnelError], a
// *[NotUpError], [ErrStopped], or that the gateway does not answer. Any goroutine may
// call it.
func (g *Gateway) Rekey(ctx context.Context, name string, ikeSA bool) error {
	var err error
	if asked := g.ask(ctx, func() { err = g.rekey(name, ikeSA) }); asked != nil {
		return asked
	}
	return err
}

func (g *Gateway) rekey(name string, ikeSA bool) error {
	t, err := g.find(name)
	if err != nil {
		return err
	}
	if s := g.machine.Status(t.id); !isUp(s.State) {
		return &NotUpError{Name: name, State: s.State.String(), Why: s.Reason.String()}
	}
	g.log.Info("rekey is asked for", "tunnel", name, "ike_sa", ikeSA)
	g.step(ike.Rekey{ID: t.id, IKE: ikeSA})
	return nil
}

// find returns the tunnel of that name, or a *[NoTunnelError].
func (g *Gateway) find(name string) (*tunnel, error) {
	var have []string
	for _, t := range g.tunnels {
		if t.cfg.Name == name {
			return t, nil
		}
		have = append(have, t.cfg.Name)
	}
	return nil, &NoTunnelError{Name: name, Have: have}
}
