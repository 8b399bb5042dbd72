package lane

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"vpngw/crypto/esp"
	"vpngw/offload"
	"vpngw/offload/tun"
	"vpngw/offload/udp"
	"vpngw/tunnel/drop"
)

const (
	second    = int64(1e9)
	gluePause = 10 * second // without coalescing, after the TUN refused a superpacket

	movedPause = second / 20 // between two Moved of a tunnel: control needs a moment to follow

	// shortestHint is the length from which a datagram with an unknown SPI is told to
	// IKE: its answer must never be longer than what asked for it.
	shortestHint = 40

	// longestIKE bounds the memory of messages that wait for control. Larger ones than
	// this come in fragments (RFC 7383), or only from somebody who means ill.
	longestIKE = 16 << 10

	keepalive     = 0xff // RFC 3948 §2.3
	nonESPMarkLen = 4    // RFC 3948 §2.2
	ikeHeaderLen  = 28   // RFC 7296 §3.1; its last four bytes are the message's length
)

var nonESPMarker [nonESPMarkLen]byte

// likeness is what two packets have in common, beside their headers, that are treated alike.
// The zero value is like none.
type likeness struct {
	in             *Inbound
	next, outerTOS uint8
}

// run is a row of packets opened on one SA, those delivered counted together.
type run struct {
	in             *Inbound
	packets, bytes int
}

// receive takes from each socket that may have something one quota.
func (l *Lane) receive() {
	keep, tunnels := l.ready[:0], l.readyTunnels()
	for _, e := range l.ready {
		if e.closed {
			continue
		}
		if l.receiveFrom(e, quotaOf(e, tunnels)) && !e.closed {
			keep = append(keep, e)
		} else {
			e.ready = false
		}
	}
	clear(l.ready[len(keep):])
	l.ready = keep
	l.tellMail()
}

// receiveFrom takes one quota from a socket and writes what was in it to the TUN:
// nothing received is held back for the next turn. It returns false when the socket
// has no more.
func (l *Lane) receiveFrom(e *endpoint, q quota) (more bool) {
	more = true
	l.receiving = l.towardsPeer(e.tunnel)
	at := 0
	full, ended := 0, false
	// A receive that brings nothing counts as one datagram.
	for n := 0; n < q.datagrams && at < q.bytes && at+recvLen <= len(l.buffer) && more && !ended && !e.closed; n++ {
		d := &l.datagrams
		switch err := e.socket.Recv(l.buffer[at:at+recvLen], d); {
		case err == nil:
			n += l.batch(e, d) - 1
			at += (len(d.Bytes) + 63) &^ 63
			// Full trains and one that is not are a peer's burst, which ends with a superpacket.
			if len(d.Bytes) >= batchBytes {
				full++
			} else {
				ended = full >= burst
			}
		case err == udp.ErrWouldBlock:
			l.counters.UDPReceive.WouldBlock.Add(1)
			more = false
		case err == udp.ErrTruncated:
			l.dropIn(e.tunnel, drop.Truncated, 1)
		default:
			if _, ok := err.(udp.AsyncError); ok {
				// An ICMP error or the like: anybody can send one, so it is only counted.
				if e.tunnel != nil {
					e.tunnel.Counters.SocketErrors.Add(1)
					l.watchHints(e.tunnel, err)
				}
				continue
			}
			more = false
			l.receiveFailed(e, err)
		}
	}
	l.endRun()
	l.flushIn()
	if l.now-e.countedAt >= second {
		l.countOverflow(e)
	}
	return more
}

// countOverflow counts what the kernel dropped since the last look because the
// socket's receive buffer was full.
func (l *Lane) countOverflow(e *endpoint) {
	e.countedAt = l.now
	total := e.socket.Drops()
	if n := total - e.overflow; n > 0 {
		l.dropIn(e.tunnel, drop.ReceiveFull, int(n))
	}
	e.overflow = total
}

// receiveFailed notes an error that nothing is known to cause. It may come again at
// once and for ever, and so is logged once.
func (l *Lane) receiveFailed(e *endpoint, err error) {
	if e.tunnel != nil {
		e.tunnel.Counters.SocketErrors.Add(1)
	}
	if !e.failed {
		e.failed = true
		l.log.Error("receiving failed", "local", e.local, "remote", e.remote, "error", err)
	}
}

// batch looks at each datagram of one receive, and returns how many there are.
func (l *Lane) batch(e *endpoint, d *udp.Datagrams) (packets int) {
	if len(d.Bytes) == 0 {
		l.receiving.UDPReceive.add(0, 1)
		l.dropIn(e.tunnel, drop.Runt, 1)
		return 1
	}
	rest := d.Bytes
	for len(rest) > 0 {
		n := min(d.Size, len(rest))
		if e.ikeOnly {
			l.plainIKE(e, d, rest[:n])
		} else {
			l.datagram(e, d, rest[:n:n])
		}
		rest = rest[n:]
		packets++
	}
	l.receiving.UDPReceive.add(len(d.Bytes), packets)
	return packets
}

func (l *Lane) datagram(e *endpoint, d *udp.Datagrams, b []byte) {
	spi, ok := esp.SPIOf(b)
	if !ok {
		l.notESP(e, d, b)
		return
	}
	in := l.lookup(spi)
	if in == nil {
		if l.several() && l.handOverESP(e, d, b, spi) {
			return
		}
		l.dropIn(e.tunnel, drop.UnknownSPI, 1)
		// A hint only: IKE messages must find room beside a flood of such. An event
		// is not even made for nothing, since that allocates.
		if len(b) >= shortestHint && len(l.strangers) < cap(l.strangers)/2 && l.admission.hint(l.now, d.From.Addr()) {
			local, remote := ends(e, d)
			l.tellStranger(UnknownSPI{Local: local, Remote: remote, SPI: spi})
		}
		return
	}
	if in.used.spent(&in.Limits) {
		l.tellHard(&in.used, in.Tunnel, spi)
		l.dropIn(in.Tunnel, drop.HardLimitIn, 1)
		return
	}
	packet, next, err := in.ESP.Open(b)
	if err != nil {
		l.dropIn(in.Tunnel, openFailure(err), 1)
		return
	}
	in.used.packets++
	in.used.bytes += uint64(len(packet))
	if l.run.in != in {
		l.endRun()
		l.run.in = in
	}
	if in.ESP.Newest() {
		if local, remote := ends(e, d); remote != in.Tunnel.remote() && l.now-in.Tunnel.movedAt >= movedPause {
			if l.tell(Moved{Tunnel: in.Tunnel, Local: local, Remote: remote}) {
				in.Tunnel.movedAt = l.now
			}
		}
	}
	if reason := l.deliver(in, packet, next, d.TOS); reason != forward {
		in.Tunnel.Counters.Drops.Add(reason, 1)
	}
}

// lookup finds the SA of an SPI. The control side may have installed it after this
// turn began and already told the peer, so its commands are looked at first.
func (l *Lane) lookup(spi uint32) *Inbound {
	if l.cached != nil && l.cached.ESP.SPI() == spi {
		return l.cached
	}
	in := l.inbound[spi]
	if in == nil && l.pending.Load() {
		l.runCommands()
		in = l.inbound[spi]
	}
	if in != nil {
		l.cached = in
	}
	return in
}

// deliver checks an authentic packet against the SA's policy and gives it to the
// coalescer, with the ECN field that it should have after its way under an outer header
// of that TOS.
func (l *Lane) deliver(in *Inbound, packet []byte, next, outerTOS uint8) drop.Reason {
	if (likeness{in, next, outerTOS}) == l.like && l.coalescer.Follow(packet, next == nextUnsummed) {
		l.run.packets++
		l.run.bytes += len(packet)
		return forward
	}
	switch next {
	case nextIPv4, nextIPv6:
	case nextUnsummed:
		if !in.Unsummed {
			return drop.NextHeader
		}
	case nextDummy:
		return l.dummy(in.Tunnel, packet)
	default:
		return drop.NextHeader
	}
	h := &l.headers
	if offload.ParseHeaders(packet, h) != nil {
		return drop.InnerMalformed
	}
	if next != nextUnsummed && (h.Version == 4) != (next == nextIPv4) {
		return drop.NextHeader
	}
	source, destination := in.Policy.inbound(h)
	if !source {
		return drop.InnerSource
	}
	if !destination {
		return drop.InnerDest
	}
	ecn := in.Tunnel.decapsulateECN(packet, outerTOS, h.TOS)
	if ecn.drop {
		return drop.CongestionNotECT
	}
	in.Tunnel.clampIn(packet, h)
	if l.coalescer.Full() {
		l.flushIn()
	}
	if next != nextUnsummed {
		l.coalescer.AddParsed(packet[:h.Len], h)
	} else if !l.coalescer.AddUnsummed(packet[:h.Len], h) {
		return drop.InnerMalformed
	}
	if l.like = (likeness{}); !ecn.anomaly && ecn.ecn == h.TOS&offload.ECNMask {
		l.like = likeness{in, next, outerTOS} // another such packet would be delivered as it is
	}
	l.run.packets++
	l.run.bytes += h.Len
	return forward
}

// endRun counts the packets of one SA in a row, and tells control that it was heard.
func (l *Lane) endRun() {
	r := l.run
	if r.in == nil {
		return
	}
	l.run = run{}
	t := r.in.Tunnel
	t.Counters.PacketsIn.Add(uint64(r.packets))
	t.Counters.BytesIn.Add(uint64(r.bytes))
	t.Counters.LastIn.Store(l.now)
	t.silentFrom = 0
	l.tellSoft(&r.in.used, &r.in.Limits, t, r.in.ESP.SPI())
	if r.in.heardAt == 0 || l.now-r.in.heardAt >= second {
		if l.tell(Heard{Tunnel: t, SPI: r.in.ESP.SPI()}) {
			r.in.heardAt = l.now
		}
	}
}

// flushIn writes what the coalescer holds to the TUN.
func (l *Lane) flushIn() {
	packets := l.coalescer.Flush()
	l.coalescer.TakeEnds(func(e offload.End, n uint64) { l.receiving.MergeEnds[e].Add(n) })
	for i := range packets {
		p := &packets[i]
		if len(p.Packets) > 1 && l.now < l.glueFrom {
			l.writeEach(p)
			continue
		}
		switch err := l.writeTUN(p.Vecs, p.Bytes, len(p.Packets), destinationOf(p.Packets[0])); {
		case err == nil:
		case err == unix.EINVAL && len(p.Packets) > 1:
			// Some kernels refuse some superpackets: what is in hand goes packet by packet.
			l.counters.TUNFallbacks.Add(1)
			l.glueFrom = l.now + gluePause
			l.writeEach(p)
		default:
			l.counters.Drops.Add(writeFailure(err), len(p.Packets))
		}
	}
}

func (l *Lane) writeEach(s *offload.Superpacket) {
	s.Part()
	for _, p := range s.Packets {
		l.single[0], l.single[1] = l.zeroHeader[:], p
		if err := l.writeTUN(l.single[:], len(p)+offload.VirtioHeaderLen, 1, destinationOf(p)); err != nil {
			l.counters.Drops.Add(writeFailure(err), 1)
		}
	}
}

// writeTUN writes one superpacket to a host, of length bytes with its virtio header.
func (l *Lane) writeTUN(vecs [][]byte, length, packets int, to host) error {
	if l.tun == nil {
		if l.index != 0 {
			l.lend(vecs, length, packets)
			return nil
		}
		return unix.EBADFD
	}
	err := l.tun.Write(vecs)
	if err == nil {
		l.towards(to).TUNWrite.add(length-offload.VirtioHeaderLen, packets)
	} else if err == unix.EBADFD {
		l.loseTUN(err)
	} else if err == tun.ErrWouldBlock {
		l.counters.TUNWrite.WouldBlock.Add(1)
	}
	return err
}

func writeFailure(err error) drop.Reason {
	switch err {
	case tun.ErrWouldBlock:
		return drop.TUNFull
	case unix.EIO, unix.EBADFD:
		return drop.TUNDown
	}
	return drop.TUNRefused
}

// notESP takes keepalives and IKE messages.
func (l *Lane) notESP(e *endpoint, d *udp.Datagrams, b []byte) {
	if len(b) == 1 && b[0] == keepalive {
		if e.tunnel != nil {
			e.tunnel.Counters.KeepalivesIn.Add(1)
		}
		return
	}
	if len(b) <= nonESPMarkLen || !bytes.HasPrefix(b, nonESPMarker[:]) {
		l.dropIn(e.tunnel, drop.Runt, 1)
		return
	}
	l.tellIKE(e, d, b[nonESPMarkLen:])
}

// plainIKE takes a message without the non-ESP marker.
func (l *Lane) plainIKE(e *endpoint, d *udp.Datagrams, b []byte) {
	if len(b) < ikeHeaderLen || uint64(binary.BigEndian.Uint32(b[ikeHeaderLen-4:])) != uint64(len(b)) {
		l.dropIn(e.tunnel, drop.NotIKE, 1)
		return
	}
	l.tellIKE(e, d, b)
}

// tellIKE gives control a copy of an IKE message.
func (l *Lane) tellIKE(e *endpoint, d *udp.Datagrams, message []byte) {
	if len(message) > longestIKE-nonESPMarkLen {
		l.dropIn(e.tunnel, drop.IKETooLong, 1)
		return
	}
	if reason := l.refuseIKE(d.From.Addr(), message); reason != forward {
		l.dropIn(e.tunnel, reason, 1)
		return
	}
	// A copy is not even made for nothing.
	if !l.hasRoom(e.tunnel) {
		l.dropIn(e.tunnel, drop.ControlBusy, 1)
		return
	}
	local, remote := ends(e, d)
	l.hold(IKE{Tunnel: e.tunnel, Local: local, Remote: remote, Bytes: bytes.Clone(message)})
}

// ends returns the addresses that a datagram came to and from.
func ends(e *endpoint, d *udp.Datagrams) (local, remote netip.AddrPort) {
	local = e.local
	if e.tunnel == nil {
		local = netip.AddrPortFrom(d.To, e.local.Port())
	}
	return local, d.From
}

func (l *Lane) dropIn(t *Tunnel, r drop.Reason, packets int) {
	if t != nil {
		t.Counters.Drops.Add(r, packets)
	} else {
		l.counters.Drops.Add(r, packets)
	}
}

func openFailure(err error) drop.Reason {
	switch err {
	case esp.ErrReplayed:
		return drop.Replayed
	case esp.ErrTooOld:
		return drop.TooOld
	case esp.ErrAuthentication:
		return drop.Unauthentic
	case esp.ErrTrailer:
		return drop.BadTrailer
	}
	return drop.Runt
}
