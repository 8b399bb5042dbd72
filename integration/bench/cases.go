package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"vpngw/integration/lab"
	"vpngw/integration/lab/load"
)

const (
	pingInterval = 10 * time.Millisecond
	// loadHeadStart is how long the load runs before it is pinged through: the
	// start of iperf3 and TCP's slow start.
	loadHeadStart = 600 * time.Millisecond
	// smallPayload is the UDP payload of the small-packet case, in bytes.
	smallPayload = 64
)

// benchCase is one kind of traffic and how to measure it. Run returns the
// figures by their keys.
type benchCase struct {
	Name, Title string
	Run         func(ctx context.Context, m *meters, a *arena) (map[string]float64, error)
}

// allCases lists the cases in the order of the table.
func allCases() []benchCase {
	return []benchCase{
		{"tcp1", "TCP ×1", tcp(lab.Iperf{Streams: 1})},
		{"tcp4", "TCP ×4", tcp(lab.Iperf{Streams: 4})},
		{"reverse", "TCP ×1 reverse", tcp(lab.Iperf{Streams: 1, Reverse: true})},
		{"bidir", "TCP ×1 both ways, sum", tcp(lab.Iperf{Streams: 1, Bidirectional: true})},
		{"flows32", "TCP ×16 both ways, sum", tcp(lab.Iperf{Streams: 16, Bidirectional: true})},
		{"udp1400", "UDP 1,400 bytes, flood", datagrams(load.Bulk{Datagram: largePayload, Train: 1})},
		{"quic", "QUIC-like UDP, 1,280 bytes", datagrams(load.Bulk{Datagram: quicPayload, Train: quicTrain, Window: true})},
		{"udp64", "UDP 64 bytes, fixed rate", smallUDP},
		{"ping", "ping, idle", idlePing},
		{"pingload", "ping under TCP ×4", loadedPing},
	}
}

// meters is what the cases measure with.
type meters struct {
	cpu     *lab.CPUMeter
	source  string // of CPU time: lab.CPUGroup or lab.CPUMachine
	seconds int    // of each measurement
	udpMbit int    // payload rate of the small-packet case
}

// iperf runs load from host A to host B and returns its result together with
// the CPU time of the machine and of the gateways meanwhile.
func (m *meters) iperf(ctx context.Context, a *arena, load lab.Iperf) (r lab.IperfResult, values map[string]float64, err error) {
	load.Client, load.Server, load.Address = a.sites.A.Host, a.sites.B.Host, a.sites.B.Host4
	load.Seconds, load.Congestion = m.seconds, "cubic"
	values, err = m.account(a, func() error {
		r, err = load.Run(ctx)
		return err
	})
	if err != nil {
		return r, nil, err
	}
	if r.Bytes <= 0 || r.Seconds <= 0 {
		return r, nil, fmt.Errorf("iperf3 moved %d bytes in %v s%s", r.Bytes, r.Seconds, a.lastWords())
	}
	values[rawSeconds], values[rawBytes] = r.Seconds, float64(r.Bytes)
	return r, values, nil
}

// account returns the CPU time of the machine and of the gateways while traffic runs.
func (m *meters) account(a *arena, traffic func() error) (map[string]float64, error) {
	gateA, gateB, processes, err := a.gatewayCPU()
	if err != nil {
		return nil, err
	}
	before, err := m.cpu.Read()
	if err != nil {
		return nil, err
	}
	if err := traffic(); err != nil {
		return nil, err
	}
	after, err := m.cpu.Read()
	if err != nil {
		return nil, err
	}
	used := after.Sub(before)
	values := map[string]float64{rawCPUGroup: used.Group, rawCPUMachine: used.Machine, usedCPU: used.Of(m.source)}
	if processes {
		endA, endB, _, err := a.gatewayCPU()
		if err != nil {
			return nil, err
		}
		values[rawGatewayA], values[rawGatewayB] = endA-gateA, endB-gateB
	}
	return values, nil
}

// tcp measures a bulk transfer.
func tcp(load lab.Iperf) func(context.Context, *meters, *arena) (map[string]float64, error) {
	return func(ctx context.Context, m *meters, a *arena) (map[string]float64, error) {
		r, v, err := m.iperf(ctx, a, load)
		if err != nil {
			return nil, err
		}
		v[rawRetransmits] = float64(r.Retransmits)
		v[keyRate] = r.Gbit + r.GbitReverse
		perUnit(v, float64(r.Bytes)*8/1e9, 1, keyCPUGbit, keyGateGbitA, keyGateGbitB)
		return v, nil
	}
}

// smallUDP measures small packets at a rate that every contestant can carry.
func smallUDP(ctx context.Context, m *meters, a *arena) (map[string]float64, error) {
	r, v, err := m.iperf(ctx, a, lab.Iperf{UDP: true, Length: smallPayload, RateMbit: m.udpMbit})
	if err != nil {
		return nil, err
	}
	if r.Packets <= 0 {
		return nil, errors.New("iperf3 counted no UDP packets sent")
	}
	delivered := float64(r.Bytes) / smallPayload
	v[rawPackets] = float64(r.Packets)
	v[keyDelivered] = 100 * delivered / float64(r.Packets)
	v[keyPacketRate] = delivered / r.Seconds
	perUnit(v, delivered, 1e6, keyCPUPacket, keyGatePackA, keyGatePackB)
	return v, nil
}

// perUnit divides the CPU times among v by the work done, in a unit of scale to
// the second.
func perUnit(v map[string]float64, work, scale float64, path, gatewayA, gatewayB string) {
	for to, from := range map[string]string{path: usedCPU, gatewayA: rawGatewayA, gatewayB: rawGatewayB} {
		if cpu, ok := v[from]; ok {
			v[to] = cpu * scale / work
		}
	}
}

// idlePing measures the round trip when nothing else flows.
func idlePing(ctx context.Context, m *meters, a *arena) (map[string]float64, error) {
	r, err := m.ping(ctx, a)
	if err != nil {
		return nil, err
	}
	return pingValues(r, a)
}

// loadedPing measures the round trip beside a saturating transfer in the same direction.
func loadedPing(ctx context.Context, m *meters, a *arena) (map[string]float64, error) {
	s := a.sites
	load := lab.Iperf{
		Client: s.A.Host, Server: s.B.Host, Address: s.B.Host4,
		Seconds: m.seconds + 1, Streams: 4, Congestion: "cubic",
	}
	var moved lab.IperfResult
	var r lab.PingResult
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		moved, err = load.Run(ctx)
		return err
	})
	both.Go(func() (err error) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(loadHeadStart):
		}
		r, err = m.ping(ctx, a)
		return err
	})
	if err := both.Wait(); err != nil {
		return nil, err
	}
	v, err := pingValues(r, a)
	if err != nil {
		return nil, err
	}
	v[keyRate] = moved.Gbit
	return v, nil
}

func (m *meters) ping(ctx context.Context, a *arena) (lab.PingResult, error) {
	count := int(time.Duration(m.seconds) * time.Second / pingInterval)
	return lab.Ping{From: a.sites.A.Host, To: a.sites.B.Host4, Count: count, Interval: pingInterval}.Run(ctx)
}

func pingValues(r lab.PingResult, a *arena) (map[string]float64, error) {
	if r.Received == 0 {
		return nil, fmt.Errorf("none of %d pings was answered%s", r.Sent, a.lastWords())
	}
	return map[string]float64{
		keyRTT:     float64(r.Median) / float64(time.Microsecond),
		keyRTT99:   float64(r.P99) / float64(time.Microsecond),
		keyRTTLost: r.LossPercent(),
	}, nil
}
