package offload

import (
	"encoding/binary"
	"errors"
)

// ErrCannotFragment says that a [Fragmenter] was given IPv6, a packet with DF, a fragment
// that reaches beyond the longest packet, or an MTU that leaves no room for eight bytes of
// payload.
var ErrCannotFragment = errors.New("offload: packet cannot be fragmented")

const (
	fragmentUnit = 8      // bytes of payload that offsets count in
	moreFlag     = 0x2000 // more fragments
	offsetMask   = 0x1fff

	optionCopied = 0x80 // of an option's type: it goes into every fragment
)

// Fragmenter cuts an IPv4 packet into fragments (RFC 791 §2.3, §3.2): all with its ID,
// the first one with its options, those behind with the options that are to be copied. A
// packet that is a fragment itself is cut further. It allocates nothing; the zero value
// has nothing left, and Reset may be called again at any time. One goroutine at a time
// may use it.
type Fragmenter struct {
	pkt    []byte // up to its IP length
	rest   []byte // payload not yet cut
	field  uint16 // offset in units and flags of the next fragment, as if it were not the last one
	last   uint16 // more-fragments flag of the last one
	mtu    int
	first  bool
	header [maxIPv4Header]byte // of the fragments behind the first
	length int                 // of it
}

const maxIPv4Header = 60

// Reset makes f cut pkt, which [ParseHeaders] has read into h, into fragments of at most
// mtu bytes. f reads pkt until the last fragment is made. The error is ErrCannotFragment,
// and f has then nothing left.
func (f *Fragmenter) Reset(pkt []byte, h *Headers, mtu int) error {
	f.rest = nil
	header := ipv4Options(pkt)
	if DontFragment(pkt, h) || mtu < header+fragmentUnit {
		return ErrCannotFragment
	}
	field := binary.BigEndian.Uint16(pkt[ipv4FragmentAt:])
	if int(field&offsetMask)*fragmentUnit+h.Len > MaxPacket {
		return ErrCannotFragment
	}
	f.pkt, f.rest = pkt[:h.Len], pkt[header:h.Len]
	f.field, f.last = field|moreFlag, field&moreFlag
	f.mtu, f.first = mtu, true
	f.length = f.copyHeader()
	return nil
}

// ipv4Options returns where the options of an IPv4 header end: its length.
func ipv4Options(pkt []byte) int { return int(pkt[0]&0x0f) * 4 }

// copyHeader makes the header of the fragments behind the first: without the options that
// stand in the first one only. Options that break their format are not copied.
func (f *Fragmenter) copyHeader() int {
	n := copy(f.header[:], f.pkt[:ipv4HeaderLen])
	options := f.pkt[ipv4HeaderLen:ipv4Options(f.pkt)]
	for len(options) > 0 && options[0] != 0 { // 0: end of options
		length := 1
		if options[0] != 1 { // no operation, which has no length
			if len(options) < 2 || int(options[1]) < 2 || int(options[1]) > len(options) {
				break
			}
			length = int(options[1])
		}
		if options[0]&optionCopied != 0 {
			n += copy(f.header[n:], options[:length])
		}
		options = options[length:]
	}
	for ; n%4 != 0; n++ {
		f.header[n] = 0
	}
	f.header[0] = 0x40 | uint8(n/4)
	return n
}

// Next writes the next fragment to dst, which has room for the mtu of Reset, and returns
// its length in bytes, 0 if there is none left.
func (f *Fragmenter) Next(dst []byte) int {
	if len(f.rest) == 0 {
		return 0
	}
	header := f.header[:f.length]
	if f.first {
		header = f.pkt[:ipv4Options(f.pkt)]
		f.first = false
	}
	n := copy(dst, header)
	room := (f.mtu - n) / fragmentUnit * fragmentUnit
	field := f.field
	if f.mtu-n >= len(f.rest) {
		room = len(f.rest)
		field = field&^moreFlag | f.last
	}
	n += copy(dst[n:], f.rest[:room])
	f.rest = f.rest[room:]
	f.field += uint16(room / fragmentUnit)

	binary.BigEndian.PutUint16(dst[ipv4LengthAt:], uint16(n))
	binary.BigEndian.PutUint16(dst[ipv4FragmentAt:], field)
	putIPv4Checksum(dst[:len(header)])
	return n
}
