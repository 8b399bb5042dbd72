package esp

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// openRefused opens a copy of datagram, which must fail and leave the SA as it
// was and, when the failure comes before cryptography, the datagram too.
func openRefused(t testing.TB, in *Inbound, datagram []byte, want error) {
	t.Helper()
	window, sequence := in.window, in.sequence
	work := bytes.Clone(datagram)
	packet, next, err := in.Open(work)
	if err != want || packet != nil || next != 0 {
		t.Fatalf("opened %x, next header %d, error %v; want error %v", packet, next, err, want)
	}
	if in.window != window || in.sequence != sequence || in.Newest() {
		t.Fatalf("refused with %v, and yet the SA changed", err)
	}
	if want == ErrAuthentication {
		end := len(work) - ICVLen
		if !bytes.Equal(work[:payloadOffset], datagram[:payloadOffset]) || !bytes.Equal(work[end:], datagram[end:]) {
			t.Fatalf("header, IV or ICV changed:\n%x, was\n%x", work, datagram)
		}
	} else if !bytes.Equal(work, datagram) {
		t.Fatalf("refused with %v, and yet the datagram changed", err)
	}
}

func TestOpenTampered(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		out, in := newPair(t, s, esn)
		out.startAt(100)
		packet := pattern(61)
		mustOpen(t, in, mustSeal(t, out, packet, 4), packet, 4)
		datagram := mustSeal(t, out, packet, 4)
		for i := range datagram {
			for _, flip := range []byte{0x01, 0x80, 0xff} {
				bad := bytes.Clone(datagram)
				bad[i] ^= flip
				want := ErrAuthentication
				if i < 4 {
					want = ErrSPI
				}
				if i == 7 && flip == 0x01 {
					want = ErrReplayed // 101 became 100
				}
				openRefused(t, in, bad, want)
			}
		}
		mustOpen(t, in, datagram, packet, 4)
	})
}

func TestOpenTruncated(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		out, in := newPair(t, s, esn)
		packet := pattern(200)
		datagram := mustSeal(t, out, packet, 4)
		for n := range datagram {
			want := ErrAuthentication
			if n < HeaderLen+IVLen+2+ICVLen {
				want = ErrShort
			}
			openRefused(t, in, datagram[:n], want)
		}
		openRefused(t, in, append(bytes.Clone(datagram), 0), ErrAuthentication)
		mustOpen(t, in, datagram, packet, 4)
	})
}

func TestOpenNeighbours(t *testing.T) {
	const around = 64
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		for _, forged := range []bool{false, true} {
			for n := range 40 {
				out, in := newPair(t, s, esn)
				datagram := mustSeal(t, out, pattern(n), 4)
				if forged {
					datagram[len(datagram)-1] ^= 1
				}
				buffer := bytes.Repeat([]byte{0xa5}, around+len(datagram)+around)
				copy(buffer[around:], datagram)
				want := bytes.Clone(buffer)

				packet, _, err := in.Open(buffer[around : around+len(datagram)])
				if (err == ErrAuthentication) != forged {
					t.Fatalf("forged %v: %v", forged, err)
				}
				// The ciphertext is Open's to change, nothing else.
				start, end := around+payloadOffset, around+len(datagram)-ICVLen
				copy(want[start:end], buffer[start:end])
				if !bytes.Equal(buffer, want) {
					t.Fatalf("%d bytes, forged %v: changed outside the ciphertext:\n%x, want\n%x", n, forged, buffer, want)
				}
				if cap(packet) > len(packet) {
					t.Fatalf("%d bytes: an append to the packet would write over what follows it", n)
				}
				if !forged && n > 0 && &packet[0] != &buffer[start] {
					t.Fatalf("%d bytes: packet was copied", n)
				}
			}
		}
	})
}

func TestOpenWrongKeySaltOrMode(t *testing.T) {
	packet := pattern(50)
	for _, s := range suites {
		out, _ := newPair(t, s, false)
		datagram := mustSeal(t, out, packet, 4)
		for _, c := range []struct {
			name string
			at   int // byte of keymat to change, or -1
			esn  bool
		}{{"key", 0, false}, {"salt", s.KeyLen() - 1, false}, {"ESN", -1, true}} {
			key := keymat(s)
			if c.at >= 0 {
				key[c.at] ^= 1
			}
			in, err := NewInbound(s, testSPI, key, c.esn)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(s.String()+" wrong "+c.name, func(t *testing.T) { openRefused(t, in, datagram, ErrAuthentication) })
		}
	}
}

func TestOpenSequenceZero(t *testing.T) {
	_, in := newPair(t, AES256GCM, false)
	packet := pattern(20)
	zero := make([]byte, SealedLen(len(packet)))
	in.sa.seal(zero, packet, 4, 0, 0)
	openRefused(t, in, zero, ErrReplayed)
	// With ESN a lower half of 0 is a number like others once the upper is not 0.
	_, in = newPair(t, AES256GCM, true)
	in.sa.seal(zero, packet, 4, 1<<32, 1<<32)
	in.window.Commit(1<<32 - 5)
	mustOpen(t, in, zero, packet, 4)
}

func TestOpenReplayedAndTooOld(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		out, in := newPair(t, s, esn)
		packet := pattern(30)
		first, second := mustSeal(t, out, packet, 4), mustSeal(t, out, packet, 4)
		out.startAt(WindowSize + 1)
		late := mustSeal(t, out, packet, 4)
		mustOpen(t, in, late, packet, 4)
		openRefused(t, in, late, ErrReplayed)
		mustOpen(t, in, second, packet, 4)
		if in.Newest() || in.Sequence() != 2 {
			t.Errorf("an older packet: newest %v, sequence number %d", in.Newest(), in.Sequence())
		}
		openRefused(t, in, second, ErrReplayed)
		// With ESN an old lower half reads as one of the next 2³².
		want := ErrTooOld
		if esn {
			want = ErrAuthentication
		}
		openRefused(t, in, first, want)
	})
}

// The trailer of an authentic packet may still be wrong.
func TestOpenTrailer(t *testing.T) {
	for _, c := range []struct {
		plaintext []byte
		packet    []byte
		err       error
	}{
		{[]byte{0, 4}, []byte{}, nil},
		{[]byte{1, 1, 4}, []byte{}, nil},
		{[]byte{1, 2, 4}, nil, ErrTrailer},
		{[]byte{1, 4}, nil, ErrTrailer},
		{[]byte{9, 9, 9, 255, 4}, nil, ErrTrailer},
		{append(bytes.Repeat([]byte{7}, 255), 255, 4), []byte{}, nil},
		{append(bytes.Repeat([]byte{7}, 256), 255, 4), []byte{7}, nil}, // pad bytes are not verified
	} {
		_, in := newPair(t, AES128GCM, false)
		a := in.sa
		datagram := binary.BigEndian.AppendUint32(nil, testSPI)
		datagram = binary.BigEndian.AppendUint32(datagram, 7)
		datagram = binary.BigEndian.AppendUint64(datagram, 99)
		nonce := append(bytes.Clone(a.nonce[:saltLen]), datagram[HeaderLen:]...)
		datagram = a.aead.Seal(datagram, nonce, c.plaintext, a.additionalData(7))

		packet, next, err := in.Open(datagram)
		if err != c.err || !bytes.Equal(packet, c.packet) {
			t.Errorf("plaintext %x: packet %x, error %v; want %x, %v", c.plaintext, packet, err, c.packet, c.err)
		}
		if err == nil && next != 4 {
			t.Errorf("plaintext %x: next header %d, want 4", c.plaintext, next)
		}
		if in.Sequence() != 7 || in.window.Check(7) != ErrReplayed {
			t.Errorf("plaintext %x: an authentic packet did not count as received", c.plaintext)
		}
	}
}

// With ESN, a stream that crosses 2³² reordered 4,096 deep, each packet twice
// and with the whole stream replayed at the end, delivers each packet once.
func TestOpenAcross32Bits(t *testing.T) {
	const packets, depth = 3 * 4096, 4096
	for _, border := range []uint64{1 << 32, 2 << 32} {
		out, in := newPair(t, AES128GCM, true)
		out.startAt(border - packets/2)
		in.window.Commit(border - packets/2 - 1)
		datagrams := make([][]byte, packets)
		for i := range datagrams {
			datagrams[i] = mustSeal(t, out, binary.BigEndian.AppendUint64(make([]byte, 0, 8+MaxTrailer), uint64(i)), 4)
		}
		rng := rand.New(rand.NewPCG(border, 1))
		order := make([]int, packets)
		for i := range order {
			order[i] = i
		}
		// The middle one of the stretches shuffled straddles the border.
		for i := 0; i < packets; i += depth {
			part := order[i:min(i+depth, packets)]
			rng.Shuffle(len(part), func(a, b int) { part[a], part[b] = part[b], part[a] })
		}
		for _, i := range order {
			packet, _, err := in.Open(bytes.Clone(datagrams[i]))
			if err != nil {
				t.Fatalf("packet %d from the border: %v", i-packets/2, err)
			}
			if got := binary.BigEndian.Uint64(packet); got != uint64(i) {
				t.Fatalf("packet %d opened as %d", i, got)
			}
			if want := border - packets/2 + uint64(i); in.Sequence() != want {
				t.Fatalf("sequence number %#x, want %#x", in.Sequence(), want)
			}
			openRefused(t, in, datagrams[i], ErrReplayed)
		}
		for i, d := range datagrams {
			if _, _, err := in.Open(bytes.Clone(d)); err != ErrReplayed && err != ErrAuthentication {
				t.Fatalf("replay of packet %d: %v", i, err)
			}
		}
	}
}

func TestSPIOf(t *testing.T) {
	out, _ := newPair(t, AES256GCM, false)
	datagram := mustSeal(t, out, pattern(0), 59)
	for n := range datagram {
		if spi, ok := SPIOf(datagram[:n]); ok != (n >= minDatagram) {
			t.Errorf("%d bytes: SPI %#x, %v", n, spi, ok)
		}
	}
	for _, c := range []struct {
		spi uint32
		ok  bool
	}{{0, false}, {1, false}, {255, false}, {256, true}, {1<<32 - 1, true}} {
		binary.BigEndian.PutUint32(datagram, c.spi)
		if spi, ok := SPIOf(datagram); ok != c.ok || ok && spi != c.spi {
			t.Errorf("SPI %d: %d, %v, want %v", c.spi, spi, ok, c.ok)
		}
	}
}
