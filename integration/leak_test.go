package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestNothingInClearWhileDown keeps a gateway running without its peer, and sends it traffic for the peer's networks: the peer
// never there, gone cleanly, or killed. In this lab the way out leads to the peer's networks in clear too, so a leak would show.
func TestNothingInClearWhileDown(t *testing.T) {
	for name, prepare := range map[string]func(p *pair){
		"never there": func(p *pair) {
			must(p.t, p.a.Start())
			waitRunning(p.t, p.a)
		},
		"gone": func(p *pair) {
			must(p.t, p.a.Start())
			must(p.t, p.b.Start())
			p.waitUp()
			endCleanly(p, p.b)
		},
		"killed": func(p *pair) {
			must(p.t, p.a.Start())
			must(p.t, p.b.Start())
			p.waitUp()
			p.b.Process.Kill()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, pairOptions{stopped: true, leaky: true})
			prepare(p)
			p.checkSilent()
			t.Logf("drops: %s", daemon.FormatDrops(status(t, p.a).AllDrops()))
		})
	}
}

// checkSilent sends traffic for B's networks from host A, and lets none of it leave gateway A in clear or reach B.
func (p *pair) checkSilent() {
	t := p.t
	t.Helper()
	capture, err := p.A.Gateway.Capture(lab.WAN)
	must(t, err)
	for _, to := range []lab.Ping{{To: p.B.Host4}, {To: p.B.Host6}, {To: p.B.Gateway4}} {
		to.From, to.Count, to.Interval, to.Wait = p.A.Host, 50, 10*time.Millisecond, 100*time.Millisecond
		if r := ping(t, to); r.Received > 0 {
			t.Errorf("a ping came back: %+v", r)
		}
	}
	for _, to := range []netip.Addr{p.B.Host4, p.B.Gateway4} {
		sendFrom(t, p.A.Host, p.A.Host4, to, 50)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, _, err := lab.Stream(ctx, p.A.Host, p.B.Host, p.B.Host4, strings.NewReader("in clear"), io.Discard); err == nil {
		t.Error("a TCP connection went through")
	}
	w := tally(t, capture, append(innerHeaders(p), []byte("in clear"), []byte("not allowed")))
	t.Logf("%d frames of the tunnel, %d of the link", w.tunnel, w.link)
	if len(w.clear) > 0 {
		t.Errorf("%d frames should not be there, the first:\n%s", len(w.clear), w.clear[0])
	}
}

// TestLeavesTheMachineAsItWas compares routes, rules, addresses and devices from before a gateway's start and after its clean
// end. A gateway that was killed cannot clean up: until its next run has, what was the tunnel's must not leave in clear.
func TestLeavesTheMachineAsItWas(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed before=%t", killed), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, pairOptions{stopped: true, leaky: true})
			before := network(t, p.A.Gateway)
			must(t, p.b.Start())
			must(t, p.a.Start())
			p.waitUp()
			if killed {
				p.a.Process.Kill()
				p.checkSilent()
				must(t, p.a.Start())
				p.waitUp()
			}
			_, err := flows(t.Context(), p.A.Host, p.B.Host4, flowAgain)
			must(t, err)
			during := network(t, p.A.Gateway)
			endCleanly(p, p.a)
			// The kernel removes a device in its own time.
			must(t, lab.Poll(t.Context(), 3*time.Second, func() error {
				if _, left := p.A.Gateway.LinkIndex(tunnelDevice); left {
					return errDeviceLeft
				}
				return nil
			}))
			after := network(t, p.A.Gateway)
			for what, text := range before {
				if after[what] != text {
					t.Errorf("%s\nbefore: %s\nafter:  %s", what, text, after[what])
				}
			}
			if during["route"] == before["route"] {
				t.Error("no route came and went: this test sees nothing")
			}
		})
	}
}

var errDeviceLeft = errors.New("the TUN device is still there")

// network is the configuration of a namespace as ip shows it.
func network(t *testing.T, n *lab.Namespace) map[string]string {
	t.Helper()
	all := map[string]string{}
	for what, args := range map[string][]string{
		"route":   {"ip", "-j", "-4", "route", "show", "table", "all"},
		"route 6": {"ip", "-j", "-6", "route", "show", "table", "all"},
		"address": {"ip", "-j", "address"},
		"rule":    {"ip", "-j", "-4", "rule"},
		"rule 6":  {"ip", "-j", "-6", "rule"},
	} {
		out, err := n.Run(t.Context(), args...)
		must(t, err)
		var indented bytes.Buffer
		must(t, json.Indent(&indented, []byte(out), "", " "))
		all[what] = indented.String()
	}
	return all
}

// TestFailedStartKeepsClosed: a gateway that cannot set up all of its routes ends with an
// error, and what it was to protect stays unreachable rather than open.
func TestFailedStartKeepsClosed(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{leaky: true, stopped: true, before: func(p *pair) {
		must(t, p.A.Gateway.Sysctl("net.ipv6.conf.all.disable_ipv6", "1"))
		must(t, p.A.Gateway.Sysctl("net.ipv6.conf.default.disable_ipv6", "1"))
	}})
	must(t, p.a.Start())
	select {
	case <-p.a.Process.Done():
	case <-time.After(upTimeout):
		t.Fatal("a gateway that cannot add its IPv6 routes goes on")
	}
	if code := p.a.Process.ExitCode(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	t.Log(p.a.Process.Tail(3))
	if !strings.Contains(p.a.Process.Tail(10), p.B.Inside6.String()) {
		t.Error("the error does not name the route")
	}
	routes, err := p.A.Gateway.Run(t.Context(), "ip", "route", "show", p.B.Inside4.String())
	must(t, err)
	if !strings.Contains(routes, "unreachable") {
		t.Errorf("the way to %s is %q, want unreachable", p.B.Inside4, routes)
	}
}
