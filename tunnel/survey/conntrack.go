//go:build linux

package survey

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// tracked is an entry of connection tracking.
type tracked struct {
	found   bool
	timeout uint32 // seconds that it is kept without a packet
	nat     string // how it changes address or port; "": it does not
}

// lookup asks for the entry that packets of t belong to, by itself: a router's table may
// have a million others.
func lookup(t tuple) (tracked, error) {
	if n, ok := sysctl("net.netfilter.nf_conntrack_count"); !ok || n == 0 {
		return tracked{}, nil
	}
	family := unix.AF_INET
	if t.to.Addr().Is6() {
		family = unix.AF_INET6
	}
	const get = unix.NFNL_SUBSYS_CTNETLINK<<8 | nl.IPCTNL_MSG_CT_GET
	req := nl.NewNetlinkRequest(get, unix.NLM_F_ACK)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: uint8(family), Version: nl.NFNETLINK_V0})
	req.AddData(t.attribute())
	answers, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return tracked{}, nil
	case errors.Is(err, unix.EPERM):
		return tracked{}, fmt.Errorf("%w (needs CAP_NET_ADMIN)", err)
	case err != nil:
		return tracked{}, fmt.Errorf("look up the entry of %v to %v: %w", t.from, t.to, err)
	}
	for _, a := range answers {
		if entry, ok := parseTracked(a); ok {
			return entry, nil
		}
	}
	return tracked{}, nil
}

func (t tuple) attribute() *nl.RtAttr {
	src, dst := nl.CTA_IP_V4_SRC, nl.CTA_IP_V4_DST
	if t.to.Addr().Is6() {
		src, dst = nl.CTA_IP_V6_SRC, nl.CTA_IP_V6_DST
	}
	port := func(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
	all := nl.NewRtAttr(nl.CTA_TUPLE_ORIG|unix.NLA_F_NESTED, nil)
	ip := all.AddRtAttr(nl.CTA_TUPLE_IP|unix.NLA_F_NESTED, nil)
	ip.AddRtAttr(src, t.from.Addr().AsSlice())
	ip.AddRtAttr(dst, t.to.Addr().AsSlice())
	proto := all.AddRtAttr(nl.CTA_TUPLE_PROTO|unix.NLA_F_NESTED, nil)
	proto.AddRtAttr(nl.CTA_PROTO_NUM, []byte{unix.IPPROTO_UDP})
	proto.AddRtAttr(nl.CTA_PROTO_SRC_PORT, port(t.from.Port()))
	proto.AddRtAttr(nl.CTA_PROTO_DST_PORT, port(t.to.Port()))
	return all
}

// parseTracked reads an answer of the kernel behind its nfgenmsg.
func parseTracked(b []byte) (entry tracked, ok bool) {
	const nfgenmsg = 4
	if len(b) < nfgenmsg {
		return entry, false
	}
	parts := attributes(b[nfgenmsg:])
	orig, okOrig := parseTuple(parts[nl.CTA_TUPLE_ORIG])
	reply, okReply := parseTuple(parts[nl.CTA_TUPLE_REPLY])
	if !okOrig || !okReply {
		return entry, false
	}
	entry.found = true
	if v := parts[nl.CTA_TIMEOUT]; len(v) == 4 {
		entry.timeout = binary.BigEndian.Uint32(v)
	}
	if reply.to != orig.from {
		entry.nat = fmt.Sprintf("source %v becomes %v", orig.from, reply.to)
	} else if reply.from != orig.to {
		entry.nat = fmt.Sprintf("destination %v becomes %v", orig.to, reply.from)
	}
	return entry, true
}

func parseTuple(b []byte) (t tuple, ok bool) {
	parts := attributes(b)
	ip, proto := attributes(parts[nl.CTA_TUPLE_IP]), attributes(parts[nl.CTA_TUPLE_PROTO])
	src, dst := ip[nl.CTA_IP_V4_SRC], ip[nl.CTA_IP_V4_DST]
	if src == nil {
		src, dst = ip[nl.CTA_IP_V6_SRC], ip[nl.CTA_IP_V6_DST]
	}
	from, ok1 := netip.AddrFromSlice(src)
	to, ok2 := netip.AddrFromSlice(dst)
	sport, dport := proto[nl.CTA_PROTO_SRC_PORT], proto[nl.CTA_PROTO_DST_PORT]
	if !ok1 || !ok2 || len(sport) != 2 || len(dport) != 2 {
		return t, false
	}
	t.from = netip.AddrPortFrom(from, binary.BigEndian.Uint16(sport))
	t.to = netip.AddrPortFrom(to, binary.BigEndian.Uint16(dport))
	return t, true
}

// attributes are the values of netlink attributes by their type.
func attributes(b []byte) map[int][]byte {
	list, err := nl.ParseRouteAttr(b)
	if err != nil {
		return nil
	}
	m := map[int][]byte{}
	for _, a := range list {
		m[int(a.Attr.Type&nl.NLA_TYPE_MASK)] = a.Value
	}
	return m
}
