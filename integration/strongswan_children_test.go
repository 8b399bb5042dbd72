package integration

import (
	"os"
	"strings"
	"testing"

	"vpngw/integration/lab/daemon"
)

// rewrite changes strongSwan's connection before it is loaded.
func (p *swanPair) rewrite(old, new string) {
	p.t.Helper()
	path := p.b.path("swanctl.conf")
	text, err := os.ReadFile(path)
	must(p.t, err)
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		p.t.Fatalf("swanctl.conf has no %q:\n%s", old, text)
	}
	must(p.t, os.WriteFile(path, []byte(changed), 0o600))
}

// TestStrongSwanChildless allows strongSwan IKE SAs without a child (RFC 6023), which changes nothing, and has it insist on them,
// which vpngw does not do: each end must say what the other one refuses.
func TestStrongSwanChildless(t *testing.T) {
	t.Parallel()
	for _, force := range []bool{false, true} {
		for _, waits := range []bool{false, true} {
			t.Run(choose(force, "force", "allow")+", "+choose(waits, "strongSwan", "vpngw")+" initiates", func(t *testing.T) {
				t.Parallel()
				p := newSwanPair(t, swanOptions{waits: waits, stopped: force, edit: func(_ *daemon.Config, b *swanConfig) {
					b.connection = []string{"childless = " + choose(force, "force", "allow")}
				}})
				if !force {
					p.settled()
					p.carries()
					return
				}
				must(t, p.b.start(t.Context()))
				must(t, p.a.Start())
				waitBound(t, p.a)
				if waits {
					if err := p.b.initiate(t.Context()); err == nil {
						t.Error("strongSwan says that it has built the tunnel")
					}
					p.waitLog("peer does not support childless IKE_SA initiation")
				} else {
					p.waitDown("gw-b.example answered INVALID_SYNTAX")
					p.waitLog("peer did not initiate a childless IKE_SA")
				}
				p.checkNotUp()
			})
		}
	}
}

// TestStrongSwanSecondChild has strongSwan ask for a second child with other selectors on the same IKE SA. It must be refused with a
// reason at both ends: the tunnel sends on one child, and the networks of the first one must stay reachable.
func TestStrongSwanSecondChild(t *testing.T) {
	t.Parallel()
	p := newSwanPair(t, swanOptions{waits: true, stopped: true, edit: func(_ *daemon.Config, b *swanConfig) {
		b.localTS, b.remoteTS = prefixes("10.2.0.0/24"), prefixes("10.1.0.0/24")
	}})
	p.rewrite("      "+swanChild+" {", `      second {
        local_ts = fd00:2::/64
        remote_ts = fd00:1::/64
        esp_proposals = aes256gcm16-x25519
      }
      `+swanChild+" {")
	must(t, p.b.start(t.Context()))
	must(t, p.a.Start())
	waitBound(t, p.a)
	must(t, p.b.initiate(t.Context()))
	first := p.settled()
	if out, err := p.b.swanctl(t.Context(), "--initiate", "--child", "second"); err == nil {
		t.Errorf("strongSwan says that it has a second child:\n%s", out)
	}
	p.waitLog("received NO_ADDITIONAL_SAS notify")
	if last := p.settled(); last.Children[0].SPIIn != first.Children[0].SPIIn {
		t.Errorf("the child became another: %+v, before %+v", last.Children[0], first.Children[0])
	}
	p.reaches(p.A.Host, p.B.Host4, true)
	p.reaches(p.B.Host, p.A.Host4, true)
	p.reaches(p.B.Host, p.A.Host6, false)
}
