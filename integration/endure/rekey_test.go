package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestRekeyPlan(t *testing.T) {
	for _, p := range []rekeyPlan{{200, 20}, {10, 0}, {0, 5}, {3, 4}, {1, 1}} {
		ike, longest, row := 0, 0, 0
		for i := range p.child + p.ike {
			if row++; p.isIKE(i) {
				ike, row = ike+1, 0
			}
			longest = max(longest, row)
		}
		if ike != p.ike {
			t.Errorf("%+v: %d are of the IKE SA", p, ike)
		}
		if p.ike > 0 && longest > (p.child+p.ike)/p.ike+1 {
			t.Errorf("%+v: %d of children in a row", p, longest)
		}
	}
	if got := (rekeyPlan{200, 20}).interval(44 * time.Second); got != 180*time.Millisecond {
		t.Errorf("220 rekeys in nine tenths of 44 s come every %v, want 180 ms", got)
	}
	if got := (rekeyPlan{1000, 0}).interval(time.Second); got != fastest {
		t.Errorf("too many rekeys come every %v, want %v", got, fastest)
	}
}

// sas is a tunnel with these SAs.
func sas(t *testing.T, ike string, children ...string) tunnelSAs {
	t.Helper()
	text := `{"ike": {"initiator_spi": "` + ike + `", "responder_spi": "r"}, "children": [{"spi_in": "` + strings.Join(children, `"}, {"spi_in": "`) + `"}]}`
	var s tunnelSAs
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRekeysAreCounted(t *testing.T) {
	var a, b seenSAs
	a.note(sas(t, "i1", "old", "c1")) // one replaced before, still there
	b.note(sas(t, "i1", "d1"))
	if got := a.both(&b); got != (rekeys{}) {
		t.Errorf("%+v at the first look", got)
	}
	a.note(sas(t, "i1", "c1", "c2"))
	if got := a.both(&b); got != (rekeys{}) {
		t.Errorf("%+v while only one has rekeyed", got)
	}
	b.note(sas(t, "i1", "d1", "d2"))
	a.note(sas(t, "i2", "c2", "c3"))
	b.note(sas(t, "i2", "d2", "d3"))
	b.note(tunnelSAs{}) // down for a moment
	if got, want := a.both(&b), (rekeys{child: 2, ike: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestParseState(t *testing.T) {
	const text = `{"version": "v", "drops": {"runt": 2}, "tunnels": [{"name": "endure", "state": "up", "drops": {"replayed": 1, "runt": 1},
		"spi_in": "0000beef", "ike": {"initiator_spi": "01", "responder_spi": "02"}, "children": [{"spi_in": "0000beef"}, {"spi_in": "0000dead"}]}]}`
	s, err := parseState([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if sa := s.SAs[0]; sa.SPIIn != "0000beef" || sa.IKE.ResponderSPI != "02" || len(sa.Children) != 2 || sa.Children[1].SPIIn != "0000dead" {
		t.Errorf("SAs %+v", sa)
	}
	if !s.Tunnels[0].Up() || s.AllDrops()["runt"] != 3 {
		t.Errorf("status %+v", s.Status)
	}
	for _, bad := range []string{"", "{}", `{"tunnels": [{}, {}]}`} {
		if _, err := parseState([]byte(bad)); err == nil {
			t.Errorf("%q is taken for the status of one tunnel", bad)
		}
	}
}

// missed names the bars that are.
func missed(bars []bar) (names []string) {
	for _, b := range bars {
		if !b.OK {
			names = append(names, b.What)
		}
	}
	return names
}

func TestRekeyBars(t *testing.T) {
	good := func() []rekeyRound {
		return []rekeyRound{
			{Pair: 0, Gbit: 10, Probe: probeResult{Sent: 10_000, Lost: 3}, Congested: 8},
			{Pair: 0, Rekeying: true, Gbit: 9.8, Child: 60, IKE: 5, Probe: probeResult{Sent: 10_000, Lost: 2}, Congested: 9},
			{Pair: 1, Rekeying: true, Gbit: 5, Child: 40, IKE: 5, Probe: probeResult{Sent: 10_000}},
			{Pair: 1, Gbit: 5.1, Probe: probeResult{Sent: 10_000}},
		}
	}
	s := rekeySettings{Child: 100, IKE: 10}
	if got := missed(rekeyBars(s, good())); got != nil {
		t.Errorf("missed: %q", got)
	}
	for name, spoil := range map[string]func(*rekeyRound){
		"child rekeys":     func(r *rekeyRound) { r.Child-- },
		"IKE rekeys":       func(r *rekeyRound) { r.IKE-- },
		"asked for":        func(r *rekeyRound) { r.Failed++ },
		"packets dropped":  func(r *rekeyRound) { r.Others = map[string]uint64{"unknown_spi": 1} },
		"reordered":        func(r *rekeyRound) { r.Probe.Reordered++ },
		"twice":            func(r *rekeyRound) { r.Probe.Duplicates++ },
		"packets lost":     func(r *rekeyRound) { r.Congested = 1 }, // and 2 lost
		"throughput":       func(r *rekeyRound) { r.Gbit = 9.1 },    // 0.91 and 0.98: 0.945
		"probe: packets l": func(r *rekeyRound) { r.Probe.Lost, r.Congested = 60, 100 },
	} {
		rounds := good()
		spoil(&rounds[1])
		if got := missed(rekeyBars(s, rounds)); len(got) != 1 || !strings.Contains(got[0], name) {
			t.Errorf("%s: missed %q", name, got)
		}
	}
	if got := missed(rekeyBars(s, nil)); len(got) != 3 {
		t.Errorf("without a round: missed %q, want both counts and the throughput", got)
	}
}
