package health

import (
	"bytes"
	"strings"
	"testing"

	"vpngw/tunnel"
	"vpngw/tunnel/doctor"
)

func TestReport(t *testing.T) {
	finding := doctor.Finding{
		ID: "txqueuelen", Severity: doctor.Warning, Interface: "vpngw0", What: "txqueuelen is 500",
		Why:     strings.Repeat("because it is so ", 20),
		Command: "ip link set dev vpngw0 txqueuelen 128", Undo: "ip link set dev vpngw0 txqueuelen 500", Safe: true,
	}
	failed := Fix{Finding: finding, Failed: "not permitted"}
	for _, c := range []struct {
		report Report
		want   []string
	}{
		{Report{Healthy: true}, []string{"verdict: all is well\n"}},
		{Report{Findings: []doctor.Finding{finding}, Unseen: []string{"the moon: it is behind a cloud"}}, []string{
			"warning: vpngw0: txqueuelen is 500\n", "mend: ip link set dev vpngw0 txqueuelen 128 ", "--fix does it",
			"not seen\n  the moon", "verdict: it works, but not as well as it could: 1 warning\n"}},
		{Report{Fixed: []Fix{{Finding: finding}, failed}}, []string{
			"fixed: vpngw0: txqueuelen is 500\n  done: ip link", "  undo: ip link set dev vpngw0 txqueuelen 500", "not fixed: not permitted"}},
	} {
		var out bytes.Buffer
		if err := c.report.Print(&out); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in:\n%s", want, &out)
			}
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(line)) - 1; n > 100 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		errors, warnings, notes int
		want                    string
	}{
		{0, 0, 0, "all is well"},
		{0, 0, 2, "all is well: 2 notes"},
		{0, 1, 0, "it works, but not as well as it could: 1 warning"},
		{2, 1, 1, "packets are lost or damaged: 2 errors, 1 warning, 1 note"},
	} {
		if got := verdict(map[doctor.Severity]int{doctor.Error: c.errors, doctor.Warning: c.warnings, doctor.Note: c.notes}); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestPrintEdges(t *testing.T) {
	before := tunnel.EdgesStatus{TUNWrite: tunnel.EdgeStatus{Calls: 10, Bytes: 1000, Packets: 10, Sizes: make([]uint64, 8)}, MergeEnds: map[string]uint64{"push": 4}}
	now := tunnel.EdgesStatus{
		TUNWrite:  tunnel.EdgeStatus{Calls: 12, Bytes: 121_000, Packets: 110, Sizes: []uint64{0, 0, 0, 0, 0, 2, 0, 0}},
		MergeEnds: map[string]uint64{"push": 5, "options": 0, "batch": 1_000_000, "id": 1_000_001},
	}
	var out bytes.Buffer
	if err := PrintEdges(&out, &before, &now); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"TUN write          2      100   60000      0      0      0      0      0      2      0      0\n",
		"glued no further for: id 1000001, batch 1000000, push 1\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(line)) - 1; n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
