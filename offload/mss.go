package offload

import "encoding/binary"

const (
	tcpSYN uint8 = 0x02

	tcpOptionEnd uint8 = 0
	tcpOptionNOP uint8 = 1
	tcpOptionMSS uint8 = 2
	tcpMSSLen          = 4 // kind, length, and the size itself
)

// IsSYN tells whether pkt, which [ParseHeaders] has read into h, opens a TCP connection
// or answers one that does.
func IsSYN(pkt []byte, h *Headers) bool {
	return h.Proto == protoTCP && !h.Fragment && h.Len-h.L4 >= tcpHeaderLen && pkt[h.L4+tcpFlagsAt]&tcpSYN != 0
}

// ClampMSS lowers the maximum segment size that pkt offers, a SYN in the sense of [IsSYN]
// that [ParseHeaders] has read into h, to what fits IP packets of mtu bytes (RFC 9293
// §3.7.1: without IP and TCP options). It never raises one, and makes none where there is
// none: then the peer sends segments of 536 or 1220 bytes. The TCP checksum is changed by
// as much as the option (RFC 1624 §3): right or wrong, it stays so. A partial one, of a
// packet whose checksum is still to be finished, does not cover the option and stays.
//
// It reports whether pkt was changed. Options that break their format are not touched,
// nor is what stands behind them.
func ClampMSS(pkt []byte, h *Headers, mtu int, partial bool) (changed bool) {
	most := mtu - ipv4HeaderLen - tcpHeaderLen
	if h.Version == 6 {
		most = mtu - ipv6HeaderLen - tcpHeaderLen
	}
	end := upperEnd(pkt[:h.Len], h)
	if most <= 0 || most > 0xffff || end == 0 {
		return false
	}
	tcp := pkt[h.L4:end]
	for at := tcpHeaderLen; at < len(tcp) && tcp[at] != tcpOptionEnd; {
		if tcp[at] == tcpOptionNOP {
			at++
			continue
		}
		if len(tcp)-at < 2 {
			return changed
		}
		length := int(tcp[at+1])
		if length < 2 || length > len(tcp)-at {
			return changed
		}
		if tcp[at] == tcpOptionMSS && length == tcpMSSLen && int(binary.BigEndian.Uint16(tcp[at+2:])) > most {
			setMSS(tcp, at+2, uint16(most), partial)
			changed = true
		}
		at += length
	}
	return changed
}

// setMSS writes mss at an offset of a TCP header, which need not be even: there the bytes
// belong to two words of the checksum, and change it as if they were swapped.
func setMSS(tcp []byte, at int, mss uint16, partial bool) {
	was, is := binary.BigEndian.Uint16(tcp[at:]), mss
	binary.BigEndian.PutUint16(tcp[at:], mss)
	if partial {
		return
	}
	if at%2 != 0 {
		was, is = was<<8|was>>8, is<<8|is>>8
	}
	field := tcp[tcpChecksumAt:tcpUrgentAt]
	sum := uint32(^binary.BigEndian.Uint16(field)) + uint32(^was) + uint32(is)
	binary.BigEndian.PutUint16(field, ^fold(sum))
}
