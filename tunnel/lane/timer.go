package lane

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// timer ends the lane's sleep at a lane time. epoll's own timeout counts milliseconds,
// in which a gigabit link sends 80 packets.
type timer struct {
	fd int
	at int64 // lane time that it is set to; 0: it is off
}

func (t *timer) open(l *Lane) (err error) {
	if t.fd, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return fmt.Errorf("create timerfd: %w", err)
	}
	if err := l.watch(t.fd, timerKey, unix.EPOLLIN|unix.EPOLLET); err != nil {
		unix.Close(t.fd)
		return err
	}
	return nil
}

func (t *timer) close() { unix.Close(t.fd) }

// set makes the timer expire at a lane time, given the present one; 0 switches it off.
func (t *timer) set(at, now int64) {
	if t.at == at {
		return
	}
	t.at = at
	var spec unix.ItimerSpec
	if at != 0 {
		spec.Value = unix.NsecToTimespec(max(at-now, 1))
	}
	// By a raw call, which the scheduler need not know of: it never blocks. It cannot
	// fail for a descriptor that is a timer.
	_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(t.fd), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}
