package tunnel

import (
	"time"

	"vpngw/tunnel/meter"
)

// QueueStatus is how a tunnel's packets wait and leave. Its counters count since the
// start or since the tunnel has this uplink on this lane; the last seconds are Recent.
type QueueStatus struct {
	Weight    int     `json:"weight"`
	Rate      uint64  `json:"rate"`       // configured, bits per second on the wire; 0: none of its own
	Uplink    string  `json:"uplink"`     // interface that its packets leave by; "": not known yet
	LimitedBy string  `json:"limited_by"` // in the last seconds: nothing, own rate, uplink rate, device, peer socket, processor
	Recent    float64 `json:"recent_seconds"`
	Sends     float64 `json:"bits_per_second"` // on the wire, in the last seconds
	Share     float64 `json:"share"`           // of what its uplink sent in the last seconds, 0 to 1

	Sparse KindStatus `json:"sparse"` // packets of flows that ask for less than their share: they go first
	Bulk   KindStatus `json:"bulk"`   // of all others
}

// KindStatus is one kind of a tunnel's packets.
type KindStatus struct {
	BacklogBytes int64             `json:"backlog_bytes"` // that wait now, as they will stand on the wire
	Packets      uint64            `json:"packets"`       // sent, after segmenting
	Bytes        uint64            `json:"bytes"`         // of these, on the wire
	Slices       uint64            `json:"slices"`        // in which they were sent
	Marks        uint64            `json:"marks"`         // packets marked with CE (RFC 3168)
	Drops        map[string]uint64 `json:"drops"`         // packets, by reason: aqm, overload
	Sojourn      SojournStatus     `json:"sojourn"`
}

// SojournStatus is how long slices of packets waited: those of the last seconds, and
// for who wants to see further back, all since the start.
type SojournStatus struct {
	Slices uint64  `json:"slices"` // in the last seconds
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	Max    float64 `json:"max_ms"` // of the histogram's last bucket: none waited longer

	// Histogram counts since the start: under 1 µs, under 2, under 4 and so on. Zeros at
	// its end are left out.
	Histogram []uint64 `json:"histogram_log2_us"`
}

// UplinkStatus is an interface that tunnels leave by and the queue in front of it.
type UplinkStatus struct {
	Name          string        `json:"name"`
	Rate          uint64        `json:"rate"` // configured, bits per second on the wire; 0: not shaped
	Overhead      int           `json:"overhead"`
	Queue         string        `json:"queue"`           // fair, fifo
	InFlight      int64         `json:"in_flight"`       // bytes that the sockets and the device hold
	InFlightLimit int64         `json:"in_flight_limit"` // beyond which the queue holds packets back
	BacklogBytes  int64         `json:"backlog_bytes"`   // that wait in all its tunnels, as they will stand on the wire
	ByRate        float64       `json:"held_by_rate_seconds"`
	ByInFlight    float64       `json:"held_by_in_flight_seconds"`
	Recent        float64       `json:"recent_seconds"`
	Sends         float64       `json:"bits_per_second"` // in the last seconds
	Shares        []ShareStatus `json:"shares"`          // in the last seconds, in the order of the file
	Contending    int           `json:"contending"`      // tunnels that wanted more than they got
	Jain          float64       `json:"jain"`            // index of their shares by weight, 1 is fair; 0: fewer than two contended
}

// ShareStatus is a tunnel's part of what an uplink sent.
type ShareStatus struct {
	Tunnel    string  `json:"tunnel"`
	Weight    int     `json:"weight"`
	Share     float64 `json:"share"`     // 0 to 1
	Contended bool    `json:"contended"` // it had a backlog and nothing of its own held it back
}

// queueStatus makes what is common to a tunnel's status out of its samples.
func queueStatus(t *tunnel) QueueStatus {
	before, now, span := t.recent.Ends()
	return QueueStatus{
		Weight: max(t.cfg.Weight, 1), Rate: t.cfg.Rate, Uplink: t.link, LimitedBy: string(t.limitedBy()),
		Recent: span.Seconds(), Sends: perSecond(now.Bytes-min(before.Bytes, now.Bytes), span),
	}
}

// sojournStatus shows a histogram and what of it is of the last seconds.
func sojournStatus(all, recent *meter.Waits) SojournStatus {
	s := SojournStatus{
		Slices: recent.Count(), P50: milliseconds(recent.Quantile(0.5)),
		P99: milliseconds(recent.Quantile(0.99)), Max: milliseconds(recent.Max()),
	}
	end := len(all)
	for end > 0 && all[end-1] == 0 {
		end--
	}
	s.Histogram = append([]uint64{}, all[:end]...)
	return s
}

// shares adds the shares of the last seconds to the status of the uplink that all of
// tunnels leave by, and to theirs.
func shares(u *UplinkStatus, tunnels []*tunnel, status []*QueueStatus) {
	all := make([]meter.Share, len(tunnels))
	var bits float64
	for i, t := range tunnels {
		before, now, _ := t.recent.Ends()
		all[i] = meter.Share{Weight: status[i].Weight, Bytes: now.Bytes - min(before.Bytes, now.Bytes), Contended: t.limitedBy().Shared()}
		u.BacklogBytes += status[i].Sparse.BacklogBytes + status[i].Bulk.BacklogBytes
		bits += status[i].Sends
	}
	u.Jain = meter.Shares(all)
	u.Sends = bits
	u.Shares = make([]ShareStatus, len(tunnels))
	for i, s := range all {
		status[i].Share = s.Part
		u.Shares[i] = ShareStatus{Tunnel: tunnels[i].cfg.Name, Weight: s.Weight, Share: s.Part, Contended: s.Contended}
		if s.Contended {
			u.Contending++
		}
	}
}

func (t *tunnel) limitedBy() meter.Limit {
	if t.uplink == nil {
		return meter.Nothing
	}
	return meter.LimitedBy(&t.recent, &t.uplink.recent)
}

func perSecond(bytes uint64, span time.Duration) float64 {
	if span <= 0 {
		return 0
	}
	return 8 * float64(bytes) / span.Seconds()
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
