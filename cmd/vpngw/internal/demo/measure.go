package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// The UDP measurement: some 10,000 datagrams a second, which a small machine carries without loss, and a receive buffer of
// 200 KiB, near the most an ordinary program gets, for the time when the receiver has to wait for a processor.
const (
	udpMbit   = 100
	udpLength = 1200
	udpBuffer = 200 << 10
)

// results are what the last screen shows of the first act.
type results struct {
	sites       *lab.Sites
	one, four   [2]lab.IperfResult
	udp         lab.IperfResult
	idle, busy  lab.PingResult
	inside6     lab.PingResult
	edgesA      daemon.Edges // during one TCP connection from A to B
	edgesB      daemon.Edges
	file        fileResult
	dropsA      map[string]uint64
	dropsB      map[string]uint64
	mtu         int
	versionText string
}

// fileResult is a file copied through the tunnel.
type fileResult struct {
	bytes int64
	took  time.Duration
	sum   [sha256.Size]byte
}

// measure sends the traffic.
func (d *demo) measure(ctx context.Context) (*results, error) {
	r := &results{sites: d.sites}
	var err error
	if r.idle, err = d.ping(ctx, lab.Ping{To: d.sites.B.Host4, Count: 50, Interval: 20 * time.Millisecond}); err != nil {
		return nil, err
	}
	if r.inside6, err = d.ping(ctx, lab.Ping{To: d.sites.B.Host6, Count: 10, Interval: 20 * time.Millisecond}); err != nil {
		return nil, err
	}
	if err := d.throughput(ctx, r); err != nil {
		return nil, err
	}
	d.say("copying a file of %d MiB random bytes from A to B", d.FileMiB)
	if r.file, err = d.copyFile(ctx); err != nil {
		return nil, err
	}
	statusA, statusB, err := d.status(ctx)
	if err != nil {
		return nil, err
	}
	r.dropsA, r.dropsB = statusA.AllDrops(), statusB.AllDrops()
	r.mtu, r.versionText = statusA.Gateway.MTU, statusA.Version
	return r, nil
}

func (d *demo) ping(ctx context.Context, p lab.Ping) (lab.PingResult, error) {
	p.From = d.sites.A.Host
	result, err := p.Run(ctx)
	if err == nil && result.Received == 0 {
		err = errors.Join(ctx.Err(), fmt.Errorf("ping %s through the tunnel: none of %d replies came", p.To, result.Sent))
	}
	if err == nil {
		d.say("ping %s: %v", p.To, result)
	}
	return result, err
}

// throughput measures TCP and UDP, the system calls during the first TCP run, and the round trip during the busiest.
func (d *demo) throughput(ctx context.Context, r *results) error {
	beforeA, beforeB, err := d.status(ctx)
	if err != nil {
		return err
	}
	if r.one[0], err = d.iperf(ctx, "TCP, 1 connection, A to B", lab.Iperf{}); err != nil {
		return err
	}
	afterA, afterB, err := d.status(ctx)
	if err != nil {
		return err
	}
	r.edgesA, r.edgesB = afterA.Edges.Sub(beforeA.Edges), afterB.Edges.Sub(beforeB.Edges)

	if r.one[1], err = d.iperf(ctx, "TCP, 1 connection, B to A", lab.Iperf{Reverse: true}); err != nil {
		return err
	}
	// The ping begins after the connections have, and ends before them.
	loaded := make(chan error, 1)
	go func() {
		p := lab.Ping{From: d.sites.A.Host, To: d.sites.B.Host4, Interval: 10 * time.Millisecond, Count: max(1, d.Seconds-1) * 90}
		var err error
		select {
		case <-time.After(500 * time.Millisecond):
			r.busy, err = p.Run(ctx)
		case <-ctx.Done():
			err = ctx.Err()
		}
		loaded <- err
	}()
	r.four[0], err = d.iperf(ctx, "TCP, 4 connections, A to B", lab.Iperf{Streams: 4})
	if err := firstError(err, <-loaded); err != nil {
		return err
	}
	d.say("ping under that load: %v", r.busy)
	if r.four[1], err = d.iperf(ctx, "TCP, 4 connections, B to A", lab.Iperf{Streams: 4, Reverse: true}); err != nil {
		return err
	}
	r.udp, err = d.iperf(ctx, fmt.Sprintf("UDP, %d Mbit/s of %d-byte datagrams, A to B", udpMbit, udpLength),
		lab.Iperf{UDP: true, RateMbit: udpMbit, Length: udpLength, Buffer: udpBuffer})
	return err
}

func (d *demo) iperf(ctx context.Context, what string, i lab.Iperf) (lab.IperfResult, error) {
	i.Client, i.Server, i.Address, i.Seconds = d.sites.A.Host, d.sites.B.Host, d.sites.B.Host4, d.Seconds
	result, err := i.Run(ctx)
	if err != nil {
		return result, fmt.Errorf("%s: %w", what, err)
	}
	if result.Bytes == 0 {
		return result, fmt.Errorf("%s: nothing came through", what)
	}
	d.say("%s: %.2f Gbit/s", what, result.Gbit)
	return result, nil
}

func (d *demo) status(ctx context.Context) (a, b daemon.Status, err error) {
	if a, err = d.a.Status(ctx); err != nil {
		return a, b, fmt.Errorf("status of gateway A: %w", err)
	}
	if b, err = d.b.Status(ctx); err != nil {
		return a, b, fmt.Errorf("status of gateway B: %w", err)
	}
	return a, b, nil
}

// copyFile copies a file of random bytes from host A to host B and compares their SHA-256 sums.
func (d *demo) copyFile(ctx context.Context) (fileResult, error) {
	sent, err := os.Create(filepath.Join(d.sites.Dir(), "sent"))
	if err != nil {
		return fileResult{}, err
	}
	defer sent.Close()
	got, err := os.Create(filepath.Join(d.sites.Dir(), "received"))
	if err != nil {
		return fileResult{}, err
	}
	defer got.Close()
	if _, err := io.CopyN(sent, rand.Reader, int64(d.FileMiB)<<20); err != nil {
		return fileResult{}, err
	}
	if _, err := sent.Seek(0, io.SeekStart); err != nil {
		return fileResult{}, err
	}
	var r fileResult
	if r.bytes, r.took, err = lab.Stream(ctx, d.sites.A.Host, d.sites.B.Host, d.sites.B.Host4, sent, got); err != nil {
		return r, fmt.Errorf("copying a file: %w", err)
	}
	before, err := fileSum(sent)
	if err != nil {
		return r, err
	}
	after, err := fileSum(got)
	if err != nil {
		return r, err
	}
	if !bytes.Equal(before, after) {
		return r, fmt.Errorf("the file arrived changed: SHA-256 was %x, is %x, %d bytes arrived", before, after, r.bytes)
	}
	copy(r.sum[:], after)
	d.say("file copied in %.2f s, SHA-256 equal", r.took.Seconds())
	return r, nil
}

func fileSum(f *os.File) ([]byte, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	h := sha256.New()
	_, err := io.Copy(h, f)
	return h.Sum(nil), err
}
