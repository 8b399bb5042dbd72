package ike

import "vpngw/crypto/ike/message"

// unsummedVendor says that who sends it takes ESP packets of next header 253 (RFC 3692: for
// experiments) for TCP and UDP segments without checksum, which it makes itself. To others
// than those who send it as well it means nothing.
const unsummedVendor = "vpngw: ESP next header 253 is a segment without checksum, 1"

// announceUnsummed is what IKE_AUTH says of it.
func (p *peer) announceUnsummed() []message.Payload {
	if !p.Unsummed {
		return nil
	}
	return []message.Payload{&message.VendorID{Data: []byte(unsummedVendor)}}
}

// agreeUnsummed takes the peer's announcement, or that there is none.
func (s *sa) agreeUnsummed(ps []message.Payload) {
	s.unsummed = false
	for v := range message.All[*message.VendorID](ps) {
		s.unsummed = s.unsummed || s.peer.Unsummed && string(v.Data) == unsummedVendor
	}
}
