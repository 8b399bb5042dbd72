package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
)

// brokenContestant fails in the way it is told.
type brokenContestant struct {
	name  string
	start func(*lab.Sites) (*join, error)
	build error
}

func (b brokenContestant) Name() string { return b.name }

func (b brokenContestant) Build(context.Context, builder) (string, error) { return "v0", b.build }

func (b brokenContestant) Start(_ context.Context, s *lab.Sites, _ wireKind) (*join, error) {
	return b.start(s)
}

// One contestant that works and two that do not: the first is measured, and the
// others are named with their reasons.
func TestSmoke(t *testing.T) {
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	if missing := lab.Missing("ip", "iperf3"); len(missing) > 0 {
		t.Skipf("not installed: %v", missing)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	only, err := choose("tcp1,default")
	if err != nil {
		t.Fatal(err)
	}
	unbuilt := brokenContestant{name: "unbuilt", build: context.DeadlineExceeded}
	dying := brokenContestant{name: "dying", start: func(s *lab.Sites) (*join, error) {
		p, err := s.A.Gateway.Start(lab.Spec{Args: []string{"sh", "-c", "echo no tunnel today >&2; exit 7"}})
		return &join{A: p, B: p}, err
	}}
	var progress strings.Builder
	b := &bench{
		contestants: []contestant{unbuilt, plain{}, dying}, cases: only.cases, wires: only.wires,
		rounds: 1, progress: &progress, result: &result{},
		meters: &meters{cpu: &lab.CPUMeter{}, source: lab.CPUMachine, seconds: 1, udpMbit: 10},
	}
	if err := b.Run(ctx, builder{}); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	if len(b.result.Samples) != 1 || b.result.Samples[0].Contestant != plainName {
		t.Fatalf("samples %+v, want one of plain\n%s", b.result.Samples, progress.String())
	}
	v := b.result.Samples[0].Values
	if v[keyRate] <= 0 || v[keyCPUGbit] <= 0 {
		t.Errorf("figures %v, want a rate and its cost", v)
	}
	if len(b.result.Failures) != 2 {
		t.Fatalf("failures %+v, want two", b.result.Failures)
	}
	for i, want := range []string{"unbuilt could not run: building it", "no tunnel today"} {
		if got := b.result.Failures[i].String(); !strings.Contains(got, want) {
			t.Errorf("failure %q does not say %q", got, want)
		}
	}
}
