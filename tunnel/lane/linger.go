package lane

import "golang.org/x/sys/unix"

// After a long sleep the processor's own sleep is deep, and to wake it takes longer than a
// packet's whole way through the gateway. So when a lane has sent on what ended a long
// sleep, it looks for the answer for a moment before it sleeps again. Of its time that is
// a twentieth at most.
const (
	longSleep  = second / 200  // nanoseconds
	lingerTime = second / 4000 // a round trip between near sites
)

// linger notes how a sleep that began at since has ended.
func (l *Lane) linger(since int64) {
	if l.tunReady && l.now-since >= longSleep {
		l.lingerUntil = l.now + lingerTime
	}
}

// lingers tells whether the lane does not sleep although nothing is to be done.
func (l *Lane) lingers() bool {
	if len(l.ready) > 0 {
		l.lingerUntil = 0 // the answer
	}
	return l.now < l.lingerUntil
}

// giveWay lets a thread run that waits for this processor: perhaps the one that is to answer.
func giveWay() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
