package ike

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkAway is a second of a machine with a thousand wanted peers none of which answers.
func BenchmarkAway(b *testing.B) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := New(Config{Rand: rand.NewChaCha8([32]byte{1}), SPI: func() (uint32, error) { return 0x100, nil }})
	for i := range 1000 {
		p, _ := pairConfig()
		p.ID, p.RemoteID = PeerID(i), mustID(fmt.Sprintf("peer-%d.test", i))
		p.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 4500)
		m.Step(now, AddPeer{p})
		m.Step(now, Connect{ID: p.ID})
	}
	until := now.Add(time.Minute) // in which the attempts spread
	sent := 0
	run := func() {
		for ; now.Before(until); now = m.Deadline() {
			for _, a := range m.Step(now, Tick{}) {
				if _, ok := a.(Send); ok {
					sent++
				}
			}
		}
	}
	run()
	sent = 0
	for b.Loop() {
		until = until.Add(time.Second)
		run()
	}
	b.ReportMetric(float64(sent)/float64(b.N), "messages/op")
}
