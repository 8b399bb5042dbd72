package message

import (
	"errors"
	"fmt"
)

// Error says what is malformed in a message. A peer whose message was
// authenticated is answered with INVALID_SYNTAX (RFC 7296 section 2.21);
// anything else is dropped.
//
// Marshalling returns it too, for values that no message can hold.
type Error struct {
	// Payload is the type of the payload in which the problem is, or
	// PayloadNone for the IKE header and the payload chain itself.
	Payload PayloadType
	// Offset in bytes from the start of the buffer that was being parsed or
	// written; -1 where no single place is to blame.
	Offset int
	// Problem says what was found and what was expected.
	Problem string
}

// Error names the payload, the offset and the problem.
func (e *Error) Error() string {
	where := "message"
	if e.Payload != PayloadNone {
		where = e.Payload.String() + " payload"
	}
	if e.Offset < 0 {
		return fmt.Sprintf("ike %s: %s", where, e.Problem)
	}
	return fmt.Sprintf("ike %s at byte %d: %s", where, e.Offset, e.Problem)
}

// UnsupportedCriticalError reports a payload of unknown type whose critical
// bit is set. The whole message is to be rejected with the notification
// UNSUPPORTED_CRITICAL_PAYLOAD, whose data is the one octet Payload
// (RFC 7296 section 2.5).
type UnsupportedCriticalError struct {
	Payload PayloadType
	Offset  int // of the payload's generic header, in bytes
}

// Error names the payload type and the offset.
func (e *UnsupportedCriticalError) Error() string {
	return fmt.Sprintf("ike message at byte %d: critical payload of unknown type %d", e.Offset, uint8(e.Payload))
}

// ErrUnauthenticated wraps every failure to open an Encrypted payload that is
// found before the AEAD has accepted it. Such a message is dropped and never
// answered.
var ErrUnauthenticated = errors.New("ike message is not authentic")
