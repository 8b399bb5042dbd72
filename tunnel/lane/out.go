package lane

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"vpngw/crypto/esp"
	"vpngw/fairness"
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

	// nextUnsummed is, between gateways that agreed on it, an IP packet with a TCP or UDP
	// segment whose checksum is left to the receiver. The number is for experiments (RFC 3692).
	nextUnsummed = 253
)

// drainTUN takes what the TUN has, up to a bound, into the queues.
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
			if err == tun.ErrWouldBlock {
				l.counters.TUNRead.WouldBlock.Add(1)
			} else {
				l.loseTUN(err)
			}
			return
		}
		l.tunCount++
		l.outbound(s, n)
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
	l.towards(sourceOf(s.buf[offload.VirtioHeaderLen:])).TUNRead.add(length, s.seg.Remaining())
	if r := l.route(s); r != forward {
		l.dropRest(s, r)
		return
	}
	if !l.several() || l.stays(s, n) {
		l.accept(s, n)
	}
}

// accept puts the packet just parsed, in s.buf[:n], into the queue of its tunnel, which is
// at home here, or drops it.
func (l *Lane) accept(s *slot, n int) {
	t := s.tunnel
	if r := l.admits(t); r != forward {
		l.dropRest(s, r)
		return
	}
	if t.mtu != 0 {
		if s.seg.SegmentLen() > t.mtu {
			l.tooLong(s, n)
			return
		}
		if !t.NoMSSClamp {
			l.clampOut(s, n)
		}
		if segment := s.seg.SegmentLen(); segment > alwaysCarried && offload.DontFragment(s.buf[offload.VirtioHeaderLen:], &l.headers) {
			t.late.note(l.now, s.flow, s.buf[offload.VirtioHeaderLen:n], segment)
		}
	}
	if n <= smallMax && (t.uplink.queue.Memory() >= served || t.uplink.queue.Blocked(t.class)) {
		s = l.shrink(s, n)
	}
	l.enqueue(s)
}

// enqueue puts a packet into its tunnel's queue, and drops what that has no room for.
func (l *Lane) enqueue(s *slot) {
	t := s.tunnel
	q := t.uplink.queue
	overhead := t.overhead()
	first, last := s.seg.SegmentLen(), s.seg.LastLen()
	t.uplink.borrowFor(s.cost())
	q.Enqueue(l.now, t.class, &s.node, fairness.Packet{
		Flow: s.flow, Segments: s.seg.Remaining(),
		Wire: esp.SealedLen(first) + overhead, LastWire: esp.SealedLen(last) + overhead,
		Memory: s.cost(), ECN: s.ecn && !t.NoECN,
	})
	for {
		_, node := q.Evict()
		if node == nil {
			return
		}
		l.dropRest(node.Value, drop.QueueFull)
	}
}

// overhead is the bytes that a sealed packet of t has around it on the wire: UDP, IP
// and what the uplink has below.
func (t *Tunnel) overhead() int {
	if t.socket != nil && t.socket.remote.Addr().Is6() && !t.socket.remote.Addr().Is4In6() {
		return t.uplink.overhead + 8 + 40
	}
	return t.uplink.overhead + 8 + 20
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
	s.flow, s.ecn = l.flows.hash(packet, h), h.TOS&offload.ECNMask != offload.NotECT
	return true
}

// route finds the tunnel of the packet just parsed.
func (l *Lane) route(s *slot) drop.Reason {
	h := &l.headers
	if h.Dst.IsMulticast() || h.Dst.IsLinkLocalUnicast() {
		return drop.Multicast
	}
	t, ok := l.routes.Lookup(h.Dst)
	if !ok {
		return drop.NoRoute
	}
	s.tunnel = l.strandOf(t, s.flow)
	return forward
}

// admits tells whether t may send the packet just parsed.
func (l *Lane) admits(t *Tunnel) drop.Reason {
	if t.out == nil {
		return drop.TunnelDown
	}
	if t.uplink == nil {
		return drop.NoSocket
	}
	if !t.out.Policy.outbound(&l.headers) {
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
	to.tunnel, to.next, to.flow, to.ecn = s.tunnel, s.next, s.flow, s.ecn
	var vh offload.VirtioHeader
	vh.Decode(to.buf)
	// The same bytes were accepted a moment ago.
	_ = to.seg.ResetParsed(vh, to.buf[offload.VirtioHeaderLen:n], &l.headers)
	l.release(s)
	return to
}

// seal cuts and seals up to segments of s into its tunnel's trains, until they are done or
// the tunnel is blocked. When burst are full then, it sends them with the one that has the
// last segments, so that no superpacket is torn where a burst ends; longer ones than a train
// do not wait for that. used is their bytes. A verdict other than forward says why the rest
// of s cannot be sent.
func (l *Lane) seal(s *slot, segments int) (done, used int, verdict drop.Reason) {
	t := s.tunnel
	for done < segments {
		if t.out == nil {
			return done, used, drop.TunnelDown
		}
		if t.socket == nil {
			return done, used, drop.NoSocket
		}
		if t.train == nil && !l.startTrain(t) {
			return done, used, drop.QueueFull
		}
		size, tos := esp.SealedLen(s.seg.SegmentLen()), t.outerTOS(s.seg.TOS())
		dst := t.train.reserve(size, tos)
		if dst == nil {
			if t.train.udp.Count() == 0 {
				return done, used, drop.TooBig
			}
			l.counters.TrainEnds[t.train.endedBy(size, tos)].Add(1)
			t.full = append(t.full, t.train)
			t.train, t.kept = nil, false
			if len(t.full) > burst && !l.flush(t) {
				return done, used, forward
			}
			continue
		}
		o := t.out
		if o.used.spent(&o.Limits) {
			l.tellHard(&o.used, t, o.Child)
			return done, used, drop.HardLimit
		}
		segment, next := l.cut(s, o)
		if _, err := o.ESP.Seal(dst, segment, next); err != nil {
			l.tellHard(&o.used, t, o.Child)
			t.Counters.Drops.Add(drop.Exhausted, 1) // segment, which s has no more
			return done + 1, used, drop.Exhausted
		}
		o.used.packets++
		o.used.bytes += uint64(len(segment))
		t.train.udp.Commit(size)
		t.train.inner += len(segment)
		done++
		used += len(segment)
		if !t.open {
			t.open = true
			l.open = append(l.open, t)
		}
	}
	if len(t.full) >= burst && s.seg.Remaining() == 0 {
		l.endTrain(t, TrainBurst)
	}
	return done, used, forward
}

// cut takes the next segment from s, and what ESP has to say that it is.
func (l *Lane) cut(s *slot, o *Outbound) (segment []byte, next uint8) {
	if o.Unsummed && s.seg.Cuts() {
		return s.seg.NextUnsummed(), nextUnsummed
	}
	return s.seg.Next(), s.next
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
		l.endTrain(l.open[len(l.open)-1], TrainShort)
	}
}

// endTrain is flush for a train that ends for a reason of the lane's, not for the next datagram.
func (l *Lane) endTrain(t *Tunnel, why TrainEnd) {
	if t.train != nil {
		l.counters.TrainEnds[why].Add(1)
	}
	l.flush(t)
}

// flushTurn is flushAll at the end of a turn. A train that the next turn goes on to fill
// is left open, but none for two turns.
func (l *Lane) flushTurn() {
	for i := len(l.open) - 1; i >= 0; i-- {
		t := l.open[i]
		if t.kept = !t.kept && t.uplink != nil && t.uplink.more && t.class.Len() > 0; !t.kept {
			l.endTrain(t, TrainTurn)
		}
	}
}

// flushUplink sends the trains of an uplink.
func (l *Lane) flushUplink(u *Uplink) {
	for i := len(l.open) - 1; i >= 0; i-- {
		if t := l.open[i]; t.uplink == u {
			l.endTrain(t, TrainTurn)
		}
	}
}

// flushFull sends the trains that are full.
func (l *Lane) flushFull() {
	for i := len(l.open) - 1; i >= 0; i-- {
		if t := l.open[i]; len(t.full) > 0 && t.socket != nil && !l.sendFull(t) {
			t.open, t.kept = false, false
			l.open = remove(l.open, t)
		}
	}
}

// flush sends t's trains. It returns false if t is now blocked and keeps some.
func (l *Lane) flush(t *Tunnel) bool {
	if t.open {
		t.open, t.kept = false, false
		l.open = remove(l.open, t)
	}
	if t.socket == nil {
		l.discard(t, drop.NoSocket)
		return true
	}
	if !l.sendFull(t) {
		return false
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

func (l *Lane) sendFull(t *Tunnel) bool {
	for len(t.full) > 0 {
		if !l.send(t, t.full[0]) {
			return false
		}
		l.giveTrain(t.full[0])
		t.full = slices.Delete(t.full, 0, 1)
	}
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
		l.watchHints(t, res.Async)
	}
	blocked := err == udp.ErrWouldBlock
	done, sent := count, 0 // datagrams that need no more sending, and those of them that left
	if blocked {
		done = res.Done / size // the last one, which may be shorter, is not among them
	}
	if res.Sent > 0 {
		sent = done - res.Lost
		l.sent(t, res.Sent, sent, tr.inner*sent/count)
		l.watchLarge(t, size)
	}
	if done > sent {
		t.Counters.Drops.Add(sendFailure(err), done-sent)
		l.sendFailed(t, err)
		l.watchHints(t, err)
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
	l.towardsPeer(t).UDPSend.add(bytes, sent)
	t.Counters.PacketsOut.Add(uint64(sent))
	t.Counters.BytesOut.Add(uint64(inner))
	t.Counters.LastOut.Store(l.now)
	if u := t.uplink; u != nil && !u.shaped {
		u.fly(t, l.now)
	}
	l.watchSilence(t)
	if t.Strand != 0 {
		l.awaitAnswer(t)
	}
	if o := t.out; o != nil {
		l.tellSoft(&o.used, &o.Limits, t, o.Child)
	}
}

func (l *Lane) block(t *Tunnel) {
	t.Counters.SendBlocked.Add(1)
	l.counters.UDPSend.WouldBlock.Add(1)
	if t.uplink != nil {
		t.uplink.queue.Block(t.class)
	}
	if !slices.Contains(l.held, t) {
		l.held = append(l.held, t)
	}
	l.wantWritable(t.socket, true)
}

// unblock lets t send again, first what it has sealed. What waits follows in this turn.
func (l *Lane) unblock(t *Tunnel) {
	if t.socket != nil {
		l.wantWritable(t.socket, false)
	}
	if !l.flush(t) {
		return
	}
	if t.uplink != nil && !t.flight.stuck {
		t.uplink.queue.Unblock(t.class)
	}
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
