package lane

import "golang.org/x/sys/unix"

// shortSlice is how long a lane's thread asks to run before others that wait have their
// turn: the least that Linux grants.
const shortSlice = 100_000 // nanoseconds

// askShortSlice makes the scheduler run this thread soon after it wakes up. Under EEVDF
// (Linux 6.12) who asks for short slices goes before who asks for long ones, but gets no
// more of the processor in all: a sparse packet is not to wait for the slice of a busy
// process. Older kernels take no notice, and a policy of the administrator's stays.
func askShortSlice() {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		return
	}
	attr.Runtime = shortSlice
	_ = unix.SchedSetAttr(0, attr, 0) // without it packets wait longer on a busy machine, no more
}
