package integration

import (
	"errors"
	"strings"
	"testing"

	"vpngw/integration/lab"
)

// TestRekeyCommand asks running gateways; that the keys become new is for the tests of rekeying.
func TestRekeyCommand(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{})
	rekey := func(args ...string) (out string, failure *lab.ExitError) {
		t.Helper()
		args = append([]string{program, "rekey", "--socket", p.a.Socket()}, args...)
		out, err := p.A.Gateway.Run(t.Context(), args...)
		if err != nil && !errors.As(err, &failure) {
			t.Fatal(err)
		}
		return out, failure
	}
	for what, args := range map[string][]string{"child SA": {"to-b"}, "IKE SA": {"--ike", "to-b"}} {
		if out, failure := rekey(args...); failure != nil || out != "to-b: rekey of the "+what+" has begun\n" {
			t.Errorf("%s: %q, %v", what, out, failure)
		}
		if log := p.a.Process.Stderr(); !strings.Contains(log, "rekey is asked for") {
			t.Errorf("%s: nothing is asked for", what)
		}
	}
	checkPing(t, p.A.Host, p.B.Host4)
	if out, failure := rekey("to-c"); failure == nil || failure.Code != 1 || out != "" ||
		!strings.Contains(failure.Stderr, `there is no tunnel "to-c"`) || !strings.Contains(failure.Stderr, "hint: did you mean to-b?") {
		t.Errorf("a tunnel that there is not: %q, %v", out, failure)
	}
	p.b.Process.Kill()
	p.a.Stop(stopGrace)
	must(t, p.a.Start())
	waitRunning(t, p.a)
	if _, failure := rekey("to-b"); failure == nil || failure.Code != 1 || !strings.Contains(failure.Stderr, "tunnel to-b is not up but connecting") {
		t.Errorf("a tunnel that is not up: %v", failure)
	}
}
