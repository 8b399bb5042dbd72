// Package identity has the names by which IKEv2 gateways know one another (RFC 7296
// §3.5): addresses, domain names, e-mail addresses, key ids and distinguished names. It
// reads and prints them, compares them and finds them in certificates.
package identity

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Type is an IKEv2 identification type (RFC 7296 §3.5).
type Type uint8

// The types of identity that a tunnel can have.
const (
	IPv4  Type = 1
	FQDN  Type = 2
	Email Type = 3
	IPv6  Type = 5
	DN    Type = 9 // ID_DER_ASN1_DN
	KeyID Type = 11
)

// Identity is who an end says it is. The zero value is no identity. Distinguished names
// have many encodings: they are compared with Equal, or by their Key.
type Identity struct {
	Type Type
	Data string // as on the wire: text, 4 or 16 address bytes, or the DER of a Name
}

// Max bounds, in bytes, the text of an identity that a tunnel can have, and so what is
// printed of one from the wire: a stranger's may have 64 KiB.
const Max = 255

const keyIDPrefix = "keyid:"

// Parse reads "192.0.2.1" or "2001:db8::1" as an address, "keyid:TEXT" as a key id of
// the bytes TEXT, "C=CH, O=Example, CN=gw-a" as a distinguished name in the order of the
// certificate, "a@b" as e-mail, and everything else as a domain name.
func Parse(s string) (Identity, error) {
	switch {
	case s == "":
		return Identity{}, errors.New("identity is empty: give a name such as gw-a.example")
	case len(s) > Max:
		return Identity{}, fmt.Errorf("identity has %d bytes: at most %d", len(s), Max)
	}
	text, isKeyID := strings.CutPrefix(s, keyIDPrefix)
	isDN := !isKeyID && strings.Contains(s, "=")
	for _, r := range s {
		if r < ' ' || r == ' ' && !isDN || r == 0x7f || r == utf8.RuneError {
			return Identity{}, fmt.Errorf("identity %q has a space or control character", s)
		}
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return address(a), nil
	}
	switch {
	case isKeyID && text == "":
		return Identity{}, errors.New("key id is empty: give keyid: and its text")
	case isKeyID:
		return Identity{KeyID, text}, nil
	case isDN:
		der, err := parseDN(s)
		return Identity{DN, string(der)}.orNone(err), err
	case strings.Contains(s, "@"):
		return Identity{Email, s}, nil
	}
	return Identity{FQDN, s}, nil
}

func address(a netip.Addr) Identity {
	a = a.Unmap()
	if a.Is4() {
		return Identity{IPv4, string(a.AsSlice())}
	}
	return Identity{IPv6, string(a.AsSlice())}
}

func (id Identity) orNone(err error) Identity {
	if err != nil {
		return Identity{}
	}
	return id
}

// String gives what Parse reads, with anything unprintable escaped, and of what is too
// long only the length.
func (id Identity) String() string {
	if len(id.Data) > Max && id.Type != DN || len(id.Data) > maxDN {
		return fmt.Sprintf("an identity of type %d with %d bytes", id.Type, len(id.Data))
	}
	switch id.Type {
	case 0:
		return "(none)"
	case IPv4, IPv6:
		if a, ok := netip.AddrFromSlice([]byte(id.Data)); ok {
			return a.String()
		}
	case FQDN, Email:
		return escape(id.Data)
	case KeyID:
		return keyIDPrefix + escape(id.Data)
	case DN:
		if n, err := decodeDN([]byte(id.Data)); err == nil {
			return n.String()
		}
		if len(id.Data) > Max {
			return fmt.Sprintf("a distinguished name of %d bytes that cannot be read", len(id.Data))
		}
	}
	return fmt.Sprintf("type-%d:%x", id.Type, id.Data)
}

func escape(s string) string {
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}

// IsZero tells whether there is no identity.
func (id Identity) IsZero() bool { return id == Identity{} }

// Key is the same for identities that are Equal, and for no others: it serves as a key
// of maps, never as an identity to be sent.
func (id Identity) Key() Identity {
	if id.Type != DN {
		return id
	}
	n, err := decodeDN([]byte(id.Data))
	if err != nil {
		return Identity{DN, "unread " + id.Data} // which no name's key begins with
	}
	return Identity{DN, n.key()}
}

// Equal tells whether id and other are the same. Distinguished names are if their parts
// are, one by one, whatever their string types, case and runs of spaces (RFC 5280 §7.1).
func (id Identity) Equal(other Identity) bool {
	return id == other || id.Type == DN && other.Type == DN && id.Key() == other.Key()
}
