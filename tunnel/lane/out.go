package lane

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"vpngw/crypto/esp"
	"vpngw/offload"
	"vpngw/offload/tun"
	"vpngw/offload/udp"
	"vpngw/tunnel/drop"
)

// ESP next headers of tunnel mode (RFC 4303 §2.6).
const (
	nextIPv4  = 4
	nextIPv6  = 41
	nextDummy = 59
)

// drainTUN takes what the TUN has, up to a bound, and sends what may be sent.
func (l *Lane) drainTUN() {
	for range tunReads {
		if !l.tunReady || l.tun == nil {
			return
		}
		s := l.big.get()
		n, err := l.tun.Read(s.buf[:bigSlot-esp.MaxTrailer])
		if err != nil {
			l.release(s)
			l.tunReady = false
			if err != tun.ErrWouldBlock {
				l.loseTUN(err)
			}
			return
		}
		l.outbound(s, n)
		l.serve()
	}
}

// outbound puts the packet in s.buf[:n], virtio header first, into its tunnel's
// queue, or drops it.
func (l *Lane) outbound(s *slot, n int) {
	length := max(n-offload.VirtioHeaderLen, 0)
	if !l.parse(s, n) {
		l.counters.TUNRead.add(length, 1)
		l.counters.Drops.Add(drop.Malformed, 1)
		l.release(s)
		return
	}
	l.counters.TUNRead.add(length, s.seg.Remaining())
	if r := l.classify(s); r != forward {
		l.dropRest(s, r)
		return
	}
	t := s.tunnel
	if l.queue.Blocked(t.class) && n <= smallMax {
		s = l.shrink(s, n)
	}
	l.queue.Enqueue(t.class, &s.node, s.seg.RemainingBytes(), s.cost())
	for {
		_, node := l.queue.Evict(t.class)
		if node == nil {
			return
		}
		l.dropRest(node.Value, drop.QueueFull)
	}
}

// forward is the verdict on a packet that is not dropped.
const forward = drop.Count

// parse reads the headers of the packet in s.buf[:n] and prepares its segments.
func (l *Lane) parse(s *slot, n int) bool {
	if n < offload.VirtioHeaderLen {
		return false
	}
	var vh offload.VirtioHeader
	vh.Decode(s.buf)
	packet := s.buf[offload.VirtioHeaderLen:n]
	h := &l.headers
	if offload.ParseHeaders(packet, h) != nil || s.seg.ResetParsed(vh, packet, h) != nil {
		return false
	}
	s.next = nextIPv4
	if h.Version == 6 {
		s.next = nextIPv6
	}
	return true
}

// classify finds the tunnel of the packet just parsed.
func (l *Lane) classify(s *slot) drop.Reason {
	h := &l.headers
	if h.Dst.IsMulticast() || h.Dst.IsLinkLocalUnicast() {
		return drop.Multicast
	}
	t, ok := l.routes.Lookup(h.Dst)
	if !ok {
		return drop.NoRoute
	}
	s.tunnel = t
	if t.out == nil {
		return drop.TunnelDown
	}
	if !t.out.Policy.outbound(h) {
		return drop.SourcePolicy
	}
	return forward
}

// dropRest drops what is left of a packet that is not in the queue.
func (l *Lane) dropRest(s *slot, r drop.Reason) {
	counters := &l.counters.Drops
	if s.tunnel != nil {
		counters = &s.tunnel.Counters.Drops
	}
	counters.Add(r, s.seg.Remaining())
	l.release(s)
}

// shrink moves a small packet that has to wait out of its 64 KiB slot.
func (l *Lane) shrink(s *slot, n int) *slot {
	to := l.small.get()
	copy(to.buf, s.buf[:n])
	to.tunnel, to.next = s.tunnel, s.next
	var vh offload.VirtioHeader
	vh.Decode(to.buf)
	// The same bytes were accepted a moment ago.
	_ = to.seg.ResetParsed(vh, to.buf[offload.VirtioHeaderLen:n], &l.headers)
	l.release(s)
	return to
}

// serve seals what the queue lets go, until nothing can be sent.
func (l *Lane) serve() {
	for {
		class, node, allowance := l.queue.Next()
		if class == nil {
			return
		}
		s := node.Value
		used, verdict := l.seal(s, allowance)
		l.queue.Used(class, used)
		if verdict != forward {
			l.queue.Pop(class)
			if t := s.tunnel; t.train != nil && t.train.udp.Count() == 0 {
				l.giveTrain(t.train) // taken for nothing
				t.train = nil
			}
			l.dropRest(s, verdict)
		} else if s.seg.Remaining() == 0 {
			l.queue.Pop(class)
			l.release(s)
		}
	}
}

// seal cuts and seals segments of s into its tunnel's trains, sending them when burst
// are full, until allowance bytes are used, the tunnel is blocked, or s is spent. A verdict
// other than forward says why the rest cannot be sent.
func (l *Lane) seal(s *slot, allowance int) (used int, verdict drop.Reason) {
	t := s.tunnel
	for s.seg.Remaining() > 0 && used < allowance {
		if t.out == nil {
			return used, drop.TunnelDown
		}
		if t.socket == nil {
			return used, drop.NoSocket
		}
		if t.train == nil && !l.startTrain(t) {
			return used, drop.QueueFull
		}
		size := esp.SealedLen(s.seg.SegmentLen())
		dst := t.train.reserve(size, t.outerTOS(s.seg.TOS()))
		if dst == nil {
			if t.train.udp.Count() == 0 {
				return used, drop.TooBig
			}
			t.full = append(t.full, t.train)
			t.train = nil
			if len(t.full) == burst && !l.flush(t) {
				return used, forward
			}
			continue
		}
		o := t.out
		if o.used.spent(&o.Limits) {
			l.tellHard(&o.used, t, o.Child)
			return used, drop.HardLimit
		}
		segment := s.seg.Next()
		if _, err := o.ESP.Seal(dst, segment, s.next); err != nil {
			l.tellHard(&o.used, t, o.Child)
			t.Counters.Drops.Add(drop.Exhausted, 1) // segment, which s has no more
			return used, drop.Exhausted
		}
		o.used.packets++
		o.used.bytes += uint64(len(segment))
		t.train.udp.Commit(size)
		t.train.inner += len(segment)
		used += len(segment)
		if !t.open {
			t.open = true
			l.open = append(l.open, t)
		}
	}
	return used, forward
}

// startTrain gives t an empty train. If there is none, what can be sent is sent now;
// if then all are held by tunnels that are blocked, the one blocked longest loses
// what it has sealed.
func (l *Lane) startTrain(t *Tunnel) bool {
	if t.train = l.takeTrain(); t.train != nil {
		return true
	}
	l.flushAll()
	if t.train = l.takeTrain(); t.train != nil || len(l.held) == 0 {
		return t.train != nil
	}
	l.discard(l.held[0], drop.QueueFull)
	t.train = l.takeTrain()
	return true
}

// flushAll sends the trains that have something to send.
func (l *Lane) flushAll() {
	for len(l.open) > 0 {
		l.flush(l.open[len(l.open)-1])
	}
}

// flush sends t's trains. It returns false if t is now blocked and keeps some.
func (l *Lane) flush(t *Tunnel) bool {
	if t.open {
		t.open = false
		l.open = remove(l.open, t)
	}
	if t.socket == nil {
		l.discard(t, drop.NoSocket)
		return true
	}
	for len(t.full) > 0 {
		if !l.send(t, t.full[0]) {
			return false
		}
		l.giveTrain(t.full[0])
		t.full = slices.Delete(t.full, 0, 1)
	}
	if t.train != nil {
		if !l.send(t, t.train) {
			return false
		}
		l.giveTrain(t.train)
		t.train = nil
	}
	l.held = remove(l.held, t)
	return true
}

// discard drops what t has sealed.
func (l *Lane) discard(t *Tunnel, r drop.Reason) {
	if t.train != nil {
		t.full = append(t.full, t.train)
		t.train = nil
	}
	for _, tr := range t.full {
		t.Counters.Drops.Add(r, tr.udp.Count())
		l.giveTrain(tr)
	}
	t.full = t.full[:0]
	l.held = remove(l.held, t)
}

// send sends one train. It returns false if the tunnel is now blocked: then what is
// left in the train is to be sent later.
func (l *Lane) send(t *Tunnel, tr *train) bool {
	count, size := tr.udp.Count(), tr.udp.Size()
	res, err := t.socket.socket.Send(tr.udp.Bytes(), size, tr.tos)
	if res.Fallback {
		t.Counters.SegmentFallbacks.Add(1)
	}
	if res.Async != 0 {
		t.Counters.SocketErrors.Add(1)
	}
	blocked := err == udp.ErrWouldBlock
	done, sent := count, 0 // datagrams that need no more sending, and those of them that left
	if blocked {
		done = res.Done / size // the last one, which may be shorter, is not among them
	}
	if res.Sent > 0 {
		sent = done - res.Lost
		l.sent(t, res.Sent, sent, tr.inner*sent/count)
	}
	if done > sent {
		t.Counters.Drops.Add(sendFailure(err), done-sent)
		l.sendFailed(t, err)
	}
	if blocked {
		tr.inner -= tr.inner * done / count
		tr.udp.Discard(res.Done)
		l.block(t)
		return false
	}
	return true
}

// sent counts datagrams that left, bytes in all for inner bytes of packets, and
// watches the limits of the SA.
func (l *Lane) sent(t *Tunnel, bytes, sent, inner int) {
	l.counters.UDPSend.add(bytes, sent)
	t.Counters.PacketsOut.Add(uint64(sent))
	t.Counters.BytesOut.Add(uint64(inner))
	t.Counters.LastOut.Store(l.now)
	l.watchSilence(t)
	if o := t.out; o != nil {
		l.tellSoft(&o.used, &o.Limits, t, o.Child)
	}
}

func (l *Lane) block(t *Tunnel) {
	t.Counters.SendBlocked.Add(1)
	l.queue.Block(t.class)
	if !slices.Contains(l.held, t) {
		l.held = append(l.held, t)
	}
	l.wantWritable(t.socket, true)
}

// unblock lets t send again, first what it has sealed.
func (l *Lane) unblock(t *Tunnel) {
	if t.socket != nil {
		l.wantWritable(t.socket, false)
	}
	if !l.flush(t) {
		return
	}
	l.queue.Unblock(t.class)
	l.serve()
}

// sendFailed tells control of errors that another socket may cure.
func (l *Lane) sendFailed(t *Tunnel, err error) {
	if sendFailure(err) != drop.Unreachable || t.failedAt != 0 && l.now-t.failedAt < second {
		return
	}
	if l.tell(SocketFailed{Tunnel: t, Err: err}) {
		t.failedAt = l.now
	}
}

// sendFailure names the reason of a failed send. None of them says that the peer
// is dead.
func sendFailure(err error) drop.Reason {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		var async udp.AsyncError
		if !errors.As(err, &async) {
			return drop.SendError
		}
		errno = unix.Errno(async)
	}
	switch errno {
	case unix.EMSGSIZE:
		return drop.TooBig
	case unix.EPERM, unix.EACCES:
		return drop.Firewall
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EADDRNOTAVAIL, unix.EINVAL, unix.ENODEV:
		return drop.Unreachable
	}
	return drop.SendError
}

func remove(list []*Tunnel, t *Tunnel) []*Tunnel {
	if i := slices.Index(list, t); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}
