package lane

import "vpngw/offload"

// outerTOS is the TOS of the datagram that carries a packet of TOS inner: its ECN field
// (RFC 6040 §4.1, normal mode) and, if asked for, its DSCP (RFC 4301 §5.1.2).
func (t *Tunnel) outerTOS(inner uint8) (outer uint8) {
	if !t.NoECN {
		outer = inner & offload.ECNMask
	}
	if t.CopyDSCP {
		outer |= inner &^ offload.ECNMask
	}
	return outer
}

// reserve is udp.Train.Reserve for a datagram of that TOS. A train leaves by one send,
// which has one TOS, so another TOS does not fit.
func (tr *train) reserve(size int, tos uint8) []byte {
	if tr.udp.Count() > 0 && tr.tos != tos {
		return nil
	}
	tr.tos = tos
	return tr.udp.Reserve(size)
}
