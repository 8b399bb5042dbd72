package tunnel

import (
	"time"

	"vpngw/fairness"
	"vpngw/tunnel/meter"
)

// StrandStatus is one strand of a tunnel: what another lane carries of it, on a child SA of
// its own.
type StrandStatus struct {
	Strand     int    `json:"strand"` // from 1 on: its lane, and its number at both ends
	InUse      bool   `json:"in_use"` // packets go by it
	Opener     bool   `json:"opener"` // we connect to the peer
	Local      string `json:"local_address"`
	Remote     string `json:"peer_address"` // "": it has no socket
	SPIIn      string `json:"spi_in"`       // of the child that it sends on; "": there is none
	SPIOut     string `json:"spi_out"`
	BytesIn    uint64 `json:"bytes_in"` // of inner packets
	BytesOut   uint64 `json:"bytes_out"`
	PacketsIn  uint64 `json:"packets_in"`
	PacketsOut uint64 `json:"packets_out"`

	Reason    string  `json:"reason"`             // why no packets go by it; "": they do
	Lost      uint64  `json:"lost"`               // times that its path died while it was in use
	Questions uint64  `json:"questions"`          // asked of the peer to see whether the path lives
	Answers   uint64  `json:"answers"`            // to them
	RoundTrip float64 `json:"round_trip_seconds"` // of the last one; 0: not known
}

// reason is why no packets go by a strand, in words.
func (s *strand) reason() string {
	switch {
	case s.inUse:
		return ""
	case !s.sends:
		return "it has no child SA"
	case !s.remote.IsValid() && !s.opener:
		return "the peer is not heard"
	case s.losses > 0:
		return "its path is dead"
	}
	return "the peer does not answer"
}

// addStrands adds t's strands to its status, and what they count to its counts.
func (g *Gateway) addStrands(s *TunnelStatus, t *tunnel, now time.Time) {
	s.Strands = []StrandStatus{}
	for _, st := range t.strands {
		c := &st.lane.Counters
		one := StrandStatus{
			Strand: st.number, InUse: st.inUse, Opener: st.opener,
			BytesIn: c.BytesIn.Load(), BytesOut: c.BytesOut.Load(), PacketsIn: c.PacketsIn.Load(), PacketsOut: c.PacketsOut.Load(),
			Reason: st.reason(), Lost: st.lost, Questions: c.Questions.Load(), Answers: c.Answers.Load(),
			RoundTrip: time.Duration(c.RoundTrip.Load()).Seconds(),
		}
		if st.remote.IsValid() {
			one.Local, one.Remote = st.local.String(), st.remote.String()
		}
		for _, child := range s.Children {
			if child.Strand == st.number && child.Sending {
				one.SPIIn, one.SPIOut = child.SPIIn, child.SPIOut
			}
		}
		s.Strands = append(s.Strands, one)

		s.BytesIn += one.BytesIn
		s.BytesOut += one.BytesOut
		s.PacketsIn += one.PacketsIn
		s.PacketsOut += one.PacketsOut
		s.LastIn = latest(s.LastIn, g.ago(c.LastIn.Load(), now))
		s.LastOut = latest(s.LastOut, g.ago(c.LastOut.Load(), now))
		s.SendBlocked += c.SendBlocked.Load()
		s.Fallbacks += c.SegmentFallbacks.Load()
		s.SocketErrors += c.SocketErrors.Load()
		s.KeepalivesIn += c.KeepalivesIn.Load()
		s.CongestionIn += c.CongestionIn.Load()
		s.AnomaliesIn += c.ECNAnomaliesIn.Load()
		s.MTU.Reports += c.TooBigReports.Load()
		s.MTU.Fragmented += c.Fragmented.Load()
		s.MTU.MSSClamped += c.MSSClamped.Load()
		for reason, n := range c.Drops.Map() {
			s.Drops[reason] += n
		}
	}
}

// queues are the counters of what waits for the tunnel itself, and for its strands.
func (t *tunnel) queues() []*fairness.ClassCounters {
	list := []*fairness.ClassCounters{t.queue()}
	for _, s := range t.strands {
		if c := s.lane.Queue(); c != nil {
			list = append(list, c)
		}
	}
	return list
}

// wholeSample is the sample of a tunnel with its strands.
func (g *Gateway) wholeSample(t *tunnel, now time.Time) meter.Tunnel {
	s := g.tunnelSample(t.queued, now)
	for _, c := range t.queues()[1:] {
		one := g.tunnelSample(c, now)
		s.Bytes += one.Bytes
		s.Backlog += one.Backlog
		s.Blocked += one.Blocked
		s.ByRate += one.ByRate
		s.Sparse, s.Bulk = s.Sparse.Plus(&one.Sparse), s.Bulk.Plus(&one.Bulk)
	}
	return s
}

// latest is the later of two times ago, of which -1 is never.
func latest(a, b float64) float64 {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}
