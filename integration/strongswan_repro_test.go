package integration

import (
	"fmt"
	"testing"
	"time"

	"vpngw/integration/lab/daemon"
)

func TestRepro(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{edit: func(a *daemon.Config, b *swanConfig) {
				a.Tunnels[0].Lines = []string{"rekey: {time: 5s}"}
			}})
			capture, err := p.A.Gateway.Capture("wan")
			must(t, err)
			capL, err := p.A.Gateway.Capture("lan")
			must(t, err)
			capB, err := p.B.Gateway.Capture("lan")
			must(t, err)
			traffic := p.startTraffic()
			time.Sleep(30 * time.Second)
			traffic.end()
			_ = capL
			_ = capB
			if t.Failed() {
				for i, c := range []interface{ Path() string }{capture, capL, capB} {
					out, err := p.A.Gateway.Run(t.Context(), "cp", c.Path(), fmt.Sprintf("/tmp/repro-%d-%s.pcap", i, t.Name()[len(t.Name())-1:]))
					t.Log(out, err)
				}
				t.Log(p.b.log())
			}
		})
	}
}
