package meter

import "time"

// Uplink is a sample of an uplink's counters.
type Uplink struct {
	ByRate     time.Duration // how long the shaper held packets back
	ByInFlight time.Duration // how long what lay in the sockets and the device held them back
}

// Share is a tunnel's part of its uplink in the last seconds.
type Share struct {
	Weight    int     // ≥ 1
	Bytes     uint64  // sent, as they stand on the wire
	Part      float64 // of what all tunnels of the uplink sent; 0 if they sent nothing
	Contended bool    // it had a backlog and nothing of its own held it back
}

// Shares fills in the Part of each tunnel of an uplink and returns the Jain index of
// the bytes per weight over those that contended: 1 if each had what its weight gives
// it, 1/n if one of n had all. The index is 0 if fewer than two contended, when there
// is nothing to be shared.
func Shares(of []Share) (jain float64) {
	var total uint64
	var contended []float64
	for _, s := range of {
		total += s.Bytes
		if s.Contended {
			contended = append(contended, float64(s.Bytes)/float64(max(s.Weight, 1)))
		}
	}
	for i := range of {
		if total > 0 {
			of[i].Part = float64(of[i].Bytes) / float64(total)
		}
	}
	if len(contended) < 2 {
		return 0
	}
	return Jain(contended)
}

// Jain is the fairness index of Jain, Chiu and Hawe: (Σx)² ÷ (n Σx²), 1 if all are
// equal. Where all are 0, they are.
func Jain(x []float64) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += v
		squares += v * v
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(x)) * squares)
}
