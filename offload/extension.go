package offload

import "encoding/binary"

// IPv6 extension headers that are walked (RFC 8200 §4, RFC 4302). All others are
// taken as the upper layer: behind ESP nothing can be read, and the mobility,
// HIP and shim6 headers end a chain in practice.
const (
	extHopByHop    uint8 = 0
	extRouting     uint8 = 43
	extFragment    uint8 = 44
	extAH          uint8 = 51
	extDestination uint8 = 60
)

// maxExtensions bounds the walk. RFC 8200 §4.1 has each header at most once and
// the destination options twice, which makes six.
const maxExtensions = 8

// walkExtensions sets the Proto, L4 and Fragment of the IPv6 packet pkt, which
// is cut to its IP length. Behind a later fragment's header nothing is walked:
// there lies the middle of a datagram.
func walkExtensions(pkt []byte, h *Headers) (laterFragment bool, err error) {
	h.Proto = pkt[6]
	h.L4 = ipv6HeaderLen
	h.Fragment = false
	for n := 0; ; n++ {
		switch h.Proto {
		case extHopByHop:
			if n != 0 {
				return false, ErrExtension // RFC 8200 §4.1: only right behind the IPv6 header
			}
		case extRouting, extFragment, extAH, extDestination:
		default:
			return false, nil
		}
		if n == maxExtensions {
			return false, ErrExtension
		}
		if len(pkt)-h.L4 < 8 {
			return false, ErrShort
		}
		ext := pkt[h.L4:]
		length := (int(ext[1]) + 1) * 8
		switch h.Proto {
		case extAH:
			length = (int(ext[1]) + 2) * 4
		case extFragment:
			length = 8
			fragment := binary.BigEndian.Uint16(ext[2:])
			h.Fragment = h.Fragment || fragment&0xfff9 != 0 // an offset, or more fragments
			laterFragment = fragment&0xfff8 != 0
		}
		if length > len(ext) {
			return false, ErrShort
		}
		h.Proto = ext[0]
		h.L4 += length
		if laterFragment {
			return true, nil
		}
	}
}
