package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"vpngw/integration/lab/crowd"
)

const (
	idleBar = 0.01             // of a core, for an idle hub
	endBar  = 10 * time.Second // for a hub to end
	backBar = 60 * time.Second // for all tunnels to be up again after kill -9

	// restTime is when a gateway that has just started has come to rest: it looks after the machine around it at its start,
	// and once more when its own device is there.
	restTime = 12 * time.Second
)

// measureLife follows a large hub from its start to its end.
func measureLife(ctx context.Context, m *measurement) error {
	few, err := m.smallHub(ctx)
	if err != nil {
		return err
	}
	steps := []func(context.Context, *measurement) error{
		func(ctx context.Context, m *measurement) error { return comeUp(ctx, m, few) },
		idle, askStatus, changeNetwork, rekeyAll, killHub, endHub,
	}
	for _, step := range steps {
		if err := step(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// smallHub is what a hub takes that has no idle tunnels.
func (m *measurement) smallHub(ctx context.Context) (size memory, err error) {
	if err := m.hub.start(crowd.Configuration{}, false); err != nil {
		return size, err
	}
	if _, err := m.hub.waitUp(ctx, m.Busy, upTimeout); err != nil {
		return size, err
	}
	if err := pause(ctx, settleTime); err != nil {
		return size, err
	}
	if size, err = m.memory(ctx); err != nil {
		return size, err
	}
	m.report.figure(fmt.Sprintf("memory with %d tunnels", m.Busy), "resident %s, Go heap %s", mib(size.resident), mib(size.heap))
	return size, m.hub.end()
}

func comeUp(ctx context.Context, m *measurement, few memory) error {
	idle := float64(m.Many - m.Busy)
	configured := crowd.Configuration{Members: m.Many - m.Busy}
	if err := m.hub.start(configured, false); err != nil {
		return err
	}
	if _, err := m.hub.waitUp(ctx, m.Busy, upTimeout); err != nil {
		return err
	}
	if err := pause(ctx, settleTime); err != nil {
		return err
	}
	waiting, err := m.memory(ctx)
	if err != nil {
		return err
	}
	m.report.figure("memory per tunnel that waits for its peer", "resident %s, Go heap %s", kib(float64(waiting.resident-few.resident)/idle), kib(float64(waiting.heap-few.heap)/idle))
	if err := m.hub.end(); err != nil {
		return err
	}

	start := time.Now()
	if err := m.hub.start(configured, true); err != nil {
		return err
	}
	if err := m.hub.crowd.Wait(ctx, m.Many-m.Busy, upTimeout); err != nil {
		return err
	}
	took := time.Since(start)
	cpu, err := m.hub.Gateway.Process.CPUSeconds()
	if err != nil {
		return err
	}
	m.report.figure(fmt.Sprintf("start until %d peers that call are up", m.Many-m.Busy), "%.2f s, %.2f s of processor time", took.Seconds(), cpu)
	m.say("%d tunnels are up after %v", m.Many-m.Busy, took.Round(time.Millisecond))
	if _, err := m.hub.waitUp(ctx, m.Many, upTimeout); err != nil {
		return err
	}
	if err := pause(ctx, restTime); err != nil {
		return err
	}
	up, err := m.memory(ctx)
	if err != nil {
		return err
	}
	m.report.figure("memory per idle tunnel that is up", "resident %s, Go heap %s, in the kernel %s",
		kib(float64(up.resident-few.resident)/idle), kib(float64(up.heap-few.heap)/idle), kib(float64(up.kernel-waiting.kernel)/idle))
	m.report.figure(fmt.Sprintf("memory with %d tunnels up", m.Many), "resident %s, Go heap %s", mib(up.resident), mib(up.heap))
	return nil
}

// idle counts what a hub does when nothing is to be done but to watch its peers.
func idle(ctx context.Context, m *measurement) error {
	before, err := m.hub.Gateway.Process.CPUSeconds()
	if err != nil {
		return err
	}
	messages := m.hub.crowd.Messages()
	if err := pause(ctx, time.Duration(m.Idle)*time.Second); err != nil {
		return err
	}
	after, err := m.hub.Gateway.Process.CPUSeconds()
	if err != nil {
		return err
	}
	part := (after - before) / float64(m.Idle)
	m.report.figure("idle", "%.2f %% of a core, %.0f IKE messages to peers a second", 100*part, float64(m.hub.crowd.Messages()-messages)/float64(m.Idle))
	m.report.bar(fmt.Sprintf("processor of an idle hub with %d tunnels up", m.Many), fmt.Sprintf("%.2f %% of a core", 100*part), fmt.Sprintf("< %.0f %%", 100*idleBar), part < idleBar)
	m.say("idle: %.2f %% of a core", 100*part)
	return nil
}

// askStatus runs the command, as a user does.
func askStatus(ctx context.Context, m *measurement) error {
	for _, args := range [][]string{{"status"}, {"status", "--json"}} {
		var times []float64
		size := 0
		for range 5 {
			start := time.Now()
			out, err := m.hub.Gateway.Namespace.Run(ctx, append(append([]string{m.program}, args...), "--socket", m.hub.Gateway.Socket())...)
			if err != nil {
				return err
			}
			times, size = append(times, milliseconds(time.Since(start))), len(out)
		}
		m.report.figure("vpngw "+strings.Join(args, " "), "%s, %s", spread(times, "ms"), mib(int64(size)))
	}
	var times []float64
	for range 5 {
		start := time.Now()
		if _, err := m.hub.control.get(ctx, "/status"); err != nil {
			return err
		}
		times = append(times, milliseconds(time.Since(start)))
	}
	m.report.figure("the gateway's part of it", "%s", spread(times, "ms"))
	return nil
}

// spis are what a rekey changes.
type spis map[string]struct{ Child, IKE string }

func (h *hub) spis(ctx context.Context) (spis, error) {
	text, err := h.control.get(ctx, "/status")
	if err != nil {
		return nil, err
	}
	var s struct {
		Tunnels []struct {
			Name  string `json:"name"`
			SPIIn string `json:"spi_in"`
			IKE   *struct {
				SPI string `json:"initiator_spi"`
			} `json:"ike"`
		} `json:"tunnels"`
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, err
	}
	all := spis{}
	for _, t := range s.Tunnels {
		of := all[t.Name]
		if of.Child = t.SPIIn; t.IKE != nil {
			of.IKE = t.IKE.SPI
		}
		all[t.Name] = of
	}
	return all, nil
}
