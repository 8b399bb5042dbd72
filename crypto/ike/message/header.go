package message

import (
	"encoding/binary"
	"fmt"
)

// HeaderLen is the length of the IKE header in bytes (RFC 7296 section 3.1).
const HeaderLen = 28

// SPI names an IKE SA at one of its ends; 0 stands for "not chosen yet". (The
// SPIs of child SAs have 32 bits.)
type SPI uint64

// String gives 16 hexadecimal digits.
func (s SPI) String() string { return fmt.Sprintf("%016x", uint64(s)) }

// Version is the version octet of the header: major in the upper four bits,
// minor in the lower.
type Version uint8

// Version2 is IKEv2, version 2.0: what we send.
const Version2 Version = 0x20

// Major is 2 for IKEv2. A request with a higher one is answered with
// INVALID_MAJOR_VERSION (RFC 7296 section 2.5); Parse leaves that to its caller.
func (v Version) Major() uint8 { return uint8(v >> 4) }

// Minor is ignored by IKEv2 receivers.
func (v Version) Minor() uint8 { return uint8(v & 0x0f) }

// Flags of the IKE header (RFC 7296 section 3.1).
type Flags uint8

// The flags. The other bits are ignored when parsing and zero when sending.
const (
	FlagInitiator Flags = 0x08 // sent by the original initiator of the IKE SA
	FlagVersion   Flags = 0x10 // the sender can speak a higher major version; we never set it
	FlagResponse  Flags = 0x20 // a response to the message with the same id

	knownFlags = FlagInitiator | FlagVersion | FlagResponse
)

// Response reports whether the message answers a request.
func (f Flags) Response() bool { return f&FlagResponse != 0 }

// Initiator reports whether the original initiator of the IKE SA sent it.
func (f Flags) Initiator() bool { return f&FlagInitiator != 0 }

// Header is the IKE header.
type Header struct {
	InitiatorSPI SPI
	ResponderSPI SPI
	// NextPayload is the type of the first payload. Set by Parse; Marshal and
	// the Build functions ignore it and write the right one.
	NextPayload PayloadType
	// Version must be set to send (Version2).
	Version   Version
	Exchange  ExchangeType
	Flags     Flags
	MessageID uint32
	// Length of the message in bytes, header included. Set by Parse; ignored
	// when marshalling, like NextPayload.
	Length uint32
}

// ParseHeader reads the first HeaderLen bytes of a message and nothing else:
// enough to find the SA and to judge the version. Length is not compared with
// len(b). It does not allocate unless it fails, with an *Error for a b that is
// too short.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen {
		return Header{}, &Error{Offset: len(b), Problem: fmt.Sprintf("%d bytes are too few for the %d-byte header", len(b), HeaderLen)}
	}
	return Header{
		InitiatorSPI: SPI(binary.BigEndian.Uint64(b)),
		ResponderSPI: SPI(binary.BigEndian.Uint64(b[8:])),
		NextPayload:  PayloadType(b[16]),
		Version:      Version(b[17]),
		Exchange:     ExchangeType(b[18]),
		Flags:        Flags(b[19]) & knownFlags,
		MessageID:    binary.BigEndian.Uint32(b[20:]),
		Length:       binary.BigEndian.Uint32(b[24:]),
	}, nil
}

func (h Header) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(h.InitiatorSPI))
	b = binary.BigEndian.AppendUint64(b, uint64(h.ResponderSPI))
	b = append(b, uint8(h.NextPayload), uint8(h.Version), uint8(h.Exchange), uint8(h.Flags&knownFlags))
	b = binary.BigEndian.AppendUint32(b, h.MessageID)
	return binary.BigEndian.AppendUint32(b, h.Length)
}

func (h Header) check() error {
	if h.Version.Major() == 0 {
		return &Error{Offset: 17, Problem: "version is not set: use Version2"}
	}
	return nil
}
