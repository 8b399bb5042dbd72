package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/crowd"
	"vpngw/integration/lab/load"
)

// passing is an address of the hub's that comes and goes, and that no tunnel uses.
var passing = netip.MustParsePrefix("198.18.0.1/32")

const (
	changes     = 8                       // of the network
	changeEvery = 1200 * time.Millisecond // longer than a gateway rests between two looks
	stormTime   = 15 * time.Second
)

// changeNetwork has the kernel tell the hub of changes, under the probe, and counts what following each of them costs.
func changeNetwork(ctx context.Context, m *measurement) error {
	seconds := int((changes*changeEvery)/time.Second) + 2
	calm, err := m.hub.load(ctx, flows{seconds: seconds})
	if err != nil {
		return err
	}
	var events []load.Event
	for i := range changes {
		events = append(events, load.Event{At: time.Duration(i+1) * changeEvery, Do: func() error {
			if i%2 == 0 {
				return m.hub.Gateway.Namespace.AddAddress(lab.LAN, passing)
			}
			return m.hub.Gateway.Namespace.DeleteAddress(lab.LAN, passing)
		}})
	}
	watching, stop := context.WithCancel(ctx)
	slowest := m.watchControl(watching)
	changed, err := m.hub.load(ctx, flows{seconds: seconds, events: events})
	stop()
	if err != nil {
		return err
	}
	m.report.figure("a change of the network", "%.0f ms of processor time; the control loop answers within %.0f ms; probe 99 %% %.2f ms, max %.1f ms (without: %.2f, %.1f)",
		1000*(changed.HubCPU-calm.HubCPU)*float64(seconds)/changes, milliseconds(<-slowest),
		milliseconds(changed.ProbeP99), milliseconds(changed.ProbeMax), milliseconds(calm.ProbeP99), milliseconds(calm.ProbeMax))
	return nil
}

// watchControl asks the hub's control loop something all the time until ctx ends, and then gives its slowest answer.
func (m *measurement) watchControl(ctx context.Context) <-chan time.Duration {
	slowest := make(chan time.Duration, 1)
	go func() {
		var worst time.Duration
		for pause(ctx, 20*time.Millisecond) == nil {
			if took, err := m.hub.control.answer(ctx); err == nil {
				worst = max(worst, took)
			}
		}
		slowest <- worst
	}()
	return slowest
}

// rekeyAll asks for new keys of all idle tunnels at once, under the probe.
func rekeyAll(ctx context.Context, m *measurement) error {
	for _, ike := range []bool{false, true} {
		before, err := m.hub.spis(ctx)
		if err != nil {
			return err
		}
		var took time.Duration
		storm := func() error {
			start := time.Now()
			for i := range m.Many - m.Busy {
				if err := m.hub.control.rekey(ctx, crowd.MemberTunnel(i), ike); err != nil {
					return err
				}
			}
			took, err = m.waitRekeyed(ctx, start, before, ike)
			return err
		}
		t, err := m.hub.load(ctx, flows{seconds: int(stormTime / time.Second), events: []load.Event{{At: time.Second, Do: storm}}})
		if err != nil {
			return err
		}
		what := "child SAs"
		if ike {
			what = "IKE SAs"
		}
		m.report.figure(fmt.Sprintf("new keys of %d %s at once", m.Many-m.Busy, what), "%.2f s, %.2f s of processor time; probe 99 %% %.2f ms, max %.1f ms, %d lost",
			took.Seconds(), t.HubCPU*stormTime.Seconds(), milliseconds(t.ProbeP99), milliseconds(t.ProbeMax), t.ProbeLost)
		m.say("%s rekeyed after %v", what, took.Round(time.Millisecond))
	}
	return nil
}

// waitRekeyed returns when all idle tunnels have other SPIs than before.
func (m *measurement) waitRekeyed(ctx context.Context, start time.Time, before spis, ike bool) (time.Duration, error) {
	for {
		now, err := m.hub.spis(ctx)
		if err != nil {
			return 0, err
		}
		left := 0
		for i := range m.Many - m.Busy {
			is, was := now[crowd.MemberTunnel(i)], before[crowd.MemberTunnel(i)]
			if !ike && is.Child == was.Child || ike && is.IKE == was.IKE {
				left++
			}
		}
		if left == 0 {
			return time.Since(start), nil
		}
		if time.Since(start) > upTimeout {
			return 0, fmt.Errorf("%d tunnels have no new keys after %v", left, upTimeout)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// killHub kills the hub and starts it at once. The peers must find out by themselves.
func killHub(ctx context.Context, m *measurement) error {
	m.hub.Gateway.Process.Kill()
	m.hub.control.forget()
	if err := m.hub.Gateway.Start(); err != nil {
		return err
	}
	took, err := m.hub.waitUp(ctx, m.Many, upTimeout)
	if err != nil {
		return err
	}
	cpu, err := m.hub.Gateway.Process.CPUSeconds()
	if err != nil {
		return err
	}
	m.report.figure(fmt.Sprintf("kill -9 and start, until %d tunnels are up", m.Many), "%.2f s, %.2f s of processor time", took.Seconds(), cpu)
	m.report.bar("all tunnels up again after kill -9", took.Round(10*time.Millisecond).String(), "≤ "+backBar.String(), took <= backBar)
	m.say("killed: all are up again after %v", took.Round(time.Millisecond))
	return pause(ctx, settleTime)
}

// endHub ends the hub with SIGTERM.
func endHub(ctx context.Context, m *measurement) error {
	members := m.hub.crowd
	start := time.Now()
	told := make(chan string, 1)
	go func() {
		for members.Up() > 0 && time.Since(start) < endBar && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		told <- fmt.Sprintf("%d of %d peers know after %.2f s", m.Many-m.Busy-members.Up(), m.Many-m.Busy, time.Since(start).Seconds())
	}()
	took, err := m.hub.terminate()
	m.report.figure("SIGTERM", "ended after %.2f s; %s", took.Seconds(), <-told)
	m.report.bar(fmt.Sprintf("end of a hub with %d tunnels", m.Many), took.Round(10*time.Millisecond).String(), "≤ "+endBar.String(), err == nil && took <= endBar)
	if err != nil {
		return err
	}
	return m.hub.end()
}
