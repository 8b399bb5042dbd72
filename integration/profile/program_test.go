package main

import (
	"bytes"
	"context"
	"debug/elf"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/command"
)

// program builds what is watched.
func program(t *testing.T) string {
	t.Helper()
	path, _, err := command.Program(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRulesAreOfTheProgram: each rule still names functions of the real program. What was renamed would be forgotten
// silently, and its cost be in a wrong category.
func TestRulesAreOfTheProgram(t *testing.T) {
	file, err := elf.Open(program(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	section := file.Section(".gopclntab") // has the names of functions, also of those that were inlined everywhere
	if section == nil {
		t.Fatal("the program has no table of functions")
	}
	table, err := section.Data()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if !bytes.Contains(table, append([]byte{0}, r.prefix...)) {
			t.Errorf("the program has no function that begins with %q", r.prefix)
		}
	}
}

// TestAccountOfTheProgram watches real gateways for a moment: the account is complete, agrees with the kernel, and finds
// work in every part that packets pass.
func TestAccountOfTheProgram(t *testing.T) {
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	if missing := lab.Missing("ip", "iperf3"); len(missing) > 0 {
		t.Skipf("not installed: %v", missing)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, err := newArena(ctx, wires()[0], program(t), false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	}()
	both, err := a.run(ctx, kinds()[2], &lab.CPUMeter{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range both.Gateways {
		t.Logf("gateway %s: %d samples, %.1f Gbit/s, %.1f %% unsampled", g.Name, g.Account.Samples, g.gigabits(), 100*g.unsampled()/g.total())
		for _, c := range []category{tunRead, headers, checksum, aead, udpSend, udpReceive, coalesce, tunWrite} {
			if g.Account.Costs[c] == 0 {
				t.Errorf("gateway %s: no %s in %d samples", g.Name, c, g.Account.Samples)
			}
		}
		if share := g.Account.share(rest); share > mostRest {
			t.Errorf("gateway %s: %.0f %% are of no known part", g.Name, 100*share)
		}
		if !g.explained() {
			t.Errorf("gateway %s: the samples stand for %.2f s, the kernel counted %.2f s with %d switches", g.Name, g.Account.Seconds, g.CPU, g.Switches)
		}
		c := g.Counters
		if c.Lane.Turns == 0 || c.Edges.TUNRead.Calls == 0 || len(c.Edges.TUNRead.Sizes) == 0 || len(c.Lane.Wakes) == 0 || len(c.Lane.TrainEnds) == 0 {
			t.Errorf("gateway %s counts %+v", g.Name, c)
		}
	}
	if p := both.Path; p.CPU <= 0 || p.A <= 0 || p.B <= 0 {
		t.Errorf("the path took %+v", p)
	}
}
