//go:build linux

package udp

import "unsafe"

// trainCap is the largest number of bytes in a Train. The kernel takes MaxTrain,
// but hands to the device whole only what stays below gso_max_size, by default
// 65536, with all headers: up to Ethernet 14, two VLAN tags 8, IPv6 40, UDP 8.
// What is larger it cuts itself, at several times the cost of the send.
const trainCap = 65535 - 14 - 8 - 40 - 8

// trainAlign is where buffers start, for the kernel's copy to run along cache lines.
const trainAlign = 64

// Train collects datagrams, such as sealed ESP packets, for one Send: back to
// back, all of one size but the last. It needs no copy, as the datagrams are
// made in its buffer. One goroutine at a time; no method but the constructors
// allocates.
type Train struct {
	buf      []byte // trainCap bytes
	n        int    // bytes committed
	size     int    // of the first datagram
	count    int
	max      int
	reserved int // bytes of the reservation open behind n, 0 for none
}

// NewTrain returns an empty train of up to DefaultSegments datagrams, its
// buffer aligned to 64 bytes.
func NewTrain() *Train { return NewTrainOf(DefaultSegments) }

// NewTrainOf is NewTrain with another bound on the datagrams, such as
// Support.MaxSegments; it is held between 1 and MaxSegments.
func NewTrainOf(segments int) *Train {
	raw := make([]byte, trainCap+trainAlign)
	skip := -int(uintptr(unsafe.Pointer(&raw[0]))) & (trainAlign - 1)
	return &Train{
		buf: raw[skip : skip+trainCap : skip+trainCap],
		max: min(max(segments, 1), MaxSegments),
	}
}

// Reserve returns room for one more datagram of exactly n bytes, valid until
// the next call of any method but the getters, or nil if it does not fit this
// train: too many bytes or datagrams, n larger than the train's size, the
// train ended by a shorter datagram, or n below 1. A reservation not
// committed is forgotten by the next one.
func (t *Train) Reserve(n int) []byte {
	t.reserved = 0
	if n < 1 || t.n+n > len(t.buf) || t.count >= t.max {
		return nil
	}
	if t.count > 0 && (n > t.size || t.n != t.count*t.size) {
		return nil
	}
	t.reserved = n
	return t.buf[t.n : t.n+n : t.n+n]
}

// Commit adds the first n bytes of the reservation to the train. It does
// nothing without a reservation of at least n bytes.
func (t *Train) Commit(n int) {
	if n < 1 || n > t.reserved {
		return
	}
	if t.count == 0 {
		t.size = n
	}
	t.n += n
	t.count++
	t.reserved = 0
}

// Bytes returns the datagrams, valid until the next Reserve, Discard or Reset.
func (t *Train) Bytes() []byte { return t.buf[:t.n] }

// Size returns the length in bytes of every datagram but the last, 0 when empty.
func (t *Train) Size() int { return t.size }

// Count returns the number of datagrams.
func (t *Train) Count() int { return t.count }

// Reset empties the train.
func (t *Train) Reset() { t.n, t.size, t.count, t.reserved = 0, 0, 0, 0 }

// Discard drops the datagrams in the first done bytes, SendResult.Done of a
// send that would block; a datagram that ends behind them stays whole.
func (t *Train) Discard(done int) {
	t.reserved = 0
	if done >= t.n {
		t.Reset()
		return
	}
	if t.size == 0 || done < t.size {
		return
	}
	whole := done / t.size
	t.n = copy(t.buf, t.buf[whole*t.size:t.n])
	t.count -= whole
	t.size = min(t.size, t.n)
}
