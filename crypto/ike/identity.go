package ike

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// IDType is an IKEv2 identification type (RFC 7296 §3.5).
type IDType uint8

// The types of identity that a tunnel can have.
const (
	IDIPv4  IDType = 1
	IDFQDN  IDType = 2
	IDEmail IDType = 3
	IDIPv6  IDType = 5
)

// Identity is who an end says it is. It is comparable; the zero value is no identity.
type Identity struct {
	Type IDType
	Data string // as on the wire: text, or 4 or 16 address bytes
}

// maxIdentity bounds an identity that a tunnel can have, and so what is printed of one
// from the wire: a stranger's may have 64 KiB.
const maxIdentity = 255

// ParseIdentity reads "192.0.2.1" or "2001:db8::1" as an address, "a@b" as e-mail,
// and everything else as a domain name.
func ParseIdentity(s string) (Identity, error) {
	switch {
	case s == "":
		return Identity{}, errors.New("identity is empty: give a name such as gw-a.example")
	case len(s) > maxIdentity:
		return Identity{}, fmt.Errorf("identity has %d bytes: at most %d", len(s), maxIdentity)
	}
	for _, r := range s {
		if r <= ' ' || r == 0x7f || r == 0xfffd {
			return Identity{}, fmt.Errorf("identity %q has a space or control character", s)
		}
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		if a.Is4() {
			return Identity{IDIPv4, string(a.AsSlice())}, nil
		}
		return Identity{IDIPv6, string(a.AsSlice())}, nil
	}
	if strings.Contains(s, "@") {
		return Identity{IDEmail, s}, nil
	}
	return Identity{IDFQDN, s}, nil
}

// String gives what ParseIdentity reads, with anything unprintable escaped, and of what
// is too long only the length.
func (id Identity) String() string {
	if len(id.Data) > maxIdentity {
		return fmt.Sprintf("an identity of type %d with %d bytes", id.Type, len(id.Data))
	}
	switch id.Type {
	case 0:
		return "(none)"
	case IDIPv4, IDIPv6:
		if a, ok := netip.AddrFromSlice([]byte(id.Data)); ok {
			return a.String()
		}
	case IDFQDN, IDEmail:
		q := fmt.Sprintf("%q", id.Data)
		return q[1 : len(q)-1]
	}
	return fmt.Sprintf("type-%d:%x", id.Type, id.Data)
}

// IsZero tells whether there is no identity.
func (id Identity) IsZero() bool { return id == Identity{} }
