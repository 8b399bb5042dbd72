package identity

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of a distinguished name from the wire.
const (
	maxDN  = 4096 // bytes of DER
	maxAVA = 64   // attributes
)

// ava is an attribute of a distinguished name and its value (RFC 5280 §4.1.2.4).
type ava struct {
	oid   string
	value string // UTF-8, or DER where raw
	raw   bool   // not a string type that is known
}

// name is a distinguished name: its RDNs in the order of the encoding, each with one
// attribute or several.
type name [][]ava

// attributes are the short names that are read and printed (RFC 4519, RFC 4514 §3). Of
// two names for one OID the first is printed.
var attributes = []struct{ short, oid string }{
	{"CN", "2.5.4.3"}, {"SN", "2.5.4.4"}, {"serialNumber", "2.5.4.5"}, {"C", "2.5.4.6"}, {"L", "2.5.4.7"},
	{"ST", "2.5.4.8"}, {"S", "2.5.4.8"}, {"street", "2.5.4.9"}, {"O", "2.5.4.10"}, {"OU", "2.5.4.11"},
	{"T", "2.5.4.12"}, {"title", "2.5.4.12"}, {"postalCode", "2.5.4.17"}, {"GN", "2.5.4.42"}, {"G", "2.5.4.42"},
	{"surname", "2.5.4.4"}, {"givenName", "2.5.4.42"},
	{"DC", "0.9.2342.19200300.100.1.25"}, {"UID", "0.9.2342.19200300.100.1.1"},
	{"E", "1.2.840.113549.1.9.1"}, {"emailAddress", "1.2.840.113549.1.9.1"},
}

func shortName(oid string) string {
	for _, a := range attributes {
		if a.oid == oid {
			return a.short
		}
	}
	return oid
}

// decodeDN reads the DER of a Name.
func decodeDN(der []byte) (name, error) {
	if len(der) > maxDN {
		return nil, fmt.Errorf("distinguished name of %d bytes: at most %d", len(der), maxDN)
	}
	var outer asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 || !universal(outer, asn1.TagSequence) {
		return nil, errors.New("distinguished name is no DER sequence")
	}
	var n name
	count := 0
	for in := outer.Bytes; len(in) > 0; {
		var set asn1.RawValue
		rest, err := asn1.Unmarshal(in, &set)
		if err != nil || !universal(set, asn1.TagSet) || len(set.Bytes) == 0 {
			return nil, errors.New("distinguished name has a part that is no DER set")
		}
		in = rest
		var rdn []ava
		for s := set.Bytes; len(s) > 0; {
			var pair struct {
				OID   asn1.ObjectIdentifier
				Value asn1.RawValue
			}
			if s, err = asn1.Unmarshal(s, &pair); err != nil {
				return nil, fmt.Errorf("distinguished name: %w", err)
			}
			if count++; count > maxAVA {
				return nil, fmt.Errorf("distinguished name with more than %d attributes", maxAVA)
			}
			value, ok := stringOf(pair.Value)
			if !ok {
				value = string(pair.Value.FullBytes)
			}
			rdn = append(rdn, ava{pair.OID.String(), value, !ok})
		}
		n = append(n, rdn)
	}
	return n, nil
}

func universal(v asn1.RawValue, tag int) bool {
	return v.Class == asn1.ClassUniversal && v.Tag == tag && v.IsCompound
}

// stringOf gives a string of any of X.520's types as UTF-8.
func stringOf(v asn1.RawValue) (string, bool) {
	if v.Class != asn1.ClassUniversal || v.IsCompound {
		return "", false
	}
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString:
		return string(v.Bytes), utf8.Valid(v.Bytes)
	case asn1.TagT61String: // Latin-1 in practice
		runes := make([]rune, len(v.Bytes))
		for i, b := range v.Bytes {
			runes[i] = rune(b)
		}
		return string(runes), true
	case asn1.TagBMPString:
		if len(v.Bytes)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = uint16(v.Bytes[2*i])<<8 | uint16(v.Bytes[2*i+1])
		}
		return string(utf16.Decode(units)), true
	}
	return "", false
}

// key is a text that only equal names share: lengths stand before the values, so that no
// value can look like another name's structure.
func (n name) key() string {
	var b strings.Builder
	for _, rdn := range n {
		parts := make([]string, len(rdn))
		for i, a := range rdn {
			value := a.value
			if !a.raw {
				value = fold(value)
			}
			parts[i] = fmt.Sprintf("%s %t %d %s", a.oid, a.raw, len(value), value)
		}
		slices.Sort(parts)
		b.WriteString(strconv.Itoa(len(parts)))
		for _, p := range parts {
			b.WriteByte(' ')
			b.WriteString(p)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// fold takes case and runs of spaces out of a value (RFC 4518 §2.2 and §2.6.1 for what
// gateways are called).
func fold(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == ' ' }), " ")
}

// String gives what parseDN reads, at most Max bytes of it.
func (n name) String() string {
	var b strings.Builder
	for i, rdn := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		for j, a := range rdn {
			if j > 0 {
				b.WriteByte('+')
			}
			b.WriteString(shortName(a.oid) + "=")
			if a.raw {
				fmt.Fprintf(&b, "#%x", a.value)
			} else {
				writeValue(&b, a.value)
			}
			if b.Len() > Max {
				return strings.ToValidUTF8(b.String()[:Max], "") + "…"
			}
		}
	}
	return b.String()
}

// special are the characters that a backslash goes before (RFC 4514 §2.4).
const special = `,+"\<>;=#`

func writeValue(b *strings.Builder, s string) {
	last := len(s) - 1
	for i, r := range s {
		switch {
		case strings.ContainsRune(special, r), r == ' ' && (i == 0 || i == last):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError || !unicode.IsPrint(r):
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(b, "\\%02X", c)
			}
		default:
			b.WriteRune(r)
		}
	}
}
