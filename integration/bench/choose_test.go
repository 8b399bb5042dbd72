package main

import (
	"slices"
	"strings"
	"testing"
)

func chosenNames(c choice) string {
	var names []string
	for _, x := range c.contestants {
		names = append(names, x.Name())
	}
	names = append(names, "|")
	for _, x := range c.cases {
		names = append(names, x.Name)
	}
	names = append(names, "|")
	for _, x := range c.wires {
		names = append(names, x.Name)
	}
	return strings.Join(names, " ")
}

func TestChoose(t *testing.T) {
	const (
		contestants = "plain wireguard-go tailscale vpngw"
		cases       = "tcp1 tcp4 reverse bidir flows32 udp1400 quic udp64 ping pingload"
		wires       = "default nic"
	)
	for _, c := range []struct{ only, want string }{
		{"", contestants + " | " + cases + " | " + wires},
		{"vpngw,plain", "plain vpngw | " + cases + " | " + wires},
		{"udp64, nic", contestants + " | udp64 | nic"},
		{"vpngw,vpngw-fifo,tcp1,default", "vpngw vpngw-fifo | tcp1 | default"},
		{"vlan,nic,quic", contestants + " | quic | nic vlan"},
		{"vpngw-nogro,tcp1,ipv6", "vpngw-nogro | tcp1 | ipv6"},
		{switchChoice(), "vpngw vpngw-notso vpngw-nouso vpngw-nochecksum vpngw-nosegment vpngw-nogro vpngw-nocoalesce vpngw-nopeersum vpngw-nooffload | tcp1 tcp4 udp1400 quic | default"},
		{"plain,tcp1,ping,default", "plain | tcp1 ping | default"},
	} {
		got, err := choose(c.only)
		if err != nil {
			t.Errorf("-only %q: %v", c.only, err)
			continue
		}
		if names := chosenNames(got); names != c.want {
			t.Errorf("-only %q chose %s, want %s", c.only, names, c.want)
		}
	}
}

// A misspelt name must not silently leave a contestant out.
func TestChooseUnknown(t *testing.T) {
	_, err := choose("plain,wiregaurd-go")
	if err == nil || !strings.Contains(err.Error(), `"wiregaurd-go"`) || !strings.Contains(err.Error(), "wireguard-go") {
		t.Errorf("error %v, want one that has the wrong name and the right ones", err)
	}
}

// -only has one list for three kinds of names.
func TestNamesAreUnique(t *testing.T) {
	names := allNames()
	slices.Sort(names)
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
		t.Errorf("a name stands twice in %v", names)
	}
}

func TestFlags(t *testing.T) {
	o, err := parseFlags(nil)
	if err != nil || o.rounds != 3 || o.seconds != 4 || o.pin {
		t.Errorf("defaults %+v, %v", o, err)
	}
	for _, args := range [][]string{
		{"-rounds", "0"}, {"-seconds", "0"}, {"-udp-mbit", "-1"}, {"-cpu", "guess"}, {"plain"}, {"-switches", "-only", "tcp1"},
	} {
		if _, err := parseFlags(args); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}
