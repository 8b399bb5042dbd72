//go:build linux

package udp

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// faultyKernel takes the place of sendmsg: it answers from fault and lets the
// call pass to the true one on 0.
type faultyKernel struct {
	fault    func(k *faultyKernel, length, segment int) unix.Errno // segment 0: no train
	trains   int                                                   // calls with UDP_SEGMENT
	singles  int                                                   // calls without
	accepted [][]byte                                              // data of the calls that passed
}

func (k *faultyKernel) sendmsg(fd int, msg *unix.Msghdr) unix.Errno {
	length, segment := int(msg.Iov.Len), 0
	if msg.Control != nil {
		h := (*unix.Cmsghdr)(unsafe.Pointer(msg.Control))
		if h.Level == unix.SOL_UDP && h.Type == unix.UDP_SEGMENT {
			segment = int(*(*uint16)(unsafe.Add(unsafe.Pointer(h), cmsgHeaderLen)))
		}
	}
	if segment > 0 {
		k.trains++
	} else {
		k.singles++
	}
	if errno := k.fault(k, length, segment); errno != 0 {
		return errno
	}
	k.accepted = append(k.accepted, bytes.Clone(unsafe.Slice(msg.Iov.Base, length)))
	return rawSendmsg(fd, msg)
}

// faultyPair is a socket with a faulty kernel, connected to a sound one. The
// clock stands still until the test moves it.
func faultyPair(t *testing.T, fault func(k *faultyKernel, length, segment int) unix.Errno) (from, to *Socket, kernel *faultyKernel, clock *time.Time) {
	to = mustListen(t, anyPort(loopbacks[0].addr), Options{DisableGRO: true})
	from = mustConnect(t, netip.AddrPort{}, to.LocalAddr(), Options{})
	kernel, clock = &faultyKernel{fault: fault}, &time.Time{}
	*clock = time.Unix(1_000_000, 0)
	from.out.sendmsg = kernel.sendmsg
	from.out.now = func() time.Time { return *clock }
	return from, to, kernel, clock
}

func refuseTrains(errno unix.Errno) func(*faultyKernel, int, int) unix.Errno {
	return func(_ *faultyKernel, _, segment int) unix.Errno {
		if segment > 0 {
			return errno
		}
		return 0
	}
}

func TestSegmentationRefused(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EIO, unix.EINVAL, unix.ENOMEM} {
		t.Run(errno.Error(), func(t *testing.T) {
			from, to, kernel, clock := faultyPair(t, refuseTrains(errno))
			data := pattern(4500)
			send := func(wantTrains int, want SendResult) {
				t.Helper()
				kernel.trains, kernel.singles = 0, 0
				result, err := from.Send(data, 1000, 0)
				if err != nil || result != want || kernel.trains != wantTrains {
					t.Fatalf("%+v, %v after %d trains", result, err, kernel.trains)
				}
				datagrams, _ := collect(t, to, len(data))
				if !bytes.Equal(bytes.Join(datagrams, nil), data) {
					t.Fatal("data differs")
				}
			}
			all := SendResult{Sent: 4500, Done: 4500}
			fell := SendResult{Sent: 4500, Done: 4500, Fallback: true}
			send(1, fell)
			if from.Segmenting() {
				t.Error("still segmenting")
			}
			send(0, all)
			*clock = clock.Add(ReprobeAfter - 1)
			send(0, all)
			*clock = clock.Add(1)
			send(1, fell) // tried again, in vain
			send(0, all)
			*clock = clock.Add(ReprobeAfter)
			kernel.fault = func(*faultyKernel, int, int) unix.Errno { return 0 }
			send(1, all) // and now it works
			if !from.Segmenting() {
				t.Error("not segmenting again")
			}
			send(1, all)
		})
	}
}

// When the same data fails without segmenting too, segmenting was not at fault.
func TestSegmentationNotBlamed(t *testing.T) {
	tooLong := func(first unix.Errno) func(*faultyKernel, int, int) unix.Errno {
		return func(_ *faultyKernel, length, segment int) unix.Errno {
			switch {
			case segment > 900:
				return first
			case length > 900:
				return unix.EMSGSIZE
			}
			return 0
		}
	}
	for name, fault := range map[string]func(*faultyKernel, int, int) unix.Errno{
		"EMSGSIZE":                 tooLong(unix.EMSGSIZE),
		"EINVAL of an old kernel":  tooLong(unix.EINVAL),
		"EIO that means something": func(*faultyKernel, int, int) unix.Errno { return unix.EIO },
	} {
		t.Run(name, func(t *testing.T) {
			from, to, kernel, _ := faultyPair(t, fault)
			result, err := from.Send(pattern(4500), 1000, 0)
			want := SendResult{Sent: 500, Done: 4500, Lost: 4, Fallback: true}
			wantErr := unix.EMSGSIZE
			if name == "EIO that means something" {
				want.Sent, want.Lost, wantErr = 0, 5, unix.EIO
			}
			if result != want || err != wantErr {
				t.Errorf("%+v, %v", result, err)
			}
			if !from.Segmenting() {
				t.Error("segmenting was blamed")
			}
			if want.Sent > 0 {
				if d := mustRecv(t, to); !bytes.Equal(d.Bytes, pattern(4500)[4000:]) {
					t.Errorf("%d bytes arrived", len(d.Bytes))
				}
			}
			if kernel.trains == 0 || kernel.singles < 5 {
				t.Errorf("%d trains, %d singles", kernel.trains, kernel.singles)
			}
		})
	}
}

func TestWouldBlock(t *testing.T) {
	t.Run("segmented", func(t *testing.T) {
		from, to, kernel, _ := faultyPair(t, refuseTrains(unix.EAGAIN))
		result, err := from.Send(pattern(4500), 1000, 0)
		if err != ErrWouldBlock || result != (SendResult{}) || kernel.singles != 0 || !from.Segmenting() {
			t.Errorf("%+v, %v, %d singles", result, err, kernel.singles)
		}
		if err := to.Recv(make([]byte, 1<<16), new(Datagrams)); err != ErrWouldBlock {
			t.Errorf("something arrived: %v", err)
		}
	})
	t.Run("after a refusal", func(t *testing.T) {
		from, _, kernel, _ := faultyPair(t, func(_ *faultyKernel, _, segment int) unix.Errno {
			if segment > 0 {
				return unix.EIO
			}
			return unix.EAGAIN
		})
		result, err := from.Send(pattern(4500), 1000, 0)
		if err != ErrWouldBlock || result != (SendResult{Fallback: true}) || kernel.singles != 1 || !from.Segmenting() {
			t.Errorf("%+v, %v, %d singles, segmenting %t", result, err, kernel.singles, from.Segmenting())
		}
	})
	// Fills up after three singles; what is left then goes after a while. All
	// must arrive once, in order.
	for _, lost := range []int{0, 1} {
		from, to, kernel, _ := faultyPair(t, nil)
		kernel.fault = func(k *faultyKernel, length, segment int) unix.Errno {
			switch {
			case segment > 0:
				return unix.EIO
			case k.singles <= lost:
				return unix.EPERM
			case k.singles == lost+4:
				return unix.EAGAIN
			}
			return 0
		}
		train, data := NewTrain(), pattern(8300)
		for rest := data; len(rest) > 0; {
			n := copy(train.Reserve(min(1000, len(rest))), rest)
			train.Commit(n)
			rest = rest[n:]
		}
		result, err := from.Send(train.Bytes(), train.Size(), 0)
		if want := (SendResult{Sent: 3000, Done: 3000 + lost*1000, Lost: lost, Fallback: true}); err != ErrWouldBlock || result != want {
			t.Errorf("%+v, %v", result, err)
		}
		train.Discard(result.Done)
		rest := len(data) - result.Done
		result, err = from.Send(train.Bytes(), train.Size(), 0)
		if err != nil || result.Sent != rest {
			t.Errorf("the rest: %+v, %v", result, err)
		}
		datagrams, _ := collect(t, to, 3000+rest)
		if !bytes.Equal(bytes.Join(datagrams, nil), data[lost*1000:]) {
			t.Error("data differs")
		}
	}
}

func TestRefusedForGood(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EPERM, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENOBUFS} {
		from, _, kernel, _ := faultyPair(t, func(*faultyKernel, int, int) unix.Errno { return errno })
		result, err := from.Send(pattern(4500), 1000, 0)
		if err != errno || result != (SendResult{Done: 4500, Lost: 5}) || kernel.singles != 0 {
			t.Errorf("%v: %+v, %v", errno, result, err)
		}
		if !from.Segmenting() {
			t.Errorf("%v: segmenting was blamed", errno)
		}
	}
}

// Reports that never end are given up; those of every errno that end are
// passed on while the data goes out.
func TestAsynchronousReports(t *testing.T) {
	from, _, kernel, _ := faultyPair(t, func(*faultyKernel, int, int) unix.Errno { return unix.ECONNREFUSED })
	result, err := from.Send(pattern(2000), 1000, 0)
	var async AsyncError
	if !errors.As(err, &async) || result != (SendResult{Done: 2000, Lost: 2}) || kernel.trains != asyncRetries+1 {
		t.Errorf("%+v, %v after %d calls", result, err, kernel.trains)
	}
	for _, errno := range []unix.Errno{unix.ECONNREFUSED, unix.EMSGSIZE, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENOPROTOOPT, unix.EPROTO, unix.EACCES} {
		from, _, kernel, _ := faultyPair(t, func(k *faultyKernel, _, _ int) unix.Errno {
			if k.trains == 1 {
				return errno
			}
			return 0
		})
		result, err := from.Send(pattern(2000), 1000, 0)
		if err != nil || result != (SendResult{Sent: 2000, Done: 2000, Async: AsyncError(errno)}) || kernel.singles != 0 {
			t.Errorf("%v: %+v, %v", errno, result, err)
		}
	}
}

func TestSendRefusesWhatIsNoTrain(t *testing.T) {
	from, _, kernel, _ := faultyPair(t, func(*faultyKernel, int, int) unix.Errno { return 0 })
	for _, c := range []struct{ bytes, size int }{{1, 0}, {1, -1}, {MaxTrain + 1, 1400}, {MaxSegments + 1, 1}, {MaxTrain + 1, MaxTrain + 1}} {
		result, err := from.Send(pattern(c.bytes), c.size, 0)
		if err != ErrTrain || result != (SendResult{}) {
			t.Errorf("%d bytes of %d: %+v, %v", c.bytes, c.size, result, err)
		}
	}
	if result, err := from.Send(nil, 0, 0); err != nil || result != (SendResult{}) {
		t.Errorf("no data: %+v, %v", result, err)
	}
	if len(kernel.accepted) != 0 {
		t.Errorf("%d calls", len(kernel.accepted))
	}
}

// Property: whatever the kernel answers, every datagram is sent once, in
// order, or counted as lost, or left to the caller.
func FuzzSendAccounts(f *testing.F) {
	f.Add([]byte{0}, uint16(4500), uint16(1000))
	f.Add([]byte{1, 0, 0, 3, 0}, uint16(4500), uint16(1000))
	f.Add([]byte{2, 4, 4, 3, 3, 5, 5, 5, 5, 5}, uint16(900), uint16(10))
	f.Add([]byte{6, 0, 6, 6, 6, 6, 0}, uint16(65535), uint16(1400))
	answers := []unix.Errno{0, unix.EIO, unix.EINVAL, unix.EAGAIN, unix.EMSGSIZE, unix.EPERM, unix.ECONNREFUSED, unix.ENOMEM}
	f.Fuzz(func(t *testing.T, script []byte, length, size uint16) {
		s := &Socket{fd: -1}
		s.out.init(true, true)
		data, step, lost := pattern(int(length)), 0, 0
		var accepted []byte
		s.out.sendmsg = func(_ int, msg *unix.Msghdr) unix.Errno {
			errno := unix.Errno(0)
			if step < len(script) {
				errno = answers[int(script[step])%len(answers)]
			}
			step++
			if errno == 0 {
				accepted = append(accepted, unsafe.Slice(msg.Iov.Base, int(msg.Iov.Len))...)
			}
			return errno
		}
		result, err := s.Send(data, int(size), 0)
		if err == ErrTrain {
			if result != (SendResult{}) || step != 0 {
				t.Fatalf("%+v after %d calls", result, step)
			}
			return
		}
		if result.Sent != len(accepted) || result.Done > len(data) || result.Sent > result.Done {
			t.Fatalf("%+v, but %d bytes of %d went", result, len(accepted), len(data))
		}
		if err != ErrWouldBlock && result.Done != len(data) {
			t.Fatalf("%+v of %d, %v", result, len(data), err)
		}
		if (result.Lost > 0) != (err != nil && err != ErrWouldBlock) && err != ErrWouldBlock {
			t.Fatalf("%+v, %v", result, err)
		}
		// What was accepted are the datagrams of the front, less the lost.
		for rest := data[:result.Done]; len(rest) > 0; {
			n := min(int(size), len(rest))
			if bytes.HasPrefix(accepted, rest[:n]) {
				accepted = accepted[n:]
			} else {
				lost++
			}
			rest = rest[n:]
		}
		if len(accepted) != 0 || lost != result.Lost {
			t.Fatalf("%+v: %d lost, %d bytes twice or out of order", result, lost, len(accepted))
		}
	})
}
