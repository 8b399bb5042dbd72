package health

import (
	"bytes"
	"encoding/json"
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

// edgeOf makes an edge of calls with so many packets of 1000 bytes each.
func edgeOf(calls, packets uint64, sizes ...uint64) tunnel.EdgeStatus {
	return tunnel.EdgeStatus{Calls: calls, Bytes: 1000 * packets, Packets: packets, Sizes: append(sizes, make([]uint64, 8-len(sizes))...)}
}

func TestCrossed(t *testing.T) {
	const longest = "an-interface-15"
	before := &tunnel.Status{Uptime: 10,
		Edges: tunnel.EdgesStatus{TUNWrite: edgeOf(10, 10, 10), MergeEnds: map[string]uint64{"push": 4}},
		Interfaces: []tunnel.InterfaceStatus{
			{Name: "wan0", EdgesStatus: tunnel.EdgesStatus{MergeEnds: map[string]uint64{"push": 4}}},
			{Name: tunnel.OtherInterface, EdgesStatus: tunnel.EdgesStatus{TUNWrite: edgeOf(10, 10, 10)}},
		}}
	now := &tunnel.Status{Uptime: 11.5,
		Edges: tunnel.EdgesStatus{
			TUNWrite:  edgeOf(1012, 1110, 11, 1000, 0, 0, 0, 2),
			MergeEnds: map[string]uint64{"push": 5, "options": 0, "batch": 1_000_000, "id": 1_000_001},
		},
		Interfaces: []tunnel.InterfaceStatus{
			{Name: longest, Roles: []string{"LAN"}, EdgesStatus: tunnel.EdgesStatus{TUNWrite: edgeOf(1001, 1100, 0, 999, 0, 0, 0, 2)}},
			{Name: "wan0", Roles: []string{"uplink"}, EdgesStatus: tunnel.EdgesStatus{MergeEnds: map[string]uint64{"push": 5, "id": 1_000_001}}},
			{Name: tunnel.OtherInterface, EdgesStatus: tunnel.EdgesStatus{TUNWrite: edgeOf(11, 11, 11)}},
		}}
	c := CrossedBetween(before, now)
	if c.Seconds != 1.5 || c.Edges.TUNWrite.Calls != 1002 || c.Interfaces[2].TUNWrite.Packets != 1 || c.Edges.TUNWrite.Sizes[0] != 1 {
		t.Errorf("%+v", c)
	}
	var out bytes.Buffer
	if err := PrintCrossed(&out, &c); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"TUN write           1002     1100    1098      1   1000      0      0      0      2      0      0\n",
		"  an-interface-15   1001     1100    1099      0    999      0      0      0      2      0      0\n",
		"  other                1        1    1000      1      0      0      0      0      0      0      0\n",
		"glued no further for: id 1000001, batch 1000000, push 1\n",
		"  received by wan0: id 1000001, push 1\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "  wan0  ") {
		t.Errorf("a row of nothing:\n%s", &out)
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(line)) - 1; n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	text, err := json.Marshal(&c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"seconds":1.5`, `{"name":"wan0","roles":["uplink"],"tun_read":{"calls":0`, `"merge_ends":{"id":1000001,"push":1}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

// TestCrossedByAnother: a gateway that began anew has crossed nothing less than nothing.
func TestCrossedByAnother(t *testing.T) {
	before := &tunnel.Status{Uptime: 1000, Edges: tunnel.EdgesStatus{TUNRead: edgeOf(100, 100, 100), MergeEnds: map[string]uint64{"push": 4}}}
	c := CrossedBetween(before, &tunnel.Status{Uptime: 1, Edges: tunnel.EdgesStatus{TUNRead: edgeOf(1, 5, 0, 0, 1), MergeEnds: map[string]uint64{"push": 1}}})
	if e := c.Edges; c.Seconds != 0 || e.TUNRead.Calls != 0 || e.TUNRead.Sizes[0] != 0 || e.TUNRead.Sizes[2] != 1 || e.MergeEnds["push"] != 0 {
		t.Errorf("%+v", c)
	}
}
