//go:build linux

package udp

import (
	"bytes"
	"net/netip"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// trainModel keeps the datagrams that a Train should hold.
type trainModel struct {
	datagrams [][]byte
	max       int
}

func (m *trainModel) bytes() []byte { return bytes.Join(m.datagrams, nil) }

func (m *trainModel) size() int {
	if len(m.datagrams) == 0 {
		return 0
	}
	return len(m.datagrams[0])
}

// takes says whether one more datagram of n bytes leaves a train that the
// kernel accepts: all of one length but the last.
func (m *trainModel) takes(n int) bool {
	count := len(m.datagrams)
	if n < 1 || count == m.max || len(m.bytes())+n > trainCap {
		return false
	}
	return count == 0 || n <= m.size() && len(m.datagrams[count-1]) == m.size()
}

func TestTrainAgainstModel(t *testing.T) {
	to := mustListen(t, anyPort(loopbacks[0].addr), Options{})
	from := mustConnect(t, netip.AddrPort{}, to.LocalAddr(), Options{})
	rapid.Check(t, func(t *rapid.T) {
		max := rapid.SampledFrom([]int{1, 2, DefaultSegments}).Draw(t, "max")
		train, model := NewTrainOf(max), &trainModel{max: max}
		common := rapid.SampledFrom([]int{1, 96, 1472, 30_000}).Draw(t, "common")
		sizes := rapid.OneOf(rapid.Just(common), rapid.Just(common), rapid.IntRange(-1, common+1), rapid.IntRange(0, 66_000))
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			switch rapid.IntRange(0, 20).Draw(t, "step") {
			case 0:
				train.Reset()
				model.datagrams = nil
			case 1:
				k := rapid.IntRange(0, len(model.datagrams)).Draw(t, "discard")
				done := len(bytes.Join(model.datagrams[:k], nil))
				model.datagrams = model.datagrams[k:]
				train.Discard(done)
			case 2:
				train.Reserve(sizes.Draw(t, "abandoned"))
			default:
				n := sizes.Draw(t, "n")
				room := train.Reserve(n)
				if (room != nil) != model.takes(n) {
					t.Fatalf("Reserve(%d) gave %d bytes; holding %d of %d, %d bytes", n, len(room), train.Count(), train.Size(), len(train.Bytes()))
				}
				if room == nil {
					continue
				}
				if len(room) != n || cap(room) != n {
					t.Fatalf("Reserve(%d): length %d, capacity %d", n, len(room), cap(room))
				}
				fill := bytes.Repeat([]byte{byte(len(model.datagrams) + 1)}, n)
				copy(room, fill)
				// A datagram may turn out shorter than its reservation.
				used := rapid.SampledFrom([]int{n, n, n, n - n/2}).Draw(t, "used")
				train.Commit(used)
				model.datagrams = append(model.datagrams, fill[:used])
			}
			if !bytes.Equal(train.Bytes(), model.bytes()) || train.Size() != model.size() || train.Count() != len(model.datagrams) {
				t.Fatalf("holds %d of %d, want %d of %d", train.Count(), train.Size(), len(model.datagrams), model.size())
			}
		}
		// The judge of judges.
		result, err := from.Send(train.Bytes(), train.Size(), 0)
		if err != nil || result.Fallback || result.Sent != len(train.Bytes()) {
			t.Fatalf("the kernel refuses %d of %d: %+v, %v", train.Count(), train.Size(), result, err)
		}
		var got []byte
		var d Datagrams
		for buf := make([]byte, 1<<16); to.Recv(buf, &d) == nil; {
			got = append(got, d.Bytes...)
		}
		if !bytes.Equal(got, train.Bytes()) {
			t.Fatalf("%d bytes arrived of %d", len(got), len(train.Bytes()))
		}
	})
}

func TestTrainMisuse(t *testing.T) {
	train := NewTrain()
	train.Commit(5)
	if room := train.Reserve(10); len(room) != 10 {
		t.Fatal("no room in an empty train")
	}
	for _, n := range []int{-1, 0, 11} {
		train.Commit(n)
		if train.Count() != 0 {
			t.Errorf("Commit(%d) of a reservation of 10 was taken", n)
		}
	}
	train.Commit(10)
	train.Commit(10)
	train.Discard(-1)
	train.Discard(9) // inside the first datagram
	if train.Count() != 1 || len(train.Bytes()) != 10 {
		t.Errorf("%d datagrams, %d bytes", train.Count(), len(train.Bytes()))
	}
	for _, segments := range []int{-1, 0, 1, 1000} {
		train, want := NewTrainOf(segments), min(max(segments, 1), MaxSegments)
		for train.Reserve(1) != nil {
			train.Commit(1)
		}
		if train.Count() != want {
			t.Errorf("NewTrainOf(%d) took %d", segments, train.Count())
		}
	}
}

func TestTrainBuffer(t *testing.T) {
	for range 10 {
		if p := uintptr(unsafe.Pointer(&NewTrain().Reserve(1)[0])); p%64 != 0 {
			t.Errorf("buffer at %#x", p)
		}
	}
	train := NewTrain()
	if allocs := testing.AllocsPerRun(10, func() {
		for train.Reserve(1400) != nil {
			train.Commit(1400)
		}
		train.Discard(1400)
		train.Reset()
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
