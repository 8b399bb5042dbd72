package offload

import (
	"encoding/binary"
	"math/bits"
)

// Sum returns the ones' complement sum (RFC 1071) of initial and b, taken as
// big-endian 16-bit words and padded with a zero byte if its length is odd. The
// result is folded but not inverted: a checksum field takes its complement, and
// over bytes that hold a right checksum it is 0xffff. To sum in pieces, give
// the sum so far as initial; every piece but the last must have an even length.
func Sum(b []byte, initial uint16) uint16 {
	return fold(uint32(sumWords(b)) + uint32(initial))
}

// PseudoSum returns the folded, not inverted sum of the pseudo-header of TCP and
// UDP (RFC 9293 §3.1, RFC 8200 §8.1). addresses are the source and destination
// as they lie side by side in the IP header (8 or 32 bytes), length is that of
// the upper-layer header and payload in bytes, below 64 KiB.
func PseudoSum(addresses []byte, proto uint8, length int) uint16 {
	return fold(uint32(sumWords(addresses)) + uint32(proto) + uint32(length))
}

// fold brings a sum of up to 65536 words down to 16 bits, with end-around carry.
func fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum)
}

// sumWords is Sum without an initial value. It adds 64-bit words in the byte
// order of the machine that is cheapest to load, which RFC 1071 §2(B) allows: the
// bytes of the folded result are swapped once at the end.
func sumWords(b []byte) uint16 {
	var a, c, carry uint64
	// Two chains of adds: a chain waits for its own carries, so the processor
	// runs the second beside the first. Measured against one and four chains of
	// 64 to 256 bytes, this is the fastest for a segment and nearly so for 64 KiB.
	for len(b) >= 128 {
		w := b[:128]
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[0:]), 0)
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[8:]), carry)
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[16:]), carry)
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[24:]), carry)
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[32:]), carry)
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[40:]), carry)
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[48:]), carry)
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[56:]), carry)
		a += carry
		c, carry = bits.Add64(c, binary.LittleEndian.Uint64(w[64:]), 0)
		c, carry = bits.Add64(c, binary.LittleEndian.Uint64(w[72:]), carry)
		c, carry = bits.Add64(c, binary.LittleEndian.Uint64(w[80:]), carry)
		c, carry = bits.Add64(c, binary.LittleEndian.Uint64(w[88:]), carry)
		c, carry = bits.Add64(c, binary.LittleEndian.Uint64(w[96:]), carry)
		c, carry = bits.Add64(c, binary.LittleEndian.Uint64(w[104:]), carry)
		c, carry = bits.Add64(c, binary.LittleEndian.Uint64(w[112:]), carry)
		c, carry = bits.Add64(c, binary.LittleEndian.Uint64(w[120:]), carry)
		c += carry
		b = b[128:]
	}
	for len(b) >= 32 {
		w := b[:32]
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[0:]), 0)
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[8:]), carry)
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[16:]), carry)
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(w[24:]), carry)
		a += carry
		b = b[32:]
	}
	for len(b) >= 8 {
		a, carry = bits.Add64(a, binary.LittleEndian.Uint64(b), 0)
		a += carry
		b = b[8:]
	}
	var rest uint64 // the last 0 to 7 bytes
	if len(b) >= 4 {
		rest = uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	var tail uint64 // the last 0 to 3 of them
	for i, v := range b {
		tail |= uint64(v) << (8 * i)
	}
	rest += tail
	a, carry = bits.Add64(a, rest, 0)
	a, carry = bits.Add64(a, c, carry)
	a += carry
	a = a>>32 + a&0xffffffff
	a = a>>32 + a&0xffffffff
	return bits.ReverseBytes16(fold(uint32(a)))
}
