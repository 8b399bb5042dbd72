package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// terminate has strongSwan delete an SA, and waits until it has.
func (p *swanPair) terminate(what, name string) {
	p.t.Helper()
	out, err := p.b.swanctl(p.t.Context(), "--terminate", what, name)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, out)
	}
}

// terminateLater has strongSwan begin to delete an SA.
func (p *swanPair) terminateLater(what, name string) {
	p.t.Helper()
	out, err := p.b.swanctl(p.t.Context(), "--terminate", what, name, "--timeout", "-1")
	if err != nil {
		p.t.Fatalf("%v\n%s", err, out)
	}
}

// TestStrongSwanDelete has strongSwan delete the child or the IKE SA. vpngw builds another child on the IKE SA that is left, and
// another IKE SA if it knows its peer's address; if not, it says what happened and is there when strongSwan comes back.
func TestStrongSwanDelete(t *testing.T) {
	t.Parallel()
	for _, ike := range []bool{false, true} {
		for _, waits := range []bool{false, true} {
			t.Run(choose(ike, "IKE SA", "child")+", "+choose(waits, "strongSwan", "vpngw")+" initiated", func(t *testing.T) {
				t.Parallel()
				p := newSwanPair(t, swanOptions{waits: waits})
				before := p.settled()
				if ike {
					p.terminate("--ike", swanConnection)
				} else {
					p.terminate("--child", swanChild)
				}
				if ike && waits {
					p.waitDown("DELETE of " + p.B.Outside4.String())
					must(t, p.b.initiate(t.Context()))
				}
				p.waitChild(before.Children[0].SPIIn)
				after := p.settled()
				if err := newIKE(before, after); (err == nil) != ike {
					t.Errorf("IKE SA %+v, before %+v", after.IKE, before.IKE)
				}
				p.carries()
			})
		}
	}
}

// waitDown waits until vpngw says that the tunnel is down, and why.
func (p *swanPair) waitDown(why string) {
	p.t.Helper()
	must(p.t, p.a.WaitStatus(p.t.Context(), upTimeout, func(s daemon.Status) error {
		if tunnel := s.Tunnels[0]; tunnel.Up() || !strings.Contains(tunnel.Reason, why) {
			return fmt.Errorf("vpngw is %s: %q, expected %q", tunnel.State, tunnel.Reason, why)
		}
		return nil
	}))
}

// TestStrongSwanHearsTheEnd ends vpngw cleanly: strongSwan must have no SA left, whoever initiated.
func TestStrongSwanHearsTheEnd(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		t.Run(choose(waits, "strongSwan", "vpngw")+" initiated", func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{waits: waits})
			p.settled()
			if code := p.a.Stop(stopGrace); code != 0 {
				t.Errorf("vpngw ended with exit code %d", code)
			}
			p.waitNoSAs(3 * time.Second)
			p.waitLog("received DELETE for IKE_SA")
		})
	}
}

// waitNoSAs waits until strongSwan has no SA.
func (p *swanPair) waitNoSAs(timeout time.Duration) {
	p.t.Helper()
	must(p.t, lab.Poll(p.t.Context(), timeout, func() error {
		theirs, err := p.sas()
		if err == nil && len(theirs) > 0 {
			err = fmt.Errorf("strongSwan still has %+v", theirs)
		}
		return err
	}))
}

// TestStrongSwanReauthenticates lets strongSwan reauthenticate, which is a new IKE SA from IKE_SA_INIT on: before it deletes the old
// one, when TCP must not stand still, or after. What is on its way to it on the old SA is lost, since it keeps no part of that.
func TestStrongSwanReauthenticates(t *testing.T) {
	t.Parallel()
	for _, makeBefore := range []bool{false, true} {
		for _, waits := range []bool{false, true} {
			t.Run(choose(makeBefore, "make before break", "break before make")+", "+choose(waits, "strongSwan", "vpngw")+" initiated", func(t *testing.T) {
				t.Parallel()
				p := newSwanPair(t, swanOptions{waits: waits, edit: func(_ *daemon.Config, b *swanConfig) {
					b.connection = []string{"reauth_time = 3s", "rand_time = 0s", "over_time = 5s"}
					b.charon = []string{"make_before_break = " + choose(makeBefore, "yes", "no")}
				}})
				first := p.tunnel()
				var load *swanLoad
				if makeBefore {
					load = p.startLoad(5)
				}
				must(t, lab.Poll(t.Context(), settleTimeout, func() error {
					s := p.tunnel()
					if err := newIKE(first, s); err != nil || s.Up() {
						return err
					}
					return fmt.Errorf("vpngw is %s: %s", s.State, s.Reason)
				}))
				_, err := flows(t.Context(), p.A.Host, p.B.Host4, flowAgain)
				must(t, err)
				if load != nil {
					load.wait()
					load.checkDrops("unknown_spi")
				}
			})
		}
	}
}

// waitMessages waits until vpngw has sent so many IKE messages.
func (p *swanPair) waitMessages(n uint64) {
	p.t.Helper()
	must(p.t, lab.Poll(p.t.Context(), upTimeout, func() error {
		if got := p.tunnel().MessagesOut; got < n {
			return fmt.Errorf("vpngw has sent %d IKE messages, expected %d", got, n)
		}
		return nil
	}))
}
