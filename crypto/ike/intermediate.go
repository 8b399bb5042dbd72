package ike

import (
	"crypto/mlkem"
	"encoding/binary"
	"fmt"

	"vpngw/crypto/ike/message"
)

// IKE_INTERMEDIATE (RFC 9242) carries one additional key exchange (RFC 9370): ML-KEM-768
// between IKE_SA_INIT and IKE_AUTH. Who records the handshake today then has to break
// both it and the Diffie-Hellman group. The exchange is protected, but by keys that
// nobody has authenticated yet; AUTH covers it as it covers IKE_SA_INIT.

// begin makes the first protected request of a handshake.
func (s *sa) begin() error {
	if s.hs.race == nil {
		s.hs.race = &candidates{list: []*sa{s}}
	}
	s.nextID = 1
	if s.suite.mlkem {
		return s.sendIntermediate()
	}
	return s.sendAuth()
}

// sendIntermediate sends our encapsulation key.
func (s *sa) sendIntermediate() error {
	s.state, s.req = saAuth, nil
	seed, err := s.m.random(mlkem.SeedSize)
	if err != nil {
		return err
	}
	if s.hs.mlkem, err = mlkem.NewDecapsulationKey768(seed); err != nil {
		return err
	}
	ps := []message.Payload{mlkemPayload(s.hs.mlkem.EncapsulationKey().Bytes())}
	msgs, err := s.seal(message.ExchangeIKEIntermediate, false, s.nextID, ps)
	if err != nil {
		return err
	}
	if s.hs.intI, err = s.intAuthOfOurs(s.keys.pi, msgs, ps); err != nil {
		return err
	}
	s.launch(task{kind: taskIntermediate}, msgs, nil)
	return nil
}

func mlkemPayload(data []byte) *message.KE {
	return &message.KE{Group: message.KEMLKEM768, Data: data}
}

// intermediateRequest takes the initiator's encapsulation key and answers with a
// ciphertext for it.
func (s *sa) intermediateRequest(d Datagram, c content) {
	secret, ciphertext, err := encapsulate(c.payloads)
	if err != nil {
		s.refuseIntermediate(d, RejectKE, message.NotifyInvalidSyntax, err)
		return
	}
	ps := []message.Payload{mlkemPayload(ciphertext)}
	s.respond(message.ExchangeIKEIntermediate, ps)
	intR, err := s.intAuthOfOurs(s.keys.pr, s.answer, ps)
	if err == nil {
		s.hs.intI = s.suite.prf.sum(s.keys.pi, c.octets())
		err = s.mix(secret, s.hs.intI, intR, s.expectID)
	}
	if err != nil {
		s.m.log.Error("cannot go on after IKE_INTERMEDIATE", "remote", d.Remote, "err", err)
		s.refuse()
	}
}

// encapsulate makes a secret for the key in an IKE_INTERMEDIATE request. Its randomness
// is crypto/mlkem's own, which gives no other way; no length or time depends on it.
func encapsulate(ps []message.Payload) (secret, ciphertext []byte, err error) {
	data, err := mlkemData(ps)
	if err != nil {
		return nil, nil, err
	}
	key, err := mlkem.NewEncapsulationKey768(data)
	if err != nil {
		return nil, nil, err
	}
	secret, ciphertext = key.Encapsulate()
	return secret, ciphertext, nil
}

func mlkemData(ps []message.Payload) ([]byte, error) {
	ke, err := message.One[*message.KE](ps)
	if err != nil {
		return nil, err
	}
	if ke.Group != message.KEMLKEM768 {
		return nil, fmt.Errorf("key of %s, negotiated was %s", message.TransformName(message.TransformADDKE1, ke.Group),
			message.TransformName(message.TransformADDKE1, message.KEMLKEM768))
	}
	return ke.Data, nil
}

func (s *sa) refuseIntermediate(d Datagram, count RejectReason, t message.NotifyType, err error) {
	s.reject(count, d, err.Error())
	s.respond(message.ExchangeIKEIntermediate, []message.Payload{&message.Notify{Type: t}})
	s.refuse()
}

// intermediateResponse takes the responder's ciphertext and goes on to IKE_AUTH.
func (s *sa) intermediateResponse(d Datagram, c content) {
	for n := range message.All[*message.Notify](c.payloads) {
		if n.Type.IsError() {
			s.reject(RejectAuth, d, n.Type.String())
			s.failAttempt(Reason{ReasonRefused, s.remote.String() + " answered " + n.Type.String() + " to our IKE_INTERMEDIATE"})
			return
		}
	}
	data, err := mlkemData(c.payloads)
	var secret []byte
	if err == nil {
		secret, err = s.hs.mlkem.Decapsulate(data)
	}
	if err != nil {
		s.reject(RejectKE, d, err.Error())
		s.failAttempt(Reason{ReasonInvalidSyntax, "IKE_INTERMEDIATE response of " + d.Remote.String() + ": " + err.Error()})
		return
	}
	intR := s.suite.prf.sum(s.keys.pr, c.octets())
	if err = s.mix(secret, s.hs.intI, intR, s.nextID); err == nil {
		err = s.sendAuth()
	}
	if err != nil {
		s.failAttempt(s.peer.fail("authenticate", err))
	}
}

// octets are what AUTH covers of an IKE_INTERMEDIATE message: A ‖ P of RFC 9242 §3.3.2,
// the message as if it were whole and had neither IV, padding nor ICV.
func (c *content) octets() []byte {
	b := append(make([]byte, 0, len(c.prefix)+len(c.body)), c.prefix...)
	b[16] = byte(message.PayloadSK)
	binary.BigEndian.PutUint32(b[24:], uint32(len(c.prefix)+len(c.body)))
	b[message.HeaderLen] = byte(c.first)
	binary.BigEndian.PutUint16(b[message.HeaderLen+2:], uint16(message.GenericLen+len(c.body)))
	return append(b, c.body...)
}

// intAuthOfOurs is prf(SK_p, A ‖ P) of a message that we sealed.
func (s *sa) intAuthOfOurs(skP []byte, msgs [][]byte, ps []message.Payload) ([]byte, error) {
	first, body, err := message.MarshalPayloads(ps)
	if err != nil || len(msgs) == 0 {
		return nil, fmt.Errorf("IKE_INTERMEDIATE in %d datagrams: %w", len(msgs), err)
	}
	c := content{prefix: msgs[0][:prefixLen], first: first, body: body}
	return s.suite.prf.sum(skP, c.octets()), nil
}

// mix puts the secret of the additional key exchange into the keys (RFC 9370 §2.2.2),
// and what AUTH is to cover of the exchange beside the rest: IntAuth_i ‖ IntAuth_r ‖ the
// message ID of IKE_AUTH (RFC 9242 §3.3.2).
func (s *sa) mix(secret, intI, intR []byte, authID uint32) error {
	s.hs.before = s.in
	s.keys = mixIKE(s.suite, s.keys.d, secret, s.nonceI, s.nonceR, s.spiI, s.spiR)
	s.hs.intAuth = binary.BigEndian.AppendUint32(append(append([]byte(nil), intI...), intR...), authID)
	s.hs.mlkem, s.hs.intI = nil, nil
	var err error
	s.in, s.out, err = s.protect()
	return err
}

// due is the exchange that a half-open SA waits for.
func (s *sa) due() message.ExchangeType {
	if s.suite.mlkem && s.hs.intAuth == nil {
		return message.ExchangeIKEIntermediate
	}
	return message.ExchangeIKEAuth
}
