package lane

import (
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nap is how long a lane sleeps, in milliseconds, before it tells the Go scheduler. Once
// told, the runtime's monitor takes away the processor (Go's P) that the lane's goroutine
// runs on, has to be woken at the end of the sleep, and then looks around every 20 µs:
// while packets come by the thousand, that costs more than the rest of a sleep. And its
// first look is at a goroutine that has not given way for long, so that it makes the lane
// do so with the packet in its hands: 50 µs. During a nap Go has one processor less.
//
// Whoever stops the world meanwhile, as the garbage collector does, is not kept waiting:
// the signal that the runtime sends for that ends the system call.
const nap = 20

// napping is how many lanes of this process take a nap. One processor is always left for
// other goroutines.
var napping atomic.Int32

// processors is how many Go has.
var processors = int32(runtime.GOMAXPROCS(0))

// MakeRoom gives Go a processor more than there are lanes, on machines with fewer as well,
// so that each lane may take naps; unless the environment says how many Go has. Before any
// lane runs.
func MakeRoom(lanes int) {
	if _, told := os.LookupEnv("GOMAXPROCS"); !told && runtime.GOMAXPROCS(0) <= lanes {
		runtime.GOMAXPROCS(lanes + 1)
	}
	processors = int32(runtime.GOMAXPROCS(0))
}

// await is epoll_wait(2) into l.polled, with the timeouts 0 and -1: for nothing, and for
// ever.
func (l *Lane) await(timeout int) (n int, err error) {
	if timeout == 0 {
		return l.awaitUnseen(0)
	}
	if napping.Add(1) < processors {
		n, err = l.awaitUnseen(nap)
	}
	napping.Add(-1)
	if n != 0 || err != nil {
		l.counters.Naps.Add(1)
		return n, err
	}
	return unix.EpollWait(l.epoll, l.polled[:], -1)
}

// awaitUnseen waits so many milliseconds at most, by a system call of which the Go
// scheduler does not hear.
func (l *Lane) awaitUnseen(milliseconds int) (n int, err error) {
	r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.polled[0])),
		uintptr(len(l.polled)), uintptr(milliseconds), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}
