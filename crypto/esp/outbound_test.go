package esp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestSealedLen(t *testing.T) {
	for _, c := range []struct{ packet, datagram int }{
		{0, 36}, {1, 36}, {2, 36}, {3, 40}, {6, 40}, {7, 44}, {64, 100}, {1400, 1436}, {65535, 65572},
	} {
		if got := SealedLen(c.packet); got != c.datagram {
			t.Errorf("SealedLen(%d) = %d, want %d", c.packet, got, c.datagram)
		}
	}
}

func TestMaxPacket(t *testing.T) {
	for datagram := range 2000 {
		want := 0
		for n := 0; SealedLen(n) <= datagram; n++ {
			want = n
		}
		if got := MaxPacket(datagram); got != want {
			t.Fatalf("MaxPacket(%d) = %d, want %d", datagram, got, want)
		}
	}
	if got := MaxPacket(-1); got != 0 {
		t.Errorf("MaxPacket(-1) = %d, want 0", got)
	}
}

func TestSealOpen(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		out, in := newPair(t, s, esn)
		lengths := []int{1400, 9000, 65535}
		for n := range 70 {
			lengths = append(lengths, n)
		}
		for i, n := range lengths {
			seq := uint64(i + 1)
			packet := pattern(n)
			datagram := mustSeal(t, out, packet, 41)
			if len(datagram) != SealedLen(n) {
				t.Fatalf("%d bytes sealed to %d, want %d", n, len(datagram), SealedLen(n))
			}
			if spi, ok := SPIOf(datagram); spi != testSPI || !ok {
				t.Fatalf("SPIOf = %#x, %v", spi, ok)
			}
			if got := binary.BigEndian.Uint32(datagram[4:]); uint64(got) != seq || out.Sequence() != seq {
				t.Fatalf("sequence number %d sent, %d told, want %d", got, out.Sequence(), seq)
			}
			if iv := binary.BigEndian.Uint64(datagram[HeaderLen:]); iv != seq {
				t.Fatalf("IV %d, want the sequence number %d", iv, seq)
			}
			mustOpen(t, in, datagram, packet, 41)
		}
	})
}

// The packet lies inside a larger buffer, the datagram inside another: Seal must
// leave every byte of both but the datagram's own as it found them.
func TestSealNeighbours(t *testing.T) {
	const before, after = 40, 64
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		out, _ := newPair(t, s, esn)
		for n := range 50 {
			tun := bytes.Repeat([]byte{0xa5}, before+n+after)
			copy(tun[before:], pattern(n))
			copy(tun[before+n:], pattern(MaxTrailer))
			wantTUN := bytes.Clone(tun)

			total := SealedLen(n)
			send := bytes.Repeat([]byte{0x5a}, before+total+after)
			if _, err := out.Seal(send[before:], tun[before:before+n], 4); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(tun, wantTUN) {
				t.Fatalf("%d bytes: packet or what is around it changed:\n%x, was\n%x", n, tun, wantTUN)
			}
			poison := bytes.Repeat([]byte{0x5a}, after)
			if !bytes.Equal(send[:before], poison[:before]) || !bytes.Equal(send[before+total:], poison) {
				t.Fatalf("%d bytes: written outside of the datagram:\n%x", n, send)
			}
		}
	})
}

func TestSealBuffers(t *testing.T) {
	out, _ := newPair(t, AES256GCM, true)
	packet := pattern(100)
	total := SealedLen(len(packet))
	if _, err := out.Seal(make([]byte, total-1, total), packet, 4); err != ErrBuffer {
		t.Errorf("short destination: %v, want ErrBuffer", err)
	}
	if _, err := out.Seal(make([]byte, total), packet[:100:100+MaxTrailer-1], 4); err != ErrBuffer {
		t.Errorf("packet without room for a trailer: %v, want ErrBuffer", err)
	}
	if out.Sequence() != 0 {
		t.Errorf("refused packets used up %d sequence numbers", out.Sequence())
	}
	if _, err := out.Seal(make([]byte, total), packet[:100:100+MaxTrailer], 4); err != nil {
		t.Errorf("buffers just large enough: %v", err)
	}
}

func TestSealExhausted(t *testing.T) {
	for _, c := range []struct {
		esn  bool
		last uint64
	}{{false, 1<<32 - 1<<16}, {true, 1 << 34}} {
		out, in := newPair(t, AES128GCM, c.esn)
		in.window.Commit(c.last - 10)
		packet := pattern(20)
		out.startAt(c.last - 1)
		mustOpen(t, in, mustSeal(t, out, packet, 4), packet, 4)
		mustOpen(t, in, mustSeal(t, out, packet, 4), packet, 4)
		if in.Sequence() != c.last {
			t.Fatalf("ESN %v: last sequence number %d, want %d", c.esn, in.Sequence(), c.last)
		}
		dst := make([]byte, SealedLen(len(packet)))
		for range 3 {
			if _, err := out.Seal(dst, packet, 4); err != ErrExhausted {
				t.Fatalf("ESN %v: %v beyond the last sequence number, want ErrExhausted", c.esn, err)
			}
		}
		if out.Sequence() != c.last || !bytes.Equal(dst, make([]byte, len(dst))) {
			t.Fatalf("ESN %v: an exhausted SA sent or counted on to %d", c.esn, out.Sequence())
		}
	}
}

func TestNoAllocation(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		out, in := newPair(t, s, esn)
		packet, dst := pattern(1400), make([]byte, SealedLen(1400))
		got := testing.AllocsPerRun(200, func() {
			n, err := out.Seal(dst, packet, 4)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := in.Open(dst[:n]); err != nil {
				t.Fatal(err)
			}
			if _, _, err := in.Open(dst[:n]); err != ErrReplayed {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("%v allocations for one packet sealed, opened and replayed, want 0", got)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		suite Suite
		spi   uint32
		key   int
		says  string
	}{
		{"no suite", 0, testSPI, 36, "Suite(0) is not a known suite"},
		{"unknown suite", 9, testSPI, 36, "Suite(9) is not a known suite"},
		{"key without salt", AES256GCM, testSPI, 32, "got 32 bytes of keying material, AES-256-GCM takes 36"},
		{"key of another suite", AES128GCM, testSPI, 36, "AES-128-GCM takes 20"},
		{"no key", ChaCha20Poly1305, testSPI, 0, "ChaCha20-Poly1305 takes 36"},
		{"reserved SPI", AES256GCM, 255, 36, "SPI 255 is reserved"},
	} {
		_, outErr := NewOutbound(c.suite, c.spi, make([]byte, c.key), true)
		_, inErr := NewInbound(c.suite, c.spi, make([]byte, c.key), true)
		for _, err := range []error{outErr, inErr} {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want an error with %q", c.name, err, c.says)
			}
		}
	}
	if _, err := NewOutbound(AES256GCM, MinSPI, make([]byte, 36), false); err != nil {
		t.Errorf("lowest SPI: %v", err)
	}
}

func TestKeymatIsCopied(t *testing.T) {
	key := keymat(AES256GCM)
	out, err := NewOutbound(AES256GCM, testSPI, key, false)
	if err != nil {
		t.Fatal(err)
	}
	clear(key)
	_, in := newPair(t, AES256GCM, false)
	mustOpen(t, in, mustSeal(t, out, pattern(30), 4), pattern(30), 4)
}

func TestPrintedWithoutKeys(t *testing.T) {
	out, in := newPair(t, ChaCha20Poly1305, true)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got, want := fmt.Sprintf(verb, out), "outbound ESP SA 0xc0ffee01 ChaCha20-Poly1305 ESN"; got != want {
			t.Errorf("%s: %q, want %q", verb, got, want)
		}
		if got, want := fmt.Sprintf(verb, in), "inbound ESP SA 0xc0ffee01 ChaCha20-Poly1305 ESN"; got != want {
			t.Errorf("%s: %q, want %q", verb, got, want)
		}
	}
}

// Errors the hot path returns must stay plain values that == finds.
func TestErrorsDiffer(t *testing.T) {
	all := []error{ErrShort, ErrSPI, ErrReplayed, ErrTooOld, ErrAuthentication, ErrTrailer, ErrExhausted, ErrBuffer, ErrFIPSOnly}
	for i, a := range all {
		for j, b := range all {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("errors.Is(%v, %v) = %v", a, b, i != j)
			}
		}
	}
}
