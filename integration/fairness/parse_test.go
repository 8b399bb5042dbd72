package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseFocus(t *testing.T) {
	const head = "File: vpngw\nType: cpu\nDuration: 6s, Total samples = 2.50s (41%)\nActive filters:\n   focus=^vpngw/fairness\\.\n"
	for text, want := range map[string]float64{
		head + "Showing nodes accounting for 60ms, 2.40% of 2500ms total\n      flat  flat%\n": 0.024,
		head + "Showing nodes accounting for 0, 0% of 2.50s total\n":                           0,
		"Focus expression matched no samples\n" + head:                                         0,
	} {
		if got, err := parseFocus(text); err != nil || !near(got, want) {
			t.Errorf("%v, %v, want %v, from\n%s", got, err, want, text)
		}
	}
	for _, text := range []string{"", head, "Showing nodes accounting for x\n", "Showing nodes accounting for 1s, many of 2s total\n"} {
		if _, err := parseFocus(text); err == nil {
			t.Errorf("no error from %q", text)
		}
	}
}

func TestParseFlags(t *testing.T) {
	o, err := parseFlags([]string{"-only", "even, flood", "-rates", "100,400", "-cc", "bbr", "-contestants", "wireguard-go", "-seconds", "5", "-o", "x.json"})
	if err != nil || len(o.only) != 2 || o.only[1].name != "flood" || !slices.Equal(o.rates, []uint64{100e6, 400e6}) ||
		!slices.Equal(o.congestion, []string{"bbr"}) || len(o.contestants) != 1 || o.contestants[0].name() != wireguardName || o.seconds.Seconds() != 5 {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := parseFlags(nil); err != nil || len(o.only) != len(scenarios()) || len(o.contestants) != len(contestants()) || len(o.rates) != 3 || len(o.congestion) != 2 {
		t.Errorf("without flags: %+v, %v", o, err)
	}
	for args, want := range map[string]string{
		"-only evil": "there are even", "-contestants ipsec": "there are vpngw", "-rates fast": "no number", "-rates 0": "no number",
		"-seconds 3": "at least 4", "even": "unexpected argument",
	} {
		if _, err := parseFlags(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestScenariosTake(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios() {
		if seen[s.name] {
			t.Errorf("two scenarios %s", s.name)
		}
		seen[s.name] = true
		for _, c := range s.only {
			if i := slices.IndexFunc(contestants(), func(x contestant) bool { return x.name() == c }); i < 0 {
				t.Errorf("%s is for %s, which does not exist", s.name, c)
			}
		}
		if s.at(0) != s.unlimited || s.at(100e6) == s.unlimited {
			t.Errorf("%s: without limit %t, at 100 Mbit/s %t", s.name, s.at(0), s.at(100e6))
		}
	}
	for _, name := range slices.Concat(plotted, []string{"even"}) {
		if !seen[name] {
			t.Errorf("%s is drawn and does not exist", name)
		}
	}
}

func TestRateText(t *testing.T) {
	for rate, want := range map[uint64]string{0: "no limit", 100e6: "100 Mbit/s", 1e9: "1 Gbit/s", 1_500_000_000: "1500 Mbit/s", 2_500_000: "2.5 Mbit/s"} {
		if got := rateText(rate); got != want {
			t.Errorf("%d: %s, want %s", rate, got, want)
		}
	}
}
