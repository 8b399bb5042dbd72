package message

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// DER AlgorithmIdentifiers that stand before the signature in an AUTH payload
// of method AuthDigitalSignature (RFC 7427 appendix A, RFC 8420 appendix A for
// Ed25519). They are compared byte for byte.
const (
	AlgorithmEd25519         = "\x30\x05\x06\x03\x2b\x65\x70"
	AlgorithmEd448           = "\x30\x05\x06\x03\x2b\x65\x71"
	AlgorithmECDSAWithSHA256 = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
	AlgorithmECDSAWithSHA384 = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"
	AlgorithmECDSAWithSHA512 = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"
)

// HashAlgorithm is a number of the registry of RFC 7427 section 7, as listed
// in the notification SIGNATURE_HASH_ALGORITHMS.
type HashAlgorithm uint16

// Hash algorithms.
const (
	HashSHA1     HashAlgorithm = 1
	HashSHA256   HashAlgorithm = 2
	HashSHA384   HashAlgorithm = 3
	HashSHA512   HashAlgorithm = 4
	HashIdentity HashAlgorithm = 5 // RFC 8420: the key signs the data itself, as Ed25519 does
)

// String gives the name, or "hash 99".
func (h HashAlgorithm) String() string {
	switch h {
	case HashSHA1:
		return "SHA1"
	case HashSHA256:
		return "SHA2-256"
	case HashSHA384:
		return "SHA2-384"
	case HashSHA512:
		return "SHA2-512"
	case HashIdentity:
		return "Identity"
	}
	return "hash " + strconv.Itoa(int(h))
}

// JoinSignature makes the authentication data of AuthDigitalSignature: a
// length octet, the AlgorithmIdentifier (at most 255 bytes) and the signature
// (RFC 7427 section 3).
func JoinSignature(algorithm string, signature []byte) ([]byte, error) {
	if len(algorithm) == 0 || len(algorithm) > 255 {
		return nil, &Error{Payload: PayloadAUTH, Offset: -1, Problem: fmt.Sprintf("algorithm identifier of %d bytes, not 1 to 255", len(algorithm))}
	}
	b := make([]byte, 0, 1+len(algorithm)+len(signature))
	b = append(b, uint8(len(algorithm)))
	b = append(b, algorithm...)
	return append(b, signature...), nil
}

// SplitSignature takes the authentication data of AuthDigitalSignature apart.
// The signature aliases data. It fails with an *Error.
func SplitSignature(data []byte) (algorithm string, signature []byte, err error) {
	r := &reader{kind: PayloadAUTH, b: data}
	n := int(r.uint8())
	if r.ok() && n == 0 {
		r.fail("no algorithm identifier")
	}
	algorithm = string(r.take(n))
	signature = r.rest()
	if r.ok() && len(signature) == 0 {
		r.fail("no signature behind the algorithm identifier")
	}
	if !r.ok() {
		return "", nil, r.err
	}
	return algorithm, signature, nil
}

// MarshalHashAlgorithms makes the data of SIGNATURE_HASH_ALGORITHMS
// (RFC 7427 section 4).
func MarshalHashAlgorithms(hs ...HashAlgorithm) []byte {
	b := make([]byte, 0, 2*len(hs))
	for _, h := range hs {
		b = binary.BigEndian.AppendUint16(b, uint16(h))
	}
	return b
}

// ParseHashAlgorithms reads the data of SIGNATURE_HASH_ALGORITHMS. An odd
// length is an *Error.
func ParseHashAlgorithms(data []byte) ([]HashAlgorithm, error) {
	r := &reader{kind: PayloadNotify, b: data}
	var hs []HashAlgorithm
	for len(r.b) > 0 {
		hs = append(hs, HashAlgorithm(r.uint16()))
	}
	if !r.ok() {
		return nil, r.err
	}
	return hs, nil
}
