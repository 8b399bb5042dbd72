package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestRekeyAsksForOneThatIsUp looks at what becomes of the question; the keys are IKE's.
func TestRekeyAsksForOneThatIsUp(t *testing.T) {
	var log strings.Builder
	g, err := New(valid(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	g.setPeer(g.tunnels[0], g.tunnels[0].peer)
	var none *NoTunnelError
	if err := g.rekey("bb", false); !errors.As(err, &none) || none.Name != "bb" || len(none.Have) != 1 || none.Have[0] != "b" {
		t.Errorf("a tunnel that there is not: %v", err)
	}
	var notUp *NotUpError
	if err := g.rekey("b", true); !errors.As(err, &notUp) || notUp.Name != "b" || notUp.State != "connecting" {
		t.Errorf("a tunnel that is not up: %v", err)
	}
	if strings.Contains(log.String(), "rekey is asked for") {
		t.Error("what was refused is logged as asked for")
	}
	handshake(t, g)
	if err := g.rekey("b", true); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "ike_sa=true") {
		t.Errorf("not asked for:\n%s", log.String())
	}
}

// TestAskingTheStopped: a question to a gateway that has ended, or does not look, is answered.
func TestAskingTheStopped(t *testing.T) {
	g, err := New(valid(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := g.Rekey(ctx, "b", false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that does not look: %v", err)
	}
	close(g.stopped)
	if err := g.Rekey(t.Context(), "b", false); !errors.Is(err, ErrStopped) {
		t.Errorf("one that has ended: %v", err)
	}
	if _, err := g.Status(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("status of one that has ended: %v", err)
	}
}
