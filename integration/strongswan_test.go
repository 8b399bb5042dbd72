package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// carries sends pings and TCP both ways, over IPv4 and IPv6, and expects both ends to have counted them.
func (p *swanPair) carries() {
	p.t.Helper()
	for _, to := range []netip.Addr{p.B.Host4, p.B.Host6} {
		checkPing(p.t, p.A.Host, to)
	}
	checkPing(p.t, p.B.Host, p.A.Host4)
	const size = 1 << 20
	checkStream(p.t, p.A.Host, p.B.Host, p.B.Host4, size)
	checkStream(p.t, p.B.Host, p.A.Host, p.A.Host6, size)
	ours := p.tunnel()
	if !ours.Flowing || ours.BytesIn < size || ours.BytesOut < size || ours.Drops["inner_source"]+ours.Drops["unauthentic"] > 0 {
		p.t.Errorf("vpngw status does not show what came through: %+v", ours)
	}
	theirs, err := p.sas()
	must(p.t, err)
	for _, sa := range theirs {
		for _, c := range sa.children {
			if c.packetsIn == "0" || c.packetsOut == "0" {
				p.t.Errorf("strongSwan has counted no packets: %+v", c)
			}
		}
	}
}

// TestStrongSwan builds a tunnel with each way to authenticate, from each side, over each family outside. IPv4 and IPv6 share
// one child SA.
func TestStrongSwan(t *testing.T) {
	t.Parallel()
	for _, keys := range []bool{false, true} {
		for _, waits := range []bool{false, true} {
			for _, outside6 := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s initiates, over %s", choose(keys, "keys", "psk"), choose(waits, "strongSwan", "vpngw"), choose(outside6, "IPv6", "IPv4")), func(t *testing.T) {
					t.Parallel()
					p := newSwanPair(t, swanOptions{keys: keys, waits: waits, outside6: outside6})
					s := p.settled()
					p.carries()
					// Offered by vpngw, as is its default, but strongSwan's user-space ESP has none.
					if s.IKE.Initiator == waits || s.Children[0].Suite != "aes256gcm16" {
						t.Errorf("vpngw initiated: %v; child %s", s.IKE.Initiator, s.Children[0].Suite)
					}
					if !waits && !strings.Contains(p.b.log(), "/EXT_SEQ/NO_EXT_SEQ") {
						t.Error("vpngw did not offer ESN beside its absence")
					}
					if len(s.Children[0].Local) != 2 || len(s.Children[0].Remote) != 2 {
						t.Errorf("one child is not for both families: %+v", s.Children[0])
					}
				})
			}
		}
	}
}

func choose(which bool, yes, no string) string {
	if which {
		return yes
	}
	return no
}

// TestStrongSwanSuites agrees on every cipher with every group, and every PRF with each of them.
func TestStrongSwanSuites(t *testing.T) {
	t.Parallel()
	ciphers := []string{"aes256gcm16", "aes128gcm16", "chacha20poly1305"}
	groups := []struct{ theirs, ours string }{{"x25519", "x25519"}, {"ecp256", "p256"}, {"ecp384", "p384"}}
	prfs := []string{"prfsha256", "prfsha384", "prfsha512"}
	for i, cipher := range ciphers {
		for j, group := range groups {
			ike := cipher + "-" + prfs[(i+j)%3] + "-" + group.theirs
			waits := (i+j)%2 == 1
			t.Run(ike+", "+choose(waits, "strongSwan", "vpngw")+" initiates", func(t *testing.T) {
				t.Parallel()
				p := newSwanPair(t, swanOptions{waits: waits, edit: func(a *daemon.Config, b *swanConfig) {
					b.ike, b.esp = ike, cipher+"-"+group.theirs
					if !waits {
						a.Tunnels[0].Lines = []string{"crypto: {groups: [" + group.ours + "]}"} // so that the first guess is right
					}
				}})
				s := p.settled()
				if s.IKE.Suite != ike || s.Children[0].Suite != cipher {
					t.Errorf("agreed on %s and %s", s.IKE.Suite, s.Children[0].Suite)
				}
				p.carries()
			})
		}
	}
}

// TestStrongSwanGroupGuess has the initiator guess a group that the responder does not take: INVALID_KE_PAYLOAD names another.
func TestStrongSwanGroupGuess(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		t.Run(choose(waits, "strongSwan", "vpngw")+" guesses wrong", func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{waits: waits, edit: func(a *daemon.Config, b *swanConfig) {
				b.ike = "aes256gcm16-prfsha384-ecp384"
				if waits {
					b.ike = "aes256gcm16-prfsha384-x25519-ecp384"
					a.Tunnels[0].Lines = []string{"crypto: {groups: [p384]}"}
				}
			}})
			s := p.settled()
			if s.IKE.Suite != "aes256gcm16-prfsha384-ecp384" {
				t.Errorf("agreed on %s", s.IKE.Suite)
			}
			p.waitLog(choose(waits, "parsed", "generating") + " IKE_SA_INIT response 0 [ N(INVAL_KE) ]")
			p.carries()
		})
	}
}

// TestStrongSwanNarrowing gives one end narrower selectors than the other. Both must use the narrower, whoever proposes, and vpngw
// must drop what is outside them.
func TestStrongSwanNarrowing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		waits       bool
		here, there string // strongSwan's remote_ts and local_ts
		want        string
	}{
		{"strongSwan narrows", false, "10.1.0.2/32", "10.2.0.0/24", "10.1.0.2/32 to 10.2.0.0/24"},
		{"strongSwan proposes less", true, "10.1.0.2/32", "10.2.0.0/24", "10.1.0.2/32 to 10.2.0.0/24"},
		{"vpngw narrows", true, "10.1.0.0/16", "10.0.0.0/8", "10.1.0.0/24 to 10.2.0.0/24"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{waits: c.waits, edit: func(_ *daemon.Config, b *swanConfig) {
				b.remoteTS = []netip.Prefix{netip.MustParsePrefix(c.here)}
				b.localTS = []netip.Prefix{netip.MustParsePrefix(c.there)}
			}})
			s := p.settled()
			if got := sorted(s.Children[0].Local) + " to " + sorted(s.Children[0].Remote); got != c.want {
				t.Errorf("selectors %s, expected %s", got, c.want)
			}
			checkPing(t, p.A.Host, p.B.Host4)
			checkPing(t, p.B.Host, p.A.Host4)
			checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 1<<20)
			checkStream(t, p.B.Host, p.A.Host, p.A.Host4, 1<<20)
			before := p.tunnel().Drops["source_policy"]
			// All of IPv6 is outside the selectors, and where they name the host alone, so is its gateway.
			probes := []lab.Ping{{From: p.A.Host, To: p.B.Host6}}
			if strings.HasPrefix(c.want, "10.1.0.2/32") {
				probes = append(probes, lab.Ping{From: p.A.Gateway, To: p.B.Host4})
			}
			for _, outside := range probes {
				outside.Count, outside.Interval, outside.Wait = 3, 10*time.Millisecond, 100*time.Millisecond
				if r := ping(t, outside); r.Received > 0 {
					t.Errorf("%s reached %s: %v", outside.From.Role, outside.To, r)
				}
			}
			waitDrops(t, p.a, before+3*uint64(len(probes)), "source_policy")
		})
	}
}
