package main

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// replyWatch sees every IKE message that a gateway sends, at the gateway: whoever it
// goes to, whatever address it pretends to answer.
type replyWatch struct {
	fd   int
	own  map[uint64]bool // initiator's SPIs of the gateways' own IKE SAs: no replies to a flood
	done chan struct{}
	stop chan struct{}

	replies // read after done
}

// replies is what a gateway answered.
type replies struct {
	Count   int `json:"count"`
	Bytes   int `json:"bytes"`   // of UDP payload
	Longest int `json:"longest"` // UDP payload
}

// outgoingIKE passes what leaves by any device, is IPv4 without options, UDP from the
// gateway's port, and has the non-ESP marker. All that the tunnel carries fails it.
var outgoingIKE = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: skfPacketType},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.PACKET_OUTGOING, Jt: 0, Jf: 9},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x45, Jt: 0, Jf: 7},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_UDP, Jt: 0, Jf: 5},
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: ipv4Len},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: port, Jt: 0, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: ipv4Len + udpLen},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0, Jt: 0, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// skfPacketType is where a filter finds the packet's type: SKF_AD_OFF + SKF_AD_PKTTYPE.
const skfPacketType = 0xfffff000 + 4

// watchReplies starts watching what leaves the namespace.
func watchReplies(n *lab.Namespace, own ...uint64) (*replyWatch, error) {
	w := &replyWatch{fd: -1, own: map[uint64]bool{}, done: make(chan struct{}), stop: make(chan struct{})}
	for _, spi := range own {
		w.own[spi] = true
	}
	if err := n.Do(w.open); err != nil {
		if w.fd >= 0 {
			unix.Close(w.fd)
		}
		return nil, fmt.Errorf("watch the replies of %s: %w", n.Role, err)
	}
	go w.watch()
	return w, nil
}

func (w *replyWatch) open() (err error) {
	// Protocol 0 receives nothing until the filter stands.
	if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	everything := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8 // network byte order
	return errors.Join(
		unix.SetsockoptSockFprog(w.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(outgoingIKE)), Filter: &outgoingIKE[0]}),
		unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
		unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}),
		unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: everything}),
	)
}

func (w *replyWatch) watch() {
	defer close(w.done)
	b := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(w.fd, b, 0)
		switch err {
		case nil:
			w.note(b[:n])
		case unix.EINTR:
		default: // also of the timeout
			select {
			case <-w.stop:
				return
			default:
			}
		}
	}
}

// note counts an IPv4 packet.
func (w *replyWatch) note(packet []byte) {
	const start = ipv4Len + udpLen
	if len(packet) < start+markerLen+8 || w.own[binary.BigEndian.Uint64(packet[start+markerLen:])] {
		return
	}
	n := len(packet) - start
	w.Count++
	w.Bytes += n
	w.Longest = max(w.Longest, n)
}

// close ends the watch and returns what was seen. It is an error if some was missed.
func (w *replyWatch) close() (replies, error) {
	close(w.stop)
	<-w.done
	defer unix.Close(w.fd)
	s, err := unix.GetsockoptTpacketStats(w.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err == nil && s.Drops > 0 {
		err = fmt.Errorf("%d replies were sent faster than they could be counted", s.Drops)
	}
	return w.replies, err
}
