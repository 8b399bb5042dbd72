package identity

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parseDN makes the DER of a name such as "C=CH, O=Example, CN=gw-a", in the order of
// the text. "+" joins the attributes of one RDN; a backslash takes the character behind
// it, or a byte as two hexadecimal digits, as it is (RFC 4514 §2.4).
func parseDN(s string) ([]byte, error) {
	n, err := scanDN(s)
	if err != nil {
		return nil, fmt.Errorf("distinguished name %q: %w", s, err)
	}
	return n.encode()
}

// scanDN takes the text apart.
func scanDN(s string) (name, error) {
	n := name{nil}
	for rest := s; ; {
		short, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, fmt.Errorf("no \"=\" in %q: want TYPE=value, TYPE=value", rest)
		}
		oid, err := oidOf(strings.TrimSpace(short))
		if err != nil {
			return nil, err
		}
		value, end, err := scanValue(after)
		if err != nil {
			return nil, err
		}
		if value == "" {
			return nil, fmt.Errorf("%s has no value", strings.TrimSpace(short))
		}
		last := len(n) - 1
		n[last] = append(n[last], ava{oid: oid, value: value})
		if end == len(after) {
			return n, nil
		}
		if after[end] == ',' {
			n = append(n, nil)
		}
		rest = after[end+1:]
	}
}

// oidOf gives the OID of a short name, or checks one in dotted form.
func oidOf(short string) (string, error) {
	for _, a := range attributes {
		if strings.EqualFold(a.short, short) {
			return a.oid, nil
		}
	}
	if _, err := parseOID(short); err != nil {
		return "", fmt.Errorf("unknown attribute %q: want one such as C, ST, L, O, OU, CN, DC, E, UID, or an OID", short)
	}
	return short, nil
}

func parseOID(s string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(s, ".") {
		v, err := strconv.ParseUint(part, 10, 31)
		if err != nil || strconv.FormatUint(v, 10) != part {
			return nil, errors.New("no OID")
		}
		oid = append(oid, int(v))
	}
	if len(oid) < 2 || oid[0] > 2 || oid[0] < 2 && oid[1] >= 40 {
		return nil, errors.New("no OID")
	}
	return oid, nil
}

// scanValue reads up to a comma or plus sign that is not escaped, and gives where it is.
func scanValue(s string) (value string, end int, err error) {
	var b []byte
	kept := 0 // bytes of b that no trimming may take
	for end < len(s) && s[end] != ',' && s[end] != '+' {
		c := s[end]
		end++
		switch {
		case c == '\\' && end < len(s):
			if end+2 <= len(s) {
				if raw, err := hex.DecodeString(s[end : end+2]); err == nil {
					b, end = append(b, raw...), end+2
					kept = len(b)
					continue
				}
			}
			b = append(b, s[end])
			end++
			kept = len(b)
		case c == '\\', c == '"', c == ';', c == '<', c == '>', c == '=', c == '#' && len(b) == 0:
			return "", 0, fmt.Errorf("%q needs a backslash before it", c)
		case c == ' ' && len(b) == 0:
		default:
			b = append(b, c)
		}
	}
	for len(b) > kept && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	if !utf8.Valid(b) {
		return "", 0, errors.New("a value is not UTF-8")
	}
	return string(b), end, nil
}

// encode gives the DER, with the string types that most authorities use: IA5String where
// the attribute's definition demands it, PrintableString where it can be, else UTF8String.
func (n name) encode() ([]byte, error) {
	type pair struct {
		OID   asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type rdn []pair
	var out []asn1.RawValue
	for _, r := range n {
		var set rdn
		for _, a := range r {
			oid, err := parseOID(a.oid)
			if err != nil {
				return nil, err
			}
			set = append(set, pair{oid, asn1.RawValue{Tag: stringType(a), Bytes: []byte(a.value)}})
		}
		der, err := asn1.MarshalWithParams(set, "set")
		if err != nil {
			return nil, err
		}
		out = append(out, asn1.RawValue{FullBytes: der})
	}
	return asn1.Marshal(out)
}

func stringType(a ava) int {
	const (
		domainComponent = "0.9.2342.19200300.100.1.25"
		emailAddress    = "1.2.840.113549.1.9.1"
	)
	ascii := strings.IndexFunc(a.value, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	if ascii && (a.oid == domainComponent || a.oid == emailAddress) {
		return asn1.TagIA5String
	}
	if strings.Trim(a.value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?") == "" {
		return asn1.TagPrintableString
	}
	return asn1.TagUTF8String
}
