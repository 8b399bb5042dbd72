// Package message is the codec of IKEv2 messages: RFC 7296 section 3, with
// the encrypted fragments of RFC 7383 and the signature encoding of RFC 7427.
//
// Parse and Marshal turn a whole message, ParsePayloads and MarshalPayloads
// the list of payloads inside the Encrypted payload, and BuildEncrypted and
// OpenEncrypted put the two together around an AEAD that the caller supplies.
//
// The package judges form, not meaning: it answers whether the bytes are a
// well-formed message (otherwise INVALID_SYNTAX) and whether they hold a
// critical payload that nobody here understands. Which payloads an exchange
// needs, which transforms are acceptable and who the peer is are decided by
// package ike.
//
// # Ownership
//
// Parsing aliases: every byte slice in a parsed payload points into the
// buffer that was parsed, with its capacity cut to its length. The buffer must
// stay unchanged for as long as the payloads are used. An empty field is nil.
// Marshalling copies. All functions are pure and may be called from any
// goroutine.
//
// # Canonical form
//
// Reserved fields and bits are ignored when parsing and written as zero (the
// one exception is [Identification.Reserved]). What Marshal wrote parses to
// equal payloads and marshals to the same bytes again.
package message
