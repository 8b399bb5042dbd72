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
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// floodSettings are the flags of the measurement.
type floodSettings struct {
	Rate    int    `json:"datagrams_per_s"`
	Rounds  int    `json:"rounds"`
	Seconds int    `json:"seconds"`
	Only    string `json:"only"`
}

const (
	// enough is the bar: TCP beside a flood that vpngw must refuse ÷ TCP beside the
	// same flood to a port where nobody listens.
	enough = 0.90
	// mostMemory is the bar: resident memory under flood above that before it.
	mostMemory = 16 << 20

	closedPort = 4599 // nobody listens
	// warmUp is how long a flood runs before TCP is measured beside it.
	warmUp = 300 * time.Millisecond
	// alone is how long a flood runs without TCP, to see what one datagram costs.
	alone = time.Second
)

// floodCase is a kind of datagram from a kind of sender.
type floodCase struct {
	kind   junkKind
	sender string
}

// The senders. Who is spoofed as many is a stranger each time.
const (
	fromPeer     = "the peer's address"
	fromStranger = "a stranger's"
	fromMany     = "many addresses"
)

func floodCases(only string) (cases []floodCase) {
	for _, kind := range junkKinds {
		senders := []string{fromPeer, fromStranger}
		if kind.name == "IKE_SA_INIT" {
			senders = append(senders, fromMany)
		}
		for _, sender := range senders {
			if strings.Contains(kind.name+" from "+sender, only) {
				cases = append(cases, floodCase{kind, sender})
			}
		}
	}
	return cases
}

func (c floodCase) String() string { return c.kind.name + " from " + c.sender }

// floodRound is one measurement.
type floodRound struct {
	Case      string            `json:"case"`
	Round     int               `json:"round"`
	Listening bool              `json:"listening"` // the flood went to vpngw's port
	Gbit      float64           `json:"gbit_per_s"`
	Sent      float64           `json:"sent_per_s"`
	Length    int               `json:"length"` // UDP payload of one datagram
	Datagrams int               `json:"datagrams"`
	Grown     int64             `json:"memory_grown"` // bytes, most above that before the first flood
	CPU       float64           `json:"gateway_cpu_s_per_s"`
	Each      float64           `json:"gateway_cpu_us_per_datagram"` // measured before, without TCP
	Replies   replies           `json:"replies"`
	Drops     map[string]uint64 `json:"drops"` // of the flooded gateway
}

func runFlood(ctx context.Context, c *common, args []string) error {
	var s floodSettings
	f := c.flags()
	f.IntVar(&s.Rate, "rate", 50_000, "datagrams a second")
	f.IntVar(&s.Rounds, "rounds", 3, "rounds; each takes every case with vpngw listening and without")
	f.IntVar(&s.Seconds, "seconds", 3, "length of a measurement in `seconds`")
	f.StringVar(&s.Only, "only", "", "only cases with this `text` in their names, such as \"ESP\" or \"from many\"")
	if err := c.begin(ctx, f, args); err != nil {
		return err
	}
	cases := floodCases(s.Only)
	if s.Rate < 1 || s.Rounds < 1 || s.Seconds < 1 || len(cases) == 0 {
		return errors.New("-rate, -rounds and -seconds must be at least 1, and -only must leave a case")
	}
	r := report{Started: time.Now().UTC(), Settings: s}
	rounds, err := measureFloods(ctx, c, s, cases)
	if err != nil {
		return err
	}
	verdicts := judgeFloods(cases, rounds)
	if err := writeTable(c.out, floodTable(verdicts)); err != nil {
		return err
	}
	r.Rounds, r.Bars = rounds, floodBars(verdicts)
	return c.finish(r)
}

func measureFloods(ctx context.Context, c *common, s floodSettings, cases []floodCase) (rounds []floodRound, err error) {
	p, err := c.newPair(ctx, lab.Options{}, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	site, err := newFloodSite(p)
	if err != nil {
		return nil, err
	}
	defer site.sink.Close()
	if _, err := p.load(2, true).Run(ctx); err != nil { // buffers made, caches warm
		return nil, err
	}
	if site.restMemory, err = p.b.Process.RSS(); err != nil {
		return nil, err
	}
	for round := range s.Rounds {
		for _, fc := range cases {
			for turn := range 2 {
				r := floodRound{Case: fc.String(), Round: round, Listening: turn == round%2}
				if err := site.measure(ctx, s, fc, &r); err != nil {
					return nil, fmt.Errorf("%v: %w%s", fc, err, p.lastWords())
				}
				rounds = append(rounds, r)
				c.say("round %d of %d, %v, listening %-5t: %.2f Gbit/s, %.0f datagrams/s, %.1f µs each, memory %+d KiB, %d replies",
					round+1, s.Rounds, fc, r.Listening, r.Gbit, r.Sent, r.Each, r.Grown>>10, r.Replies.Count)
			}
		}
	}
	return rounds, nil
}

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
	if r.Listening {
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
		cpu, err := s.b.Process.CPUSeconds()
		if err != nil {
			return err
		}
		start := time.Now()
		tcp, err := s.load(set.Seconds, false).Run(ctx)
		if err != nil {
			return err
		}
		cpuAfter, err := s.b.Process.CPUSeconds()
		r.Gbit, r.CPU = tcp.Gbit, (cpuAfter-cpu)/time.Since(start).Seconds()
		return err
	})
	return group.Wait()
}

// floodVerdict is what the rounds of a case come to.
type floodVerdict struct {
	name             string
	with, without    float64 // Gbit/s, medians
	ratio            float64 // median of the rounds
	each             float64 // µs, median of the rounds
	rate             float64 // datagrams a second, the slowest round
	grown            int64
	length           int
	longest, replies int
	replyShare       float64 // bytes of replies ÷ bytes of requests, the worst round
	drops            map[string]uint64
}

func judgeFloods(cases []floodCase, rounds []floodRound) (verdicts []floodVerdict) {
	for _, fc := range cases {
		v := floodVerdict{name: fc.String(), drops: map[string]uint64{}}
		with, without := map[int]float64{}, map[int]float64{}
		var all [2][]float64
		var each []float64
		for _, r := range rounds {
			if r.Case != v.name {
				continue
			}
			if v.rate == 0 || r.Sent < v.rate {
				v.rate = r.Sent
			}
			if !r.Listening {
				without[r.Round] = r.Gbit
				all[0] = append(all[0], r.Gbit)
				continue
			}
			with[r.Round] = r.Gbit
			each = append(each, r.Each)
			all[1] = append(all[1], r.Gbit)
			v.grown, v.length = max(v.grown, r.Grown), r.Length
			v.longest, v.replies = max(v.longest, r.Replies.Longest), v.replies+r.Replies.Count
			v.replyShare = max(v.replyShare, float64(r.Replies.Bytes)/float64(max(r.Length*r.Datagrams, 1)))
			v.drops = sum(v.drops, r.Drops)
		}
		var ratios []float64 // a pair of measurements each, seconds apart
		for round, gbit := range with {
			if base := without[round]; base > 0 {
				ratios = append(ratios, gbit/base)
			}
		}
		v.without, v.with, v.ratio, v.each = median(all[0]), median(all[1]), median(ratios), median(each)
		verdicts = append(verdicts, v)
	}
	return verdicts
}

func floodTable(verdicts []floodVerdict) [][]string {
	rows := [][]string{{"flood", "bytes", "sent/s ≥", "Gbit/s", "nobody listens", "ratio", "µs each", "memory", "replies", "longest", "drops"}}
	for _, v := range verdicts {
		rows = append(rows, []string{v.name, strconv.Itoa(v.length), fmt.Sprintf("%.0f", v.rate), fmt.Sprintf("%.2f", v.with), fmt.Sprintf("%.2f", v.without),
			fmt.Sprintf("%.3f", v.ratio), fmt.Sprintf("%.1f", v.each), fmt.Sprintf("%+.1f MiB", float64(v.grown)/(1<<20)), strconv.Itoa(v.replies), strconv.Itoa(v.longest), daemon.FormatDrops(v.drops)})
	}
	return rows
}

func floodBars(verdicts []floodVerdict) []bar {
	var bars []bar
	for _, v := range verdicts {
		bars = append(bars,
			bar{v.name + ": TCP ÷ TCP where nobody listens", fmt.Sprintf("%.3f", v.ratio), fmt.Sprintf("≥ %.2f", enough), v.ratio >= enough},
			bar{v.name + ": memory", fmt.Sprintf("%+.1f MiB", float64(v.grown)/(1<<20)), fmt.Sprintf("≤ +%d MiB", mostMemory>>20), v.grown <= mostMemory},
			bar{v.name + ": longest reply", strconv.Itoa(v.longest), fmt.Sprintf("≤ %d, its request", v.length), v.longest <= v.length},
			bar{v.name + ": bytes of replies ÷ of requests", fmt.Sprintf("%.3f", v.replyShare), "≤ 1", v.replyShare <= 1})
	}
	return bars
}
