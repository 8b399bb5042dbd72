package ike

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestRefusedNamesTheTunnel: a refusal is about the tunnel of the identity claimed, or
// of the address that the initiator comes from, or nobody's.
func TestRefusedNamesTheTunnel(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(a, b *Peer)
		ids    string
		says   string
	}{
		{"wrong PSK", func(a, b *Peer) { b.Auth.PSK = []byte("another battery staple, 128 bits") }, "[7]", "does not verify"},
		{"wrong PSK, from an unknown address", func(a, b *Peer) {
			b.Auth.PSK, b.Remote = []byte("another battery staple, 128 bits"), netip.AddrPort{}
		}, "[7]", "does not verify"},
		{"wrong identity", func(a, b *Peer) { a.LocalID = mustID("gw-x.example") }, "[7]", "gw-x.example"},
		{"wrong identity asked for", func(a, b *Peer) { a.RemoteID = mustID("gw-z.example") }, "[7]", "gw-z.example"},
		{"wrong identity, from an unknown address", func(a, b *Peer) {
			a.LocalID, b.Remote = mustID("gw-x.example"), netip.AddrPort{}
		}, "[]", "gw-x.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			a, b := pair(w, c.change)
			a.connect()
			w.run(400 * time.Millisecond)
			if len(b.refused) != 1 || fmt.Sprint(b.refused[0].IDs) != c.ids || b.refused[0].Remote != a.addr ||
				b.refused[0].Reason.Code != ReasonAuth || !strings.Contains(b.refused[0].Reason.Detail, c.says) {
				t.Errorf("b was told %+v, want it once, about %s with %q", b.refused, c.ids, c.says)
			}
			if b.ready() {
				t.Error("b is up")
			}
		})
	}
}
