package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// rekeysInARow is how often an SA is rekeyed without a pause.
const rekeysInARow = 10

// TestStrongSwanIKERekey rekeys the IKE SA under iperf3 both ways, from each side, whoever initiated: with new SPIs and keys, the
// same child goes on, and no packet is lost.
func TestStrongSwanIKERekey(t *testing.T) {
	t.Parallel()
	for _, here := range []bool{false, true} {
		for _, waits := range []bool{false, true} {
			t.Run(choose(here, "vpngw", "strongSwan")+" rekeys, "+choose(waits, "strongSwan", "vpngw")+" initiated", func(t *testing.T) {
				t.Parallel()
				p := newSwanPair(t, swanOptions{waits: waits})
				first := p.settled()
				load := p.startLoad(4)
				last := first
				for range rekeysInARow {
					last = p.rekeyIKE(here)
				}
				load.end()
				if got, want := last.Children[0], first.Children[0]; got.SPIIn != want.SPIIn || got.SPIOut != want.SPIOut {
					t.Errorf("the child became another: %+v, before %+v", got, want)
				}
				// The keys are the new SA's: exchanges on it go on, from both sides.
				must(t, p.rekeyThere())
				p.waitChild(first.Children[0].SPIIn)
				p.settled()
				p.carries()
			})
		}
	}
}

// rekeyIKE rekeys the IKE SA and waits until both sides have a new one, which the one who asked initiated.
func (p *swanPair) rekeyIKE(here bool) tunnelSAs {
	p.t.Helper()
	before := p.tunnel()
	if here {
		p.rekeyHere(true)
	} else {
		p.rekeyIKEThere()
	}
	must(p.t, lab.Poll(p.t.Context(), settleTimeout, func() error { return newIKE(before, p.tunnel()) }))
	after := p.settled()
	if after.IKE.Initiator != here {
		p.t.Errorf("vpngw initiated the new IKE SA: %v", after.IKE.Initiator)
	}
	return after
}

// newIKE tells whether both SPIs of the IKE SA have changed.
func newIKE(before, after tunnelSAs) error {
	if after.IKE == nil || before.IKE == nil {
		return errors.New("no IKE SA")
	}
	if after.IKE.InitiatorSPI == before.IKE.InitiatorSPI || after.IKE.ResponderSPI == before.IKE.ResponderSPI {
		return fmt.Errorf("the IKE SA is still %s %s", before.IKE.InitiatorSPI, before.IKE.ResponderSPI)
	}
	return nil
}

// waitChild waits until vpngw sends on a child that is none of those.
func (p *swanPair) waitChild(not ...string) {
	p.t.Helper()
	must(p.t, lab.Poll(p.t.Context(), upTimeout, func() error {
		for _, c := range p.tunnel().Children {
			if c.Sending && !strings.Contains(strings.Join(not, " "), c.SPIIn) {
				return nil
			}
		}
		return fmt.Errorf("vpngw sends on no child but %v", not)
	}))
}

// TestStrongSwanIKERekeyByTime lets a short lifetime of strongSwan's rekey the IKE SA.
func TestStrongSwanIKERekeyByTime(t *testing.T) {
	t.Parallel()
	p := newSwanPair(t, swanOptions{edit: func(_ *daemon.Config, b *swanConfig) {
		b.connection = []string{"rekey_time = 3s", "rand_time = 0s", "over_time = 20s"}
	}})
	first := p.tunnel()
	load := p.startLoad(4)
	must(t, lab.Poll(t.Context(), settleTimeout, func() error { return newIKE(first, p.tunnel()) }))
	load.end()
	last := p.settled()
	if last.Children[0].SPIIn != first.Children[0].SPIIn {
		t.Error("the child did not outlive the IKE SA that it was made on")
	}
}

// TestStrongSwanIKERekeyGroup has the one who rekeys guess a group that the other one does not take.
func TestStrongSwanIKERekeyGroup(t *testing.T) {
	t.Parallel()
	for _, here := range []bool{false, true} {
		t.Run(choose(here, "vpngw", "strongSwan")+" guesses wrong", func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{edit: func(a *daemon.Config, b *swanConfig) {
				b.ike = "aes256gcm16-prfsha384-ecp384"
				if !here {
					b.ike = "aes256gcm16-prfsha384-x25519-ecp384"
					a.Tunnels[0].Lines = []string{"crypto: {groups: [p384]}"}
				}
			}})
			p.settled()
			after := p.rekeyIKE(here)
			if after.IKE.Suite != "aes256gcm16-prfsha384-ecp384" {
				t.Errorf("agreed on %s", after.IKE.Suite)
			}
			p.carries()
		})
	}
}
