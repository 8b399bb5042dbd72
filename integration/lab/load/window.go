package load

import "time"

// window is the congestion control of a [Bulk] that keeps one: slow start, then one datagram more each round trip and a
// factor of 0.7 for each round trip with a loss, as RFC 9002 §7 has it for NewReno with the factor of CUBIC. All counts are of
// datagrams.
type window struct {
	size      float64 // how many may be on their way
	threshold float64 // of slow start
	recovery  uint64  // losses of what was sent before this number are of a congestion answered already

	highest, lost uint64 // as last acknowledged
}

const (
	initialWindow = 10
	minimalWindow = 2
	// maximalWindow is about the bytes that QUIC receivers allow on a connection by default.
	maximalWindow = 4096
	windowFactor  = 0.7
	// silence is how long no acknowledgement may come until all that is on its way is taken for lost.
	silence = 25 * time.Millisecond
)

func newWindow() window { return window{size: initialWindow, threshold: maximalWindow} }

// acknowledged notes what the receiver has seen: received datagrams, of which highest is the last one's number; the first has
// the number 1. Next is how many were sent.
func (w *window) acknowledged(highest, received, next uint64) {
	if highest < w.highest || received > highest {
		return // an old one
	}
	lost := highest - received
	newly := float64(highest-w.highest) - float64(lost) + float64(w.lost)
	switch {
	case lost > w.lost && highest > w.recovery:
		w.threshold = max(w.size*windowFactor, minimalWindow)
		w.size, w.recovery = w.threshold, next
	case w.size < w.threshold:
		w.size += newly
	default:
		w.size += newly / w.size
	}
	w.size = min(w.size, maximalWindow)
	w.highest, w.lost = highest, lost
}

// silent notes that nothing was heard for [silence]: of the first next datagrams, all that is not acknowledged is lost.
func (w *window) silent(next uint64) {
	w.threshold = max(w.size*windowFactor, minimalWindow)
	w.size = minimalWindow
	w.lost += next - w.highest
	w.highest, w.recovery = next, next
}

// room is how many datagrams may be sent after the first next ones.
func (w *window) room(next uint64) int {
	return max(int(w.size)-int(next-w.highest), 0)
}
