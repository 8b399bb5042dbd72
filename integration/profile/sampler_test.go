package main

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// record makes one as the kernel writes it.
func record(kind uint32, words ...uint64) (b []byte) {
	header := uint64(kind) | uint64(recordHeader+8*len(words))<<48
	for _, w := range append([]uint64{header}, words...) {
		b = binary.NativeEndian.AppendUint64(b, w)
	}
	return b
}

func TestParseRecords(t *testing.T) {
	const user = 1<<64 - 512 // PERF_CONTEXT_USER
	var b []byte
	b = append(b, record(unix.PERF_RECORD_SAMPLE, 0xffffffff81000010, 3, user, 0x401000, 0x402000)...)
	b = append(b, record(unix.PERF_RECORD_LOST, 1, 12)...)
	b = append(b, record(unix.PERF_RECORD_EXIT, 1, 2)...)
	b = append(b, record(unix.PERF_RECORD_SAMPLE, 7, 0)...)
	want := [][]uint64{{0xffffffff81000010, 0x401000, 0x402000}, {7}}
	// Wherever the ring begins, and also where records go round its end.
	for shift := 0; shift < len(b); shift += 8 {
		ring := append(slices.Clone(b[len(b)-shift:]), b[:len(b)-shift]...)
		var got [][]uint64
		lost := parseRecords(ring, uint64(shift), uint64(shift+len(b)), func(stack []uint64) { got = append(got, slices.Clone(stack)) })
		if lost != 12 || len(got) != 2 || !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
			t.Fatalf("shifted by %d: %x, %d lost; want %x, 12", shift, got, lost, want)
		}
	}
	parseRecords(make([]byte, 64), 0, 64, func([]uint64) { t.Error("a sample in nothing") })
}

func FuzzParseRecords(f *testing.F) {
	f.Add(record(unix.PERF_RECORD_SAMPLE, 7, 1<<60, 0x401000), uint64(8))
	f.Add(binary.NativeEndian.AppendUint64(make([]byte, 0, 16), unix.PERF_RECORD_EXIT|12<<48)[:16], uint64(0)) // no whole number of words
	f.Fuzz(func(t *testing.T, data []byte, from uint64) {
		data = data[:len(data)&^7]
		if len(data) == 0 {
			return
		}
		from = from % (1 << 40) &^ 7
		parseRecords(data, from, from+uint64(len(data)), func(stack []uint64) {
			if len(stack) == 0 || len(stack) > 1<<16/8 {
				t.Errorf("a stack of %d addresses, more than a record has room for", len(stack))
			}
		})
	})
}

// TestSampler watches this process at work: the samples are as many as its processor time, and know where it went.
func TestSampler(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	names, err := readSymbols(program)
	if err != nil {
		t.Fatal(err)
	}
	stop, busy := make(chan struct{}), make(chan uint64)
	go func() { busy <- spin(stop) }()
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	defer func() { close(stop); <-busy }()
	var a account
	// In the ends of switches between tasks no samples can be taken: a machine with other work has many.
	for tries, enough := 5, false; !enough; tries-- {
		before := used()
		if a, err = take(os.Getpid(), names, 500*time.Millisecond); err != nil {
			t.Skipf("this machine does not let us sample: %v", err)
		}
		spent, seen := used()-before, time.Duration(a.Seconds*float64(time.Second))
		enough = seen >= spent*8/10
		if seen > spent*11/10 || a.Lost > 0 || !enough && tries == 1 {
			t.Fatalf("samples of %v and %d lost for %v of work", seen, a.Lost, spent)
		}
	}
	if len(a.Functions) == 0 || a.Functions[0].Name != "vpngw/integration/profile.spin" {
		t.Errorf("most samples are said to be of %+v", a.Functions[:min(3, len(a.Functions))])
	}
}

//go:noinline
func spin(stop chan struct{}) (n uint64) {
	for {
		for range 1 << 20 {
			n = n*31 + 1
		}
		select {
		case <-stop:
			return n
		default:
		}
	}
}

func TestKallsyms(t *testing.T) {
	s := symbols{kernel: parseKallsyms("ffffffff81000200 T second\nffffffff81000100 t first\nffffffff81000180 d data\n0000000000000000 T hidden\nffffffffc0000000 t third\t[module]\nx T wrong\n")}
	for address, want := range map[uint64]string{
		0xffffffff81000100: "first", 0xffffffff810001ff: "first", 0xffffffff81000200: "second", 0xffffffffc0000010: "third", 0xffffffff81000000: "? in the kernel",
	} {
		if got := s.name(address); got != want {
			t.Errorf("%x is in %s, want %s", address, got, want)
		}
	}
}
