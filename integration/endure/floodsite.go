package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"vpngw/integration/lab"
)

const (
	// warmUp is how long a flood runs before TCP is measured beside it.
	warmUp = 300 * time.Millisecond
	// alone is how long a flood runs without TCP, to see what one datagram costs.
	alone = time.Second
)

// floodSite is a third party on a wire of its own to gateway B, which routes to it
// what it has no other way for.
type floodSite struct {
	*pair
	from       *lab.Namespace
	address    netip.Addr
	sink       net.PacketConn // takes replies, so that no ICMP errors answer them
	restMemory int64
}

const strangerPort = 4500

func newFloodSite(p *pair) (*floodSite, error) {
	s := &floodSite{pair: p, address: netip.MustParseAddr("198.51.100.1")}
	gateway := netip.MustParseAddr("198.51.100.2")
	var err error
	if s.from, err = p.Namespace("flooder"); err != nil {
		return nil, err
	}
	err = p.Wire(
		lab.End{Namespace: s.from, Device: lab.HostDevice, Addresses: []netip.Prefix{netip.PrefixFrom(s.address, 30)}},
		lab.End{Namespace: p.B.Gateway, Device: "flood", Addresses: []netip.Prefix{netip.PrefixFrom(gateway, 30)}}, 0)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.from.AddDefaultRoutes(gateway), p.B.Gateway.AddDefaultRoutes(s.address)); err != nil {
		return nil, err
	}
	err = s.from.Do(func() (err error) {
		s.sink, err = net.ListenPacket("udp4", netip.AddrPortFrom(s.address, strangerPort).String())
		return err
	})
	return s, err
}

// source gives the addresses that a sender pretends to have.
func (s *floodSite) source(sender string, r *rand.Rand) func() netip.AddrPort {
	switch sender {
	case fromPeer:
		return func() netip.AddrPort { return netip.AddrPortFrom(s.A.Outside4, port) }
	case fromStranger:
		return func() netip.AddrPort { return netip.AddrPortFrom(s.address, strangerPort) }
	}
	return func() netip.AddrPort { // of 100.64.0.0/10
		a := binary.BigEndian.AppendUint32(nil, 100<<24|64<<16|r.Uint32N(1<<22))
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a)), uint16(1024+r.IntN(60000)))
	}
}

// measure runs TCP beside one flood.
func (s *floodSite) measure(ctx context.Context, set floodSettings, fc floodCase, r *floodRound) error {
	before, err := s.controlB.state(ctx)
	if err != nil {
		return err
	}
	if !before.Tunnels[0].Up() {
		return fmt.Errorf("the tunnel is %s: %s", before.Tunnels[0].State, before.Tunnels[0].Reason)
	}
	sa := before.SAs[0]
	spi, errSPI := strconv.ParseUint(sa.SPIIn, 16, 32)
	ikeSPI, errIKE := strconv.ParseUint(sa.IKE.InitiatorSPI, 16, 64)
	if err := errors.Join(errSPI, errIKE); err != nil {
		return fmt.Errorf("SPIs of the status: %w", err)
	}
	random := rand.New(rand.NewPCG(uint64(r.Round), spi))
	f := flooder{from: s.from, source: s.source(fc.sender, random), destination: netip.AddrPortFrom(s.B.Outside4, closedPort), rate: set.Rate}
	if r.Listening {
		f.destination = netip.AddrPortFrom(s.B.Outside4, port)
	}
	pool := f.makePool(random, func(r *rand.Rand) []byte { return fc.kind.build(r, uint32(spi)) })
	r.Length = len(pool.packets[0]) - ipv4Len - udpLen

	watch, err := watchReplies(s.B.Gateway, ikeSPI)
	if err != nil {
		return err
	}
	if r.Listening && r.Round == 0 {
		r.Each, err = s.floodAlone(ctx, f, pool)
	}
	if err == nil {
		err = s.loadAndFlood(ctx, set, f, pool, r)
	}
	var watchErr error
	r.Replies, watchErr = watch.close()
	after, stateErr := s.controlB.state(ctx)
	r.Drops = since(before.AllDrops(), after.AllDrops())
	return errors.Join(err, watchErr, stateErr)
}

// floodAlone floods an idle gateway and returns the processor time that each datagram
// costs its process, in microseconds.
func (s *floodSite) floodAlone(ctx context.Context, f flooder, pool *pool) (float64, error) {
	before, err := s.b.Process.CPUSeconds()
	if err != nil {
		return 0, err
	}
	flooding, end := context.WithTimeout(ctx, alone)
	defer end()
	n, err := f.run(flooding, pool)
	if err != nil || n == 0 {
		return 0, errors.Join(err, ctx.Err())
	}
	after, err := s.b.Process.CPUSeconds()
	return (after - before) / float64(n) * 1e6, err
}

// loadAndFlood runs TCP beside the flood, which lasts a little longer.
func (s *floodSite) loadAndFlood(ctx context.Context, set floodSettings, f flooder, pool *pool, r *floodRound) error {
	flooding, end := context.WithCancel(ctx)
	defer end()
	group, flooding := errgroup.WithContext(flooding)
	group.Go(func() error {
		start := time.Now()
		n, err := f.run(flooding, pool)
		r.Datagrams, r.Sent = n, float64(n)/time.Since(start).Seconds()
		return err
	})
	group.Go(func() error {
		for flooding.Err() == nil {
			rss, err := s.b.Process.RSS()
			if err != nil {
				return err
			}
			r.Grown = max(r.Grown, rss-s.restMemory)
			_ = pause(flooding, 100*time.Millisecond) // its error is that of the end
		}
		return nil
	})
	group.Go(func() error {
		defer end()
		if err := pause(flooding, warmUp); err != nil {
			return err
		}
		tcp, err := s.load(set.Seconds, false).Run(ctx)
		r.Gbit = tcp.Gbit
		return err
	})
	return group.Wait()
}
