package lane

import (
	"net/netip"

	"vpngw/offload"
	"vpngw/tunnel/drop"
)

// ICMP errors that a tunnel makes: one for each flow that has to learn a smaller size,
// and no storm where senders do not listen.
const (
	reportsPerSecond = 100
	reportBurst      = 100
)

// longestFragment is what fits a small slot: fragments wait like other small packets.
const longestFragment = smallMax - offload.VirtioHeaderLen

// reporter makes ICMP errors.
type reporter struct {
	from4, from6 netip.Addr // the zero Addr: where the packet was going
	message      [offload.VirtioHeaderLen + offload.MaxTooBig]byte
}

// SetMTU says how long packets may be that cross the path to t's peer in one datagram,
// in bytes; 0: that is not known. Longer ones are fragmented where their senders allow it,
// and dropped otherwise, which their senders are told; if it is less than before, also
// those of packets that were sent lately. On the lane's goroutine.
func (l *Lane) SetMTU(t *Tunnel, mtu int) {
	narrower := mtu != 0 && mtu < t.mtu
	t.mtu = mtu
	if narrower {
		l.tellLate(t)
	} else if t.late == nil && mtu != 0 {
		t.late = new(late)
	}
}

// SetErrorSource sets the addresses that ICMP errors come from, in packets written to the
// TUN; the zero Addr is the destination of the packet that an error is about. On the
// lane's goroutine.
func (l *Lane) SetErrorSource(v4, v6 netip.Addr) { l.reporter.from4, l.reporter.from6 = v4, v6 }

// tooLong deals with a packet whose segments are longer than its tunnel's MTU: the one
// just parsed, in s.buf[:n].
func (l *Lane) tooLong(s *slot, n int) {
	packet := s.buf[offload.VirtioHeaderLen:n]
	if !offload.DontFragment(packet, &l.headers) {
		l.fragment(s)
		return
	}
	l.complain(s.tunnel, packet, s.seg.SegmentLen())
	l.dropRest(s, drop.PathMTU)
}

// complain tells the sender of packet, the one just parsed, how long its packets may be;
// this one, or each of its segments, is of length bytes.
func (l *Lane) complain(t *Tunnel, packet []byte, length int) {
	r, h := &l.reporter, &l.headers
	if !t.mayReport(l.now) {
		return
	}
	from := r.from4
	if h.Version == 6 {
		from = r.from6
	}
	n := offload.TooBig(r.message[offload.VirtioHeaderLen:], packet, h, length, from, t.mtu)
	if n == 0 {
		return
	}
	n += offload.VirtioHeaderLen
	l.single[0] = r.message[:n]
	if err := l.writeTUN(l.single[:1], n, 1, sourceOf(packet)); err != nil {
		l.counters.Drops.Add(writeFailure(err), 1)
		return
	}
	t.Counters.TooBigReports.Add(1)
}

// mayReport takes one from the allowance of ICMP errors.
func (t *Tunnel) mayReport(now int64) bool {
	const pause = second / reportsPerSecond
	at := max(t.reportAt, now)
	if at-now > (reportBurst-1)*pause {
		return false
	}
	t.reportAt = at + pause
	return true
}

// fragment puts what s holds into its tunnel's queue, each segment as IPv4 fragments in
// slots of their own.
func (l *Lane) fragment(s *slot) {
	t, f, h := s.tunnel, &l.fragmenter, &l.headers
	t.Counters.Fragmented.Add(uint64(s.seg.Remaining()))
	for segment := s.seg.Next(); segment != nil; segment = s.seg.Next() {
		if offload.ParseHeaders(segment, h) != nil || f.Reset(segment, h, min(t.mtu, longestFragment)) != nil {
			t.Counters.Drops.Add(drop.PathMTU, 1)
			continue
		}
		for {
			to := l.small.get()
			n := f.Next(to.buf[offload.VirtioHeaderLen:smallMax])
			if n == 0 {
				l.release(to)
				break
			}
			packet := to.buf[offload.VirtioHeaderLen:][:n]
			to.tunnel, to.next, to.flow, to.ecn = t, s.next, s.flow, s.ecn
			// Made a moment ago: it parses.
			_ = offload.ParseHeaders(packet, h)
			_ = to.seg.ResetParsed(offload.VirtioHeader{}, packet, h)
			l.enqueue(to)
		}
	}
	l.release(s)
}

// clampOut lowers the segment size that the packet just parsed, in s.buf[:n], offers to
// the peer's hosts if it is a SYN.
func (l *Lane) clampOut(s *slot, n int) {
	packet, h := s.buf[offload.VirtioHeaderLen:n], &l.headers
	if !offload.IsSYN(packet, h) {
		return
	}
	var vh offload.VirtioHeader
	vh.Decode(s.buf)
	if offload.ClampMSS(packet, h, s.tunnel.mtu, vh.Flags&offload.FlagNeedsCsum != 0) {
		s.tunnel.Counters.MSSClamped.Add(1)
		_ = s.seg.ResetParsed(vh, packet, h) // it was accepted a moment ago, with another size
	}
}

// clampIn lowers the segment size that a received packet offers to our hosts if it is a
// SYN: what they send takes the path that mtu is of.
func (t *Tunnel) clampIn(packet []byte, h *offload.Headers) {
	if t.mtu == 0 || t.NoMSSClamp || !offload.IsSYN(packet, h) {
		return
	}
	if offload.ClampMSS(packet, h, t.mtu, false) {
		t.Counters.MSSClamped.Add(1)
	}
}
