// Package esp seals and opens the packets of one child SA with the IPsec
// Encapsulating Security Payload (RFC 4303) and an AEAD: AES-GCM with a 16-byte
// ICV (RFC 4106) or ChaCha20-Poly1305 (RFC 7634).
//
//	 0                   4                   8                 16
//	+-------------------+-------------------+-------------------+
//	| SPI               | sequence, low 32  | IV                |  in the clear
//	+-------------------+-------------------+-------------------+
//	| packet | padding 1, 2, 3… (0-3) | pad length | next header |  encrypted
//	+-----------------------------------------------------------+
//	| ICV                                                       |
//	+-----------------------------------------------------------+
//
// The IV is the 64-bit sequence number, so that a (key, nonce) pair cannot
// repeat while the sequence number does not. With extended sequence numbers
// (ESN) the upper 32 bits are authenticated but not sent.
//
// The package takes and gives ESP datagrams as they stand in a UDP payload
// (RFC 3948); the non-ESP marker and keepalives are the caller's. It does no
// I/O, reads no clock and allocates nothing per packet.
package esp
