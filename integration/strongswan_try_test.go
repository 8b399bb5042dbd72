package integration
import "testing"
func TestTry(t *testing.T) {
	p := newSwanPair(t, swanOptions{keys: true})
	checkPing(t, p.A.Host, p.B.Host4)
	out, err := p.b.swanctl(t.Context(), "--list-sas", "--raw")
	t.Log(out, err)
	t.Log(p.vpngw("status", "--socket", p.a.Socket(), "--json"))
	t.Log(p.b.log())
	t.Log(p.B.Gateway.Run(t.Context(), "ip", "rule"))
	t.Log(p.B.Gateway.Run(t.Context(), "ip", "route", "show", "table", "220"))
	t.Log(p.B.Gateway.Run(t.Context(), "ip", "-6", "route", "show", "table", "220"))
}
