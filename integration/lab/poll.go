package lab

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pollInterval is short beside everything that is waited for, and long enough not to weigh on the machine.
const pollInterval = 20 * time.Millisecond

// fatalError ends a [Poll] at once.
type fatalError struct{ error }

func (f fatalError) Unwrap() error { return f.error }

// Fatal marks an error that waiting cannot cure; [Poll] returns it at once.
func Fatal(err error) error { return fatalError{err} }

// Poll calls f until it returns nil, at most for the given time. Otherwise it returns f's last error.
func Poll(ctx context.Context, timeout time.Duration, f func() error) error {
	start := time.Now()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := f()
		var fatal fatalError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &fatal):
			return fatal.error
		case time.Since(start) > timeout:
			return fmt.Errorf("after %v: %w", timeout, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, while: %w", ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// listens finds a listener on the port in the text of /proc/net/tcp or tcp6: local address in the second column, state
// 0A in the fourth.
func listens(table string, port int) bool {
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 3 && strings.HasSuffix(f[1], suffix) && f[3] == "0A" {
			return true
		}
	}
	return false
}

// Bound tells whether some UDP socket of the namespace the process runs in is bound to the port.
func (p *Process) Bound(port int) bool {
	for _, table := range []string{"net/udp", "net/udp6"} {
		text, err := p.proc(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			if _, hex, ok := strings.Cut(f[1], ":"); ok {
				if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
					return true
				}
			}
		}
	}
	return false
}
