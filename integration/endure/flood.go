package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vpngw/integration/lab"
)

// floodSettings are the flags of the measurement.
type floodSettings struct {
	Rate    int    `json:"datagrams_per_s"`
	Rounds  int    `json:"rounds"`
	Seconds int    `json:"seconds"`
	Only    string `json:"only"`
}

// closedPort is where nobody listens.
const closedPort = 4599

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
	Grown     int64             `json:"memory_grown"`                // bytes, most above that before the first flood
	Each      float64           `json:"gateway_cpu_us_per_datagram"` // without TCP; of the first round only
	Replies   replies           `json:"replies"`
	Drops     map[string]uint64 `json:"drops"` // of the flooded gateway
}

func runFlood(ctx context.Context, c *common, args []string) error {
	var s floodSettings
	f := c.flags()
	f.IntVar(&s.Rate, "rate", 50_000, "datagrams a second")
	f.IntVar(&s.Rounds, "rounds", 4, "rounds; each takes every case with vpngw listening and without")
	f.IntVar(&s.Seconds, "seconds", 2, "length of a measurement in `seconds`")
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
