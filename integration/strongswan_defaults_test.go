package integration

import (
	"fmt"
	"testing"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// defaultESP has strongSwan propose for ESP what it does unless told otherwise: ciphers with AEAD and without, and no group.
const defaultESP = "default"

// TestStrongSwanDefaults brings the tunnel up with what a strongSwan does unless it is told otherwise, line by line and all at
// once: MOBIKE, its own proposals, no UDP encapsulation of its own accord, and each policy about further SAs of the same peer.
func TestStrongSwanDefaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lines []string // of the connection; a later line of the same name counts
		esp   string
	}{
		{"mobike", []string{"mobike = yes"}, ""},
		{"proposals", []string{"proposals = default"}, defaultESP},
		{"encap", []string{"encap = no"}, ""},
		{"unique = no", []string{"unique = no"}, ""},
		{"unique = never", []string{"unique = never"}, ""},
		{"unique = keep", []string{"unique = keep"}, ""},
		{"unique = replace", []string{"unique = replace"}, ""},
		{"all", []string{"mobike = yes", "proposals = default", "encap = no", "fragmentation = yes", "unique = no"}, defaultESP},
	} {
		for _, waits := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, %s initiates", c.name, choose(waits, "strongSwan", "vpngw")), func(t *testing.T) {
				t.Parallel()
				p := newSwanPair(t, swanOptions{waits: waits, edit: func(a *daemon.Config, b *swanConfig) {
					b.connection = c.lines
					if c.esp != "" {
						b.esp = c.esp
						a.Tunnels[0].Lines = []string{"crypto: {pfs: false}"} // which strongSwan's defaults do not have
					}
				}})
				s := p.settled()
				t.Logf("%s, child %s", s.IKE.Suite, s.Children[0].Suite)
				checkPing(t, p.A.Host, p.B.Host4)
				checkPing(t, p.B.Host, p.A.Host6)
				// Each side's request, so that what was agreed on is used beyond the handshake.
				must(t, p.rekeyThere())
				p.waitChild(s.Children[0].SPIIn)
				checkPing(t, p.B.Host, p.A.Host4)
			})
		}
	}
}

// TestStrongSwanWithoutPFS has a vpngw that insists on PFS against strongSwan's default proposals, which have no group. The tunnel
// comes up, as the first child has the group of IKE_SA_INIT. Its rekey is refused, by either side, and what takes over is a new IKE SA with
// a key exchange of its own.
func TestStrongSwanWithoutPFS(t *testing.T) {
	t.Parallel()
	p := newSwanPair(t, swanOptions{edit: func(a *daemon.Config, b *swanConfig) {
		b.esp = defaultESP
		a.Tunnels[0].Lines = []string{"rekey: {packets: 6000}"}
	}})
	first := p.settled()
	must(t, p.rekeyThere())
	p.waitLog("received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built")
	load := p.startLoad(6)
	must(t, lab.Poll(t.Context(), settleTimeout, func() error { return newIKE(first, p.tunnel()) }))
	// Of what strongSwan has in its queues when an IKE SA is deleted it loses some, and as responder of a new one it sends on that
	// together with the answer from which vpngw takes the keys.
	load.wait()
	load.checkDrops("unknown_spi")
	p.settled()
}
