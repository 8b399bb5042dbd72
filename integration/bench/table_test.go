package main

import (
	"strings"
	"testing"

	"vpngw/integration/lab"
)

func testResult() *result {
	r := &result{
		Format:   resultFormat,
		Machine:  machine{CPU: "Test CPU", Cores: 2, Kernel: "6.18", Arch: "amd64", Go: "go1.26", Iperf: "iperf 3.12", Load: "0.10"},
		Settings: settings{Rounds: 2, Seconds: 4, UDPMbit: 10, CPUSource: lab.CPUGroup},
		Contestants: []contestantInfo{
			{plainName, "no tunnel"}, {"wireguard-go", "v1"}, {subjectName, "abc"},
		},
		Samples: []sample{
			{"default", "tcp1", 0, 0, plainName, map[string]float64{keyRate: 30, keyCPUGbit: 0.05}},
			{"default", "tcp1", 0, 1, "wireguard-go", map[string]float64{keyRate: 3, keyCPUGbit: 0.65, keyGateGbitA: 0.3}},
			{"default", "tcp1", 0, 2, subjectName, map[string]float64{keyRate: 6, keyCPUGbit: 0.25, keyGateGbitA: 0.1}},
			{"default", "tcp1", 1, 0, "wireguard-go", map[string]float64{keyRate: 4, keyCPUGbit: 0.60, keyGateGbitA: 0.3}},
			{"default", "tcp1", 1, 1, subjectName, map[string]float64{keyRate: 6, keyCPUGbit: 0.30, keyGateGbitA: 0.1}},
		},
		Failures: []failure{{"default", "tcp1", 1, plainName, "the cable fell out"}},
	}
	r.Summary = summarise(r.Samples, allWires(), allCases())
	return r
}

const wantTable = `### Default wire (veth: superpackets cross whole, checksums never computed)

| case | figure | plain | wireguard-go | vpngw | vpngw ÷ plain | vpngw ÷ wireguard-go |
| --- | --- | --: | --: | --: | --: | --: |
| TCP ×1 | Gbit/s | 30.00 | 3.50 (3.00–4.00) | 6.00 (6.00–6.00) | 0.20 | 1.75 (1.50–2.00) |
|  | CPU-s per Gbit, whole path | 0.050 | 0.625 (0.600–0.650) | 0.275 (0.250–0.300) | 5.00 | 0.44 (0.38–0.50) |
|  | … added to plain | – | 0.600 | 0.200 | – | 0.33 |

- plain: no tunnel
- wireguard-go: v1
- vpngw: abc
- Medians (minimum–maximum); rounds: 2, interleaved, 4 s a measurement; ratios are computed in each round.
- Test CPU, 2 cores, Linux 6.18 amd64, go1.26, iperf 3.12, load average before the run 0.10
- Not pinned; CPU counted by cgroup; 64-byte UDP offered at 19531 packets/s.
- FAILED: plain, tcp1 on the default wire, round 2: the cable fell out
`

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := writeTables(&b, testResult(), allWires()[:1], allCases(), false); err != nil {
		t.Fatal(err)
	}
	if b.String() != wantTable {
		t.Errorf("table is\n%s\nwant\n%s", b.String(), wantTable)
	}
}

func TestTableExtras(t *testing.T) {
	var b strings.Builder
	if err := writeTables(&b, testResult(), allWires()[:1], allCases(), true); err != nil {
		t.Fatal(err)
	}
	const row = "|  | CPU-s per Gbit, process of gateway A | – | 0.300 (0.300–0.300) | 0.100 (0.100–0.100) | – | 0.33 (0.33–0.33) |\n"
	if !strings.Contains(b.String(), row) {
		t.Errorf("no row %q in\n%s", row, b.String())
	}
}

// Without the subject there is nothing to compare, so no column of ratios.
func TestTableWithoutSubject(t *testing.T) {
	r := testResult()
	r.Contestants = r.Contestants[:2]
	var b strings.Builder
	if err := writeTables(&b, r, allWires()[:1], allCases(), false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "÷") {
		t.Errorf("ratios without a subject:\n%s", b.String())
	}
}
