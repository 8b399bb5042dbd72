package configs

import (
	"maps"
	"os"
	"regexp"
	"testing"
	"time"
)

// TestUplinks shows that an uplink by name takes from gateway.uplink what it does not say, key by key, and that fairness
// and dscp arrive.
func TestUplinks(t *testing.T) {
	directory(t)
	text := with(t,
		"  uplink: {rate: 950Mbit}", `  uplink: {rate: 950Mbit, overhead: 38}
  uplinks:
    eth1: {rate: 100Mbit}
    wwan0: {rate: 0, overhead: 0}
    eth0.7: {}
    ppp0:`,
		"{memory: 32MiB}", "{queue: fifo, ecn: false, memory: 16MiB, tunnel_memory: 1MiB, target: 20ms}",
		"  dpd: {interval: 10s}", "  dscp: copy",
		"    weight: 1", "    dscp: clear")
	if problems := problemsOf(t, text); problems != nil {
		t.Fatal(problems)
	}
	f, err := Load("vpngw.yaml")
	if err != nil {
		t.Fatal(err)
	}
	g := &f.Gateway
	all := Uplink{Rate: 950e6, Overhead: 38}
	want := map[string]Uplink{"eth1": {Rate: 100e6, Overhead: 38}, "wwan0": {}, "eth0.7": all, "ppp0": all}
	if g.Uplink != all || !maps.Equal(g.Uplinks, want) {
		t.Errorf("uplink %+v, uplinks %+v", g.Uplink, g.Uplinks)
	}
	if want := (Fairness{FIFO: true, Memory: 16 << 20, TunnelMemory: 1 << 20, Target: 20 * time.Millisecond}); g.Fairness != want {
		t.Errorf("fairness %+v", g.Fairness)
	}
	if f.Tunnels[0].CopyDSCP || !f.Tunnels[1].CopyDSCP {
		t.Errorf("dscp is copied in %s: %v, in %s: %v", f.Tunnels[0].Name, f.Tunnels[0].CopyDSCP, f.Tunnels[1].Name, f.Tunnels[1].CopyDSCP)
	}
}

// TestFairnessIsDocumented wants each key of gateway.fairness in docs/fairness.md, with its default.
func TestFairnessIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/fairness.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `(\\w+)` \\| ").FindAllStringSubmatch(string(doc), -1) {
		rows[m[1]] = m[2]
	}
	for _, row := range fairnessKeys {
		if rows[row.name] != row.defaults[0] {
			t.Errorf("%s is %q in docs/fairness.md, the default is %s", row.name, rows[row.name], row.defaults[0])
		}
	}
	if len(rows) != len(fairnessKeys) {
		t.Errorf("docs/fairness.md has %d keys, the table %d", len(rows), len(fairnessKeys))
	}
}
