package main

import (
	"context"
	"fmt"
	"time"

	"vpngw/integration/lab/crowd"
)

// awaySeconds is how long the probe runs.
const awaySeconds = 5

// measureAway has a hub call a crowd that is not there, and then comes.
func measureAway(ctx context.Context, m *measurement) (err error) {
	members := m.Many - m.Busy
	if err := m.hub.start(crowd.Configuration{Members: members, Dials: true}, false); err != nil {
		return err
	}
	for _, g := range m.hub.Gateways {
		if err := g.WaitUp(ctx, upTimeout); err != nil {
			return err
		}
	}
	if err := pause(ctx, settleTime); err != nil {
		return err
	}
	before, err := m.hub.Gateway.Process.CPUSeconds()
	if err != nil {
		return err
	}
	if err := pause(ctx, time.Duration(m.Idle)*time.Second); err != nil {
		return err
	}
	after, err := m.hub.Gateway.Process.CPUSeconds()
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	slowest := m.watchControl(watching)
	t, err := m.hub.load(ctx, flows{seconds: awaySeconds})
	stop()
	if err != nil {
		return err
	}
	size, err := m.memory(ctx)
	if err != nil {
		return err
	}
	m.report.figure(fmt.Sprintf("%d peers away, all called", members), "%.2f %% of a core; the control loop answers within %.0f ms; probe 99 %% %.2f ms; resident %s, Go heap %s",
		100*(after-before)/float64(m.Idle), milliseconds(<-slowest), milliseconds(t.ProbeP99), mib(size.resident), mib(size.heap))
	if m.hub.crowd, err = m.hub.Gather(members); err != nil {
		return err
	}
	took, err := m.hub.waitUp(ctx, m.Many, upTimeout)
	if err != nil {
		return err
	}
	m.report.figure("they all come back at once", "all up after %.2f s", took.Seconds())
	m.say("back: all are up after %v", took.Round(time.Millisecond))
	return m.hub.end()
}
