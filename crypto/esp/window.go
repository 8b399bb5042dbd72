package esp

// WindowSize is how many sequence numbers back from the highest a packet may
// arrive late and still be taken.
const WindowSize = 8192

const (
	blockBits = 64
	// One block more than the window holds is kept, so that the block in which
	// the highest number lies may be filled while the window still reaches a
	// full WindowSize back (the ring of RFC 6479).
	blocks = WindowSize/blockBits + 1
)

// Window remembers which sequence numbers arrived (RFC 4303 §3.4.3). The zero
// Window has seen none. It belongs to one goroutine.
//
// Check before the packet is verified, Commit after: a forged packet must leave
// no trace.
type Window struct {
	top  uint64 // highest number committed
	seen [blocks]uint64
}

// Top returns the highest sequence number committed, 0 if there is none.
func (w *Window) Top() uint64 { return w.top }

// Check tells whether a packet with the full 64-bit sequence number seq may
// still be taken: nil, ErrReplayed or ErrTooOld. It changes nothing. Number 0 is
// never sent (RFC 4303 §3.3.3) and never taken.
func (w *Window) Check(seq uint64) error {
	if seq > w.top {
		return nil
	}
	if w.top-seq >= WindowSize {
		return ErrTooOld
	}
	if seq == 0 || w.seen[seq/blockBits%blocks]>>(seq%blockBits)&1 != 0 {
		return ErrReplayed
	}
	return nil
}

// Commit records seq, for which Check returned nil, as arrived. It returns
// whether seq is the highest so far.
func (w *Window) Commit(seq uint64) (newest bool) {
	block := seq / blockBits
	if newest = seq > w.top; newest {
		old := w.top / blockBits
		for i := range min(block-old, blocks) {
			w.seen[(block-i)%blocks] = 0
		}
		w.top = seq
	}
	w.seen[block%blocks] |= 1 << (seq % blockBits)
	return newest
}
