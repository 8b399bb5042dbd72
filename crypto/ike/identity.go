package ike

import "vpngw/crypto/identity"

// IDType is an IKEv2 identification type (RFC 7296 §3.5).
type IDType = identity.Type

// The types of identity that a tunnel can have.
const (
	IDIPv4  = identity.IPv4
	IDFQDN  = identity.FQDN
	IDEmail = identity.Email
	IDIPv6  = identity.IPv6
	IDDN    = identity.DN
	IDKeyID = identity.KeyID
)

// Identity is who an end says it is. The zero value is no identity.
type Identity = identity.Identity

// ParseIdentity is identity.Parse.
func ParseIdentity(s string) (Identity, error) { return identity.Parse(s) }
