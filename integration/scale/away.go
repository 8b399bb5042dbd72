package main

import (
	"context"
	"fmt"
	"time"

	"vpngw/integration/lab/crowd"
)

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
	watching, stop := context.WithCancel(ctx)
	slowest := m.watchControl(watching)
	t, err := m.hub.load(ctx, flows{seconds: m.Idle})
	stop()
	if err != nil {
		return err
	}
	size, err := m.memory(ctx)
	if err != nil {
		return err
	}
	m.report.figure(fmt.Sprintf("%d peers away, all called", members), "%.2f %% of a core; the control loop answers within %.0f ms; probe 99 %% %.2f ms; resident %s, Go heap %s",
		100*t.HubCPU, milliseconds(<-slowest), milliseconds(t.ProbeP99), mib(size.resident), mib(size.heap))
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
