package main

import (
	"encoding/binary"
	"math/rand/v2"
)

// junkKind is a kind of datagram that no peer sends. All of one kind have the same
// length, so that an answer longer than its request is an answer longer than all.
// The bytes are put together here, by the RFCs and not by the gateway's own codec.
type junkKind struct {
	name  string
	build func(r *rand.Rand, spi uint32) []byte // spi: of an SA that the gateway has
}

var junkKinds = []junkKind{
	{"junk", func(r *rand.Rand, _ uint32) []byte {
		b := randomBytes(r, 48)
		if r.IntN(4) == 0 {
			clear(b[:markerLen]) // for IKE, then
		}
		return b
	}},
	{"IKE_SA_INIT", func(r *rand.Rand, _ uint32) []byte { return initRequest(r) }},
	{"IKE_SA_INIT, garbage inside", func(r *rand.Rand, _ uint32) []byte {
		return ikeMessage(payloadSA, exchangeInit, r.Uint64(), 0, 0, randomBytes(r, 200))
	}},
	{"IKE_AUTH to no SA", func(r *rand.Rand, _ uint32) []byte {
		return ikeMessage(payloadSK, exchangeAuth, r.Uint64(), r.Uint64(), 1, payload(0, randomBytes(r, 200)))
	}},
	{"ESP, unknown SPI", func(r *rand.Rand, spi uint32) []byte {
		return espPacket(r, spi^(1+r.Uint32N(1<<20)))
	}},
	{"ESP, known SPI, wrong ICV", espPacket},
}

// Numbers of RFC 7296 §3.1, §3.2 and §3.3, RFC 8031, RFC 5282.
const (
	payloadSA, payloadKE, payloadNonce, payloadNotify, payloadSK = 33, 34, 40, 41, 46

	exchangeInit, exchangeAuth = 34, 35

	version2      = 0x20
	flagInitiator = 0x08
	groupX25519   = 31

	ikeHeaderLen = 28
	markerLen    = 4 // non-ESP marker, RFC 3948 §2.2
)

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.BigEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// ikeMessage puts the marker and a header before payloads.
func ikeMessage(first, exchange byte, initiator, responder uint64, id uint32, payloads []byte) []byte {
	b := make([]byte, markerLen, markerLen+ikeHeaderLen+len(payloads))
	b = binary.BigEndian.AppendUint64(b, initiator)
	b = binary.BigEndian.AppendUint64(b, responder)
	b = append(b, first, version2, exchange, flagInitiator)
	b = binary.BigEndian.AppendUint32(b, id)
	b = binary.BigEndian.AppendUint32(b, uint32(ikeHeaderLen+len(payloads)))
	return append(b, payloads...)
}

// payload puts a generic header before a body.
func payload(next byte, body []byte) []byte {
	b := []byte{next, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(body)))
	return append(b, body...)
}

// initRequest is a request that a responder with the usual algorithms can accept:
// AES-256-GCM, HMAC-SHA-256, X25519, and the notifies of a common initiator.
func initRequest(r *rand.Rand) []byte {
	const transforms = 3
	sa := []byte{0, 0, 0, 8 + 12 + 8 + 8, 1, 1, 0, transforms}
	sa = append(sa,
		3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 1, 0, // ENCR_AES_GCM_16, 256 bits
		3, 0, 0, 8, 2, 0, 0, 5, // PRF_HMAC_SHA2_256
		0, 0, 0, 8, 4, 0, 0, groupX25519)
	ke := append([]byte{0, groupX25519, 0, 0}, randomBytes(r, 32)...)
	notify := func(kind uint16, data []byte) []byte {
		return append([]byte{0, 0, byte(kind >> 8), byte(kind)}, data...)
	}
	const natSource, natDestination, hashes = 16388, 16389, 16431
	payloads := payload(payloadKE, sa)
	payloads = append(payloads, payload(payloadNonce, ke)...)
	payloads = append(payloads, payload(payloadNotify, randomBytes(r, 32))...)
	payloads = append(payloads, payload(payloadNotify, notify(natSource, randomBytes(r, 20)))...)
	payloads = append(payloads, payload(payloadNotify, notify(natDestination, randomBytes(r, 20)))...)
	payloads = append(payloads, payload(0, notify(hashes, []byte{0, 2, 0, 5}))...)
	return ikeMessage(payloadSA, exchangeInit, r.Uint64()|1, 0, 0, payloads)
}

// espPacket is an ESP packet of this SPI with a random sequence number and contents.
func espPacket(r *rand.Rand, spi uint32) []byte {
	return append(binary.BigEndian.AppendUint32(nil, spi), randomBytes(r, 196)...)
}
