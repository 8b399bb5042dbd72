package tunnel

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"vpngw/tunnel/doctor"
)

// machine is what a caretaker looks after, in place of the kernel: the length of a TUN
// device's ring and whether it forwards.
type machine struct {
	txqueuelen int
	forwards   bool
	applied    []string
	broken     error
}

func (m *machine) caretaker(log *bytes.Buffer, fix bool) *caretaker {
	return &caretaker{
		log: slog.New(slog.NewTextHandler(log, nil)), fix: fix, said: map[string]doctor.Finding{},
		subject: func(context.Context) (doctor.Subject, error) { return doctor.Subject{Interface: "vpn0"}, nil },
		look: func(_ context.Context, s doctor.Subject) *doctor.Facts {
			s.Local = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
			return &doctor.Facts{Subject: s, Forwarding4: m.forwards, Interfaces: []doctor.Interface{
				{Name: "vpn0", Roles: []doctor.Role{doctor.TUN}, TxQueueLen: m.txqueuelen, ForwardsIPv4: true}}}
		},
		apply: func(c doctor.Change) error {
			if m.broken != nil {
				return m.broken
			}
			m.applied = append(m.applied, c.Command())
			if c.Key == "txqueuelen" {
				m.txqueuelen = map[string]int{"128": 128, "500": 500}[c.To]
			}
			return nil
		},
		current: func(doctor.Change) (string, error) {
			return map[int]string{128: "128", 500: "500", 1000: "1000"}[m.txqueuelen], nil
		},
	}
}

func count(log *bytes.Buffer, text string) int { return strings.Count(log.String(), text) }

func TestCaretakerSaysWhatIsNew(t *testing.T) {
	var log bytes.Buffer
	m := &machine{txqueuelen: 500, forwards: true}
	c := m.caretaker(&log, false)
	c.care(t.Context())
	c.care(t.Context())
	if n := count(&log, "txqueuelen is 500"); n != 1 {
		t.Errorf("said %d times:\n%s", n, &log)
	}
	m.forwards = false
	c.care(t.Context())
	if count(&log, "txqueuelen is 500") != 1 || count(&log, "IPv4 forwarding is off") != 1 {
		t.Errorf("only what is new should be said:\n%s", &log)
	}
	m.txqueuelen = 128
	c.care(t.Context())
	m.txqueuelen = 500
	c.care(t.Context())
	if count(&log, "well again") != 1 || count(&log, `msg="txqueuelen is 500"`) != 2 {
		t.Errorf("what comes back is new:\n%s", &log)
	}
	c.restore()
	if m.applied != nil {
		t.Errorf("it was only to warn: %v", m.applied)
	}
}

func TestCaretakerMendsAndTakesBack(t *testing.T) {
	const mend, undo = "ip link set dev vpn0 txqueuelen 128", "ip link set dev vpn0 txqueuelen 500"
	t.Run("all", func(t *testing.T) {
		var log bytes.Buffer
		m := &machine{txqueuelen: 500} // and it does not forward, which is not safe to mend
		c := m.caretaker(&log, true)
		c.care(t.Context())
		c.care(t.Context())
		if !slices.Equal(m.applied, []string{mend}) {
			t.Fatalf("%v", m.applied)
		}
		m.txqueuelen = 500 // another program
		c.care(t.Context())
		c.restore()
		if !slices.Equal(m.applied, []string{mend, mend, undo}) || m.txqueuelen != 500 {
			t.Errorf("%v", m.applied)
		}
	})
	t.Run("changed since", func(t *testing.T) {
		var log bytes.Buffer
		m := &machine{txqueuelen: 500, forwards: true}
		c := m.caretaker(&log, true)
		c.care(t.Context())
		m.txqueuelen = 1000
		c.restore()
		if !slices.Equal(m.applied, []string{mend}) || count(&log, "not taken back") != 1 {
			t.Errorf("%v\n%s", m.applied, &log)
		}
	})
	t.Run("not allowed", func(t *testing.T) {
		var log bytes.Buffer
		m := &machine{txqueuelen: 500, forwards: true, broken: errors.New("not permitted")}
		c := m.caretaker(&log, true)
		c.care(t.Context())
		c.restore()
		if count(&log, "could not be mended") != 1 {
			t.Errorf("%s", &log)
		}
	})
}
