package status

import (
	"fmt"
	"io"
	"unicode/utf8"

	"vpngw/configs"
	"vpngw/crypto/ike"
	"vpngw/tunnel"
)

// Columns of the two tables, which fit a screen of 100.
const (
	uplinkColumns = "%-17s  %-9s  %12s  %10s  %23s  %12s\n"
	queueColumns  = "%-17s  %-11s  %5s  %10s  %14s  %14s  %7s  %7s\n"
)

// printQueues writes a line for each uplink and one for each tunnel: where packets
// wait, for how long and for what.
func printQueues(out io.Writer, s *tunnel.Status) {
	if len(s.Uplinks) > 0 {
		fmt.Fprintf(out, "\n"+uplinkColumns, "uplink", "rate", "sends", "waiting", "in flight / limit", "Jain index")
	}
	for i := range s.Uplinks {
		u := &s.Uplinks[i]
		rate, flight, jain := "unshaped", "–", "–" // what is shaped has no limit in flight
		if u.Rate != 0 {
			rate = configs.Rate(u.Rate).String()
		}
		if u.InFlightLimit > 0 {
			flight = size(uint64(max(u.InFlight, 0))) + " / " + size(uint64(u.InFlightLimit))
		}
		if u.Contending > 1 {
			jain = fmt.Sprintf("%.3f of %d", u.Jain, u.Contending)
		}
		name := u.Name
		if u.Queue != "fair" {
			name += ", " + u.Queue
		}
		fmt.Fprintf(out, uplinkColumns, short(name), rate, bitrate(u.Sends), size(uint64(max(u.BacklogBytes, 0))), flight, jain)
	}
	fmt.Fprintf(out, "\n"+queueColumns, "tunnel", "limited by", "share", "waiting", "sparse waits", "bulk waits", "marks", "drops")
	for i := range s.Tunnels {
		printQueue(out, &s.Tunnels[i])
	}
	fmt.Fprintln(out, "\nWaits are the median / 99 % of the last seconds; marks and drops all that the queue made.")
}

func printQueue(out io.Writer, t *tunnel.TunnelStatus) {
	q := &t.Queue
	limit, share := q.LimitedBy, "–"
	if t.State != ike.StateUp.String() && t.State != ike.StateRekeying.String() {
		limit = t.State
	}
	if q.Sends > 0 {
		share = fmt.Sprintf("%.0f %%", 100*q.Share)
	}
	var drops uint64
	for _, kind := range []*tunnel.KindStatus{&q.Sparse, &q.Bulk} {
		for _, n := range kind.Drops {
			drops += n
		}
	}
	fmt.Fprintf(out, queueColumns, short(t.Name), limit, share,
		size(uint64(max(q.Sparse.BacklogBytes+q.Bulk.BacklogBytes, 0))), waits(&q.Sparse.Sojourn), waits(&q.Bulk.Sojourn),
		count(q.Sparse.Marks+q.Bulk.Marks), count(drops))
}

// short makes a name fit its column.
func short(name string) string {
	const width = 17
	if utf8.RuneCountInString(name) <= width {
		return name
	}
	return string([]rune(name)[:width-1]) + "…"
}

// waits gives the median and the 99 % of the last seconds, in 14 characters.
func waits(s *tunnel.SojournStatus) string {
	if s.Slices == 0 {
		return "–"
	}
	return milliseconds(s.P50) + " / " + milliseconds(s.P99) + " ms"
}

func milliseconds(ms float64) string {
	switch {
	case ms < 9.995:
		return fmt.Sprintf("%.2f", ms)
	case ms < 99.95:
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

// bitrate gives bits per second in 12 characters.
func bitrate(bits float64) string { return decimal(bits, "bit/s") }

// count gives a number in seven characters.
func count(n uint64) string {
	if n < 1e7 {
		return fmt.Sprint(n)
	}
	return decimal(float64(n), "")
}

func decimal(v float64, unit string) string {
	for _, prefix := range []string{"", "k", "M", "G", "T", "P"} {
		if v < 999.95 {
			return fmt.Sprintf("%.1f %s%s", v, prefix, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.1f E%s", v, unit)
}
