package lab

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// waitListening returns when the process's namespace has a TCP listener on the port.
func (p *Process) waitListening(ctx context.Context, port int) error {
	return Poll(ctx, 5*time.Second, func() error {
		if !p.Running() {
			return Fatal(fmt.Errorf("%s ended with exit code %d: %s %s", p.name, p.ExitCode(), p.Stdout(), p.Stderr()))
		}
		for _, table := range []string{"net/tcp", "net/tcp6"} {
			if text, err := p.proc(table); err == nil && listens(text, port) {
				return nil
			}
		}
		return fmt.Errorf("%s does not listen on port %d", p.name, port)
	})
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
