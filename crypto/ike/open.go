package ike

import (
	"errors"
	"fmt"

	"vpngw/crypto/ike/message"
)

// content is what a protected message holds, once all of it is there.
type content struct {
	prefix   []byte // IKE header and generic header of the message, or of its first fragment
	first    message.PayloadType
	body     []byte // the payloads as bytes
	payloads []message.Payload
}

// prefixLen is how much of a message content.prefix holds.
const prefixLen = message.HeaderLen + message.GenericLen

func isSealed(p message.Payload) bool {
	return p.PayloadType() == message.PayloadSK || p.PayloadType() == message.PayloadSKF
}

// open takes a message, or a fragment into set. It gives the content once the message
// is whole, with an error if that breaks the syntax; before that, and of anything that
// does not authenticate, there is nothing to act on.
func (s *sa) open(d Datagram, h message.Header, sealed message.Payload, set *reassembly) (c content, whole bool, err error) {
	fragment, _ := sealed.(*message.EncryptedFragment)
	if fragment != nil {
		if err := s.admit(set, h, fragment); err != nil {
			s.reject(RejectFragment, d, err.Error())
			return content{}, false, nil
		}
	}
	body, authentic, err := s.decrypt(d, sealed, s.in)
	if !authentic {
		return content{}, false, nil
	}
	if err != nil {
		return content{}, true, err
	}
	if fragment != nil {
		if c, whole = set.add(h, fragment, d.Bytes[:prefixLen], body); !whole {
			return c, false, nil
		}
	} else {
		c = content{prefix: d.Bytes[:prefixLen], first: sealed.(*message.Encrypted).First, body: body}
	}
	if c.payloads, err = message.ParsePayloads(c.first, c.body); err == nil {
		s.m.traceMessage("opened", d.Remote, h, c.payloads)
	}
	return c, true, err
}

// decrypt opens one datagram with in, or with keys made for the purpose where that is
// nil. A failure before authentication is counted, and gives no error to act on:
// authentic is then false.
func (s *sa) decrypt(d Datagram, sealed message.Payload, in *protection) (body []byte, authentic bool, err error) {
	out := s.out
	if in == nil {
		if in, out, err = s.protect(); err != nil {
			s.m.log.Error("cannot make the IKE SA's AEAD", "err", err)
			return nil, false, err
		}
	}
	switch p := sealed.(type) {
	case *message.Encrypted:
		body, err = message.OpenBody(d.Bytes, p, overhead, in.open)
	case *message.EncryptedFragment:
		body, err = message.OpenFragment(d.Bytes, p, overhead, in.open)
	default:
		err = fmt.Errorf("%w: %v payload", message.ErrUnauthenticated, sealed.PayloadType())
	}
	if errors.Is(err, message.ErrUnauthenticated) {
		s.reject(RejectDecrypt, d, err.Error())
		return nil, false, err
	}
	if s.in == nil {
		s.in, s.out = in, out
	}
	s.proven = true
	return body, true, err
}

// answerAgain repeats the answer to a request that authenticates once more: of one in
// fragments, to the first of them only (RFC 7383 §2.6.1).
func (s *sa) answerAgain(d Datagram, sealed message.Payload) {
	if f, ok := sealed.(*message.EncryptedFragment); ok && (!s.fragments || f.Number != 1) {
		s.reject(RejectFragment, d, fmt.Sprintf("fragment %d of a message that is answered", f.Number))
		return
	}
	in := s.in
	if s.state == saHalfOpen {
		in = s.hs.before // the keys have changed since
	}
	if _, authentic, _ := s.decrypt(d, sealed, in); !authentic {
		return
	}
	s.counters().Retransmits++
	for _, b := range s.answer {
		s.counters().MessagesOut++
		s.m.emit(Send{d.Local, d.Remote, b})
	}
}
