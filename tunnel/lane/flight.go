package lane

const (
	// stuckAfter is how long the bytes in a socket may stay where they are, while those of
	// no other move, before it is taken for stuck. A device that sends anything moves
	// somebody's.
	stuckAfter = second / 20
	stuckPoll  = second / 500 // between two looks at one that is
)

// flight is what a tunnel's socket holds below the queue.
type flight struct {
	listed  bool  // in Uplink.flying
	stuck   bool  // its bytes do not count, and its class is blocked
	bytes   int   // at the last look
	movedAt int64 // lane time when they were seen to get fewer
	until   int   // bytes: with fewer it is stuck no more
}

// fly notes that something was sent.
func (u *Uplink) fly(t *Tunnel, now int64) {
	if f := &t.flight; !f.listed {
		f.listed, f.bytes, f.movedAt = true, 0, now
		u.flying = append(u.flying, t)
	}
}

// inFlight is the bytes that the sockets of the uplink hold, all in front of what it sends
// next. Those of a socket whose packets got stuck on their way to the device, for example
// in a queueing discipline of the administrator's, are not: if they counted, one tunnel
// would hold back all.
func (u *Uplink) inFlight(now int64) (bytes int) {
	still, lingering := u.flying[:0], 0
	for _, t := range u.flying {
		f, n := &t.flight, 0
		if t.socket != nil {
			n = t.socket.socket.Queued()
		}
		if n < f.bytes {
			f.movedAt = now
		}
		f.bytes = n
		if f.stuck && n <= f.until {
			u.unstick(t)
		}
		if f.listed = n > 0; !f.listed {
			continue
		}
		still = append(still, t)
		switch {
		case f.stuck:
		case now-f.movedAt >= stuckAfter:
			lingering += n
		default:
			bytes += n
		}
	}
	u.flying = still
	if bytes == 0 && lingering > 0 {
		u.stick(now)
		return 0
	}
	return bytes + lingering
}

// stick takes for stuck what lingers although nothing of others' is on its way.
func (u *Uplink) stick(now int64) {
	for _, t := range u.flying {
		if f := &t.flight; !f.stuck && now-f.movedAt >= stuckAfter {
			f.stuck, f.until = true, f.bytes/2
			u.queue.Block(t.class)
		}
	}
}

func (u *Uplink) unstick(t *Tunnel) {
	t.flight.stuck = false
	if !t.waits() {
		u.queue.Unblock(t.class)
	}
}

// waits tells whether t's socket has no room.
func (t *Tunnel) waits() bool { return t.socket != nil && t.socket.writable }

// wakeTime is the lane time at which u may have something to send again; 0: not before
// something happens.
func (u *Uplink) wakeTime(now int64) int64 {
	at := u.queue.Wake()
	for _, t := range u.flying {
		if t.flight.stuck && t.class.Len() > 0 {
			if poll := now + stuckPoll; at == 0 || poll < at {
				at = poll
			}
			break
		}
	}
	return at
}
