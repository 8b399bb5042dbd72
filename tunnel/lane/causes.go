package lane

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Wakes counts the lane's sleeps by what ended them. One that several things ended at
// once counts for each.
type Wakes struct {
	Socket   atomic.Uint64 // something to receive
	Writable atomic.Uint64 // a socket whose send buffer was full has room again
	TUN      atomic.Uint64
	Timer    atomic.Uint64 // an uplink's rate, or a look at a socket that is stuck
	Command  atomic.Uint64 // of Lane.Do
}

// count takes what one wait brought.
func (w *Wakes) count(events []unix.EpollEvent) {
	var socket, writable, tun, timer, command uint64
	for _, ev := range events {
		switch ev.Fd {
		case wakeKey:
			command = 1
		case timerKey:
			timer = 1
		case tunKey:
			tun = 1
		default:
			if ev.Events&unix.EPOLLOUT != 0 {
				writable = 1
			}
			if ev.Events&^unix.EPOLLOUT != 0 {
				socket = 1
			}
		}
	}
	w.Socket.Add(socket)
	w.Writable.Add(writable)
	w.TUN.Add(tun)
	w.Timer.Add(timer)
	w.Command.Add(command)
}

// TrainEnd is why a train of datagrams was closed, to be sent.
type TrainEnd uint8

// The reasons. Those after the first leave a train that is not full, and so one more
// system call.
const (
	TrainFull  TrainEnd = iota // no further datagram fits
	TrainSize                  // the next datagram is longer, or the last one was shorter: only that of a superpacket's end may be
	TrainTOS                   // the next datagram has another TOS
	TrainBurst                 // the superpacket ended with which a burst was full
	TrainTurn                  // the turn ended: nothing waits for more
	TrainShort                 // there was no other train for another tunnel
	TrainEndCount
)

// String is the reason's name in status.
func (e TrainEnd) String() string {
	return [TrainEndCount]string{"full", "size", "tos", "burst", "turn", "shortage"}[e]
}

// endedBy is why a datagram of that size and TOS, which reserve has refused, ends the train.
func (tr *train) endedBy(size int, tos uint8) TrainEnd {
	length, first := len(tr.udp.Bytes()), tr.udp.Size()
	switch {
	case tr.tos != tos:
		return TrainTOS
	case size > first || length%first != 0:
		return TrainSize
	}
	return TrainFull
}
