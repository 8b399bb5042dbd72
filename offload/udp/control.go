//go:build linux

package udp

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlBuffer holds control messages. Words keep it aligned as the kernel
// and Cmsghdr want it; 256 bytes hold all that are asked for twice over.
type controlBuffer [32]uint64

const cmsgHeaderLen = int(unsafe.Sizeof(unix.Cmsghdr{}))

func cmsgAlign(n int) int {
	const word = int(unsafe.Sizeof(uintptr(0)))
	return (n + word - 1) &^ (word - 1)
}

func (c *controlBuffer) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(c)), int(unsafe.Sizeof(*c)))
}

// put makes the buffer hold one control message with room for n bytes of data,
// zeroed, and returns the data and the length of the whole.
func (c *controlBuffer) put(level, kind int32, n int) (data []byte, length int) {
	return c.add(0, level, kind, n)
}

// add is put behind the messages in the first at bytes.
func (c *controlBuffer) add(at int, level, kind int32, n int) (data []byte, length int) {
	b := c.bytes()[at:]
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
	h.Level, h.Type = level, kind
	h.SetLen(cmsgHeaderLen + n)
	data = b[cmsgHeaderLen : cmsgHeaderLen+n]
	clear(data)
	return data, at + cmsgHeaderLen + cmsgAlign(n)
}

// putSegment asks for the payload to be cut into datagrams of size bytes.
func (c *controlBuffer) putSegment(size int) (length int) {
	data, length := c.put(unix.SOL_UDP, unix.UDP_SEGMENT, 2)
	*(*uint16)(unsafe.Pointer(&data[0])) = uint16(size)
	return length
}

// addTOS asks for the datagrams to leave with this IPv4 TOS or IPv6 traffic class,
// behind the messages in the first at bytes.
func (c *controlBuffer) addTOS(at int, v4 bool, tos uint8) (length int) {
	level, kind := int32(unix.IPPROTO_IPV6), int32(unix.IPV6_TCLASS)
	if v4 {
		level, kind = unix.IPPROTO_IP, unix.IP_TOS
	}
	data, length := c.add(at, level, kind, 4)
	*(*int32)(unsafe.Pointer(&data[0])) = int32(tos)
	return length
}

// putSource asks for the datagram to leave with this source address. A
// link-local one leaves by the interface of its zone.
func (c *controlBuffer) putSource(from netip.Addr) (length int, err error) {
	if from.Is4() {
		data, length := c.put(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		(*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Spec_dst = from.As4()
		return length, nil
	}
	scope, err := scopeOf(from)
	if err != nil {
		return 0, err
	}
	data, length := c.put(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	info := (*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0]))
	info.Addr, info.Ifindex = from.As16(), scope
	return length, nil
}

// metadata is what the control messages of one receive say.
type metadata struct {
	size int // length of each datagram; 0: one datagram
	tos  uint8
	to   netip.Addr
}

// parseControl reads control messages as the kernel wrote them. What is cut
// short or not known is passed over.
func parseControl(b []byte, m *metadata) {
	for len(b) >= cmsgHeaderLen {
		h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
		length := int(h.Len)
		if length < cmsgHeaderLen || length > len(b) {
			return
		}
		data := b[cmsgHeaderLen:length]
		switch {
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			m.size = int(*(*int32)(unsafe.Pointer(&data[0])))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TOS && len(data) >= 1:
			m.tos = data[0]
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_TCLASS && len(data) >= 4:
			m.tos = uint8(*(*int32)(unsafe.Pointer(&data[0])))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			m.to = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Spec_dst)
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			m.to = netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr)
		}
		b = b[min(cmsgAlign(length), len(b)):]
	}
}
