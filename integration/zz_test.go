package integration
import ("testing";"net/netip";"time";"vpngw/integration/lab";"vpngw/integration/lab/relay";"vpngw/integration/lab/daemon")
func TestZZ(t *testing.T) {
	var wire *relay.Relay
	p := newPair(t, pairOptions{Options: lab.Options{Router: true}, noWait: true,
		peers: func(p *pair) (a, b string) { return p.A.Next4.String(), p.B.Next4.String() },
		before: func(p *pair) {
			must(t, p.Router.Do(func() (err error) {
				wire, err = relay.Listen(netip.AddrPortFrom(p.A.Next4, 4500), netip.AddrPortFrom(p.B.Next4, 4500), relay.Options{
					Seed: 1, 
					PeerA: netip.AddrPortFrom(p.A.Outside4, 4500), PeerB: netip.AddrPortFrom(p.B.Outside4, 4500)})
				return err
			}))
			t.Cleanup(wire.Close)
		}})
	time.Sleep(2*time.Second)
	t.Log(wire.Counts())
	t.Log(p.Router.Run(t.Context(), "ss","-uanp"))
	for _, g := range []*daemon.Gateway{p.a,p.b} {
	t.Log(p.A.Gateway.Run(t.Context(), program,"status","--socket",g.Socket(),"--json"))
	}
	t.Log(p.A.Gateway.Run(t.Context(), "ss","-uanp"))
}
