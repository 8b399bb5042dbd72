package main

import (
	"context"
	"fmt"
	"time"

	"vpngw/integration/lab/load"
)

const (
	// largePayload makes IPv4 packets of 1,400 bytes, which fit every contestant's
	// MTU on the usual wires.
	largePayload = 1400 - 28
	// quicPayload makes IPv4 packets of 1,280 bytes, the size that QUIC
	// implementations begin with.
	quicPayload = 1280 - 28
	// quicTrain is how many of them one send gives, as quic-go does: 20 KiB.
	quicTrain = 16
)

// datagrams measures UDP from host A to host B by sockets of this process. Shape
// says what is sent; on a narrow wire its datagrams are smaller.
func datagrams(shape load.Bulk) func(context.Context, *meters, *arena) (map[string]float64, error) {
	return func(ctx context.Context, m *meters, a *arena) (map[string]float64, error) {
		b := shape
		b.From, b.To, b.Address = a.sites.A.Host, a.sites.B.Host, a.sites.B.Host4
		b.Datagram = a.wire.widest(b.Datagram)
		b.Duration = time.Duration(m.seconds) * time.Second
		var r load.BulkResult
		v, err := m.account(a, func() (err error) {
			r, err = b.Run(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
		if r.Received == 0 || r.Took <= 0 {
			return nil, fmt.Errorf("none of %d datagrams arrived%s", r.Sent, a.lastWords())
		}
		bytes := float64(r.Received) * float64(b.Datagram)
		v[rawSeconds], v[rawBytes], v[rawPackets] = r.Took.Seconds(), bytes, float64(r.Sent)
		v[keyRate] = bytes * 8 / 1e9 / r.Took.Seconds()
		v[keyLost] = 100 * (1 - float64(r.Received)/float64(r.Sent))
		v[keyPerReceive] = r.PerReceive
		perUnit(v, bytes*8/1e9, 1, keyCPUGbit, keyGateGbitA, keyGateGbitB)
		return v, nil
	}
}
