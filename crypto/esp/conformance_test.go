package esp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

// reader opens and seals datagrams by the RFCs' text and the standard AEADs alone.
type reader struct {
	aead cipher.AEAD
	salt []byte
	esn  bool
}

func newReader(t testing.TB, s Suite, esn bool) *reader {
	t.Helper()
	key := keymat(s)
	r := &reader{salt: key[len(key)-4:], esn: esn}
	key = key[:len(key)-4]
	var err error
	if s == ChaCha20Poly1305 {
		r.aead, err = chacha20poly1305.New(key)
	} else {
		block, errAES := aes.NewCipher(key)
		if errAES != nil {
			t.Fatal(errAES)
		}
		r.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// aad is SPI and sequence number, with ESN the upper half of it between
// (RFC 4106 §5, RFC 7634 §2.1).
func (r *reader) aad(header []byte, high uint32) []byte {
	if !r.esn {
		return header[:8:8]
	}
	b := append(bytes.Clone(header[:4]), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(b[4:], high)
	return append(b, header[4:8]...)
}

func (r *reader) nonce(iv []byte) []byte { return append(bytes.Clone(r.salt), iv...) }

func (r *reader) open(t testing.TB, datagram []byte, high uint32) []byte {
	t.Helper()
	plain, err := r.aead.Open(nil, r.nonce(datagram[8:16]), datagram[16:], r.aad(datagram, high))
	if err != nil {
		t.Fatalf("the datagram does not open by the text of the RFC: %v", err)
	}
	return plain
}

func (r *reader) seal(spi uint32, seq uint64, iv, plain []byte) []byte {
	d := binary.BigEndian.AppendUint32(nil, spi)
	d = binary.BigEndian.AppendUint32(d, uint32(seq))
	aad := r.aad(d, uint32(seq>>32))
	return r.aead.Seal(append(d, iv...), r.nonce(iv), plain, aad)
}

// TestConformanceSealed takes datagrams apart: SPI, number, IV, ICV of 16 bytes, and
// inside the packet, padding 1, 2, 3 … to a multiple of four, its length, next header.
func TestConformanceSealed(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		r := newReader(t, s, esn)
		out, _ := newPair(t, s, esn)
		for n := range 70 {
			for _, next := range []uint8{4, 41, 59} {
				packet := pattern(n)
				want := out.Sequence() + 1
				d := mustSeal(t, out, packet, next)
				if binary.BigEndian.Uint32(d) != testSPI || uint64(binary.BigEndian.Uint32(d[4:])) != want {
					t.Fatalf("header %x, want SPI %x and number %d", d[:8], uint32(testSPI), want)
				}
				plain := r.open(t, d, 0)
				if len(d) != 16+len(plain)+16 || len(plain)%4 != 0 {
					t.Fatalf("%d bytes of plaintext in %d", len(plain), len(d))
				}
				pad := int(plain[len(plain)-2])
				if pad > 3 || len(plain) != n+pad+2 || plain[len(plain)-1] != next || !bytes.Equal(plain[:n], packet) {
					t.Fatalf("%d bytes, next header %d: plaintext %x", n, next, plain)
				}
				for i, b := range plain[n : n+pad] {
					if int(b) != i+1 {
						t.Fatalf("%d bytes: padding %x", n, plain[n:n+pad])
					}
				}
			}
		}
	})
}

// TestConformanceFirstNumber: the first packet of an SA has number 1, each next one
// the next, and none the IV of another (RFC 4303 §2.2, §3.3.3, RFC 4106 §3.1).
func TestConformanceFirstNumber(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		out, _ := newPair(t, s, esn)
		ivs := map[string]bool{}
		for want := uint32(1); want <= 300; want++ {
			d := mustSeal(t, out, pattern(int(want)), 4)
			if got := binary.BigEndian.Uint32(d[4:]); got != want {
				t.Fatalf("packet %d has number %d", want, got)
			}
			ivs[string(d[8:16])] = true
		}
		if len(ivs) != 300 {
			t.Errorf("300 packets have %d IVs", len(ivs))
		}
	})
}

// TestConformanceHighHalf: with ESN the upper half is authenticated and not sent
// (RFC 4303 §2.2.1, RFC 4106 §5).
func TestConformanceHighHalf(t *testing.T) {
	for _, s := range suites {
		r := newReader(t, s, true)
		out, in := newPair(t, s, true)
		for _, high := range []uint64{1, 2, 3} {
			at := high<<32 + 5
			out.startAt(at)
			packet := pattern(33)
			d := mustSeal(t, out, packet, 4)
			if len(d) != SealedLen(33) || binary.BigEndian.Uint32(d[4:]) != 5 {
				t.Fatalf("%v: %d bytes, number %x", s, len(d), d[4:8])
			}
			r.open(t, d, uint32(high))
			in.window.Commit(at - 1)
			mustOpen(t, in, d, packet, 4)
		}
	}
}

// TestConformanceOtherSenders opens what a sender of another make may send: IVs that
// are no counter, gaps in the numbers, padding of every length and with anything in
// it, and plaintext that is longer than the packet (RFC 4303 §2.4, §2.7, RFC 4106 §3.1).
func TestConformanceOtherSenders(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		r := newReader(t, s, esn)
		_, in := newPair(t, s, esn)
		seq := uint64(0)
		for pad := range 256 {
			seq += 1 + rng.Uint64N(1000)
			iv := binary.BigEndian.AppendUint64(nil, rng.Uint64())
			packet := pattern(40 + pad%7)
			plain := bytes.Clone(packet)
			for range pad {
				plain = append(plain, byte(rng.Uint32()))
			}
			plain = append(plain, byte(pad), 41)
			mustOpen(t, in, r.seal(testSPI, seq, iv, plain), packet, 41)
			if in.Sequence() != seq {
				t.Fatalf("number %d, want %d", in.Sequence(), seq)
			}
		}
	})
}

// TestConformanceShortICV: ICVs of 8 and 12 bytes, which RFC 4106 §6 allows in other
// transforms, are not taken for the 16 that were negotiated.
func TestConformanceShortICV(t *testing.T) {
	for _, s := range suites {
		r := newReader(t, s, false)
		_, in := newPair(t, s, false)
		d := r.seal(testSPI, 1, make([]byte, 8), append(pattern(40), 1, 2, 2, 4))
		for _, cut := range []int{1, 4, 8, 12} {
			openRefused(t, in, d[:len(d)-cut], ErrAuthentication)
		}
		mustOpen(t, in, d, pattern(40), 4)
	}
}

// TestConformanceWindowIsLargeEnough: 64 numbers back at least (RFC 4303 §3.4.3), each
// taken once.
func TestConformanceWindowIsLargeEnough(t *testing.T) {
	r := newReader(t, AES128GCM, false)
	_, in := newPair(t, AES128GCM, false)
	packet := append(pattern(20), 1, 2, 2, 4)
	at := func(seq uint64) []byte { return r.seal(testSPI, seq, binary.BigEndian.AppendUint64(nil, seq), packet) }
	mustOpen(t, in, at(1000), pattern(20), 4)
	for back := uint64(1); back < 64; back++ {
		mustOpen(t, in, at(1000-back), pattern(20), 4)
		openRefused(t, in, at(1000-back), ErrReplayed)
	}
	openRefused(t, in, at(1000), ErrReplayed)
}
