package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"vpngw/crypto/identity"
	"vpngw/crypto/keys"
)

// defaultPort is that of IKE and ESP in UDP (RFC 3948).
const defaultPort = 4500

// endpoint is a peer's address as the file gives it.
type endpoint struct {
	host string
	ip   netip.Addr // zero when host is a name
	port uint16
}

// subnets reads prefixes without host bits.
func subnets() *kind {
	return &kind{
		what:   "a subnet such as 10.1.0.0/16",
		schema: map[string]any{"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$"},
		parse: func(text string) (any, *flaw) {
			p, bad := parsePrefix(text)
			if bad != nil {
				return nil, bad
			}
			if p != p.Masked() {
				return nil, &flaw{message: text + " has host bits set", hint: fmt.Sprintf("did you mean %s?", p.Masked())}
			}
			if p.Addr().IsMulticast() || p.Addr().IsLoopback() {
				return nil, &flaw{message: text + " is no unicast subnet", hint: "a tunnel carries neither multicast nor loopback addresses"}
			}
			return p, nil
		},
	}
}

// interfaceAddresses reads addresses with the length of their prefix.
func interfaceAddresses() *kind {
	return &kind{
		what:   "an address with its prefix length, such as 10.99.0.1/32",
		schema: map[string]any{"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$"},
		parse: func(text string) (any, *flaw) {
			p, bad := parsePrefix(text)
			if bad != nil {
				return nil, bad
			}
			if a := p.Addr(); a.IsMulticast() || a.IsUnspecified() || a.IsLoopback() {
				return nil, &flaw{message: text + " cannot be the address of an interface", hint: "give a unicast address such as 10.99.0.1/32"}
			}
			return p, nil
		},
	}
}

func parsePrefix(text string) (netip.Prefix, *flaw) {
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() {
		return p, &flaw{message: text + " is an IPv4 address written as IPv6", hint: "write " + p.Addr().Unmap().String() + " with an IPv4 prefix length"}
	}
	if err == nil {
		return p, nil
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return p, &flaw{message: text + " has no prefix length", hint: fmt.Sprintf("did you mean %s/%d?", a, a.BitLen())}
	}
	address, length, _ := strings.Cut(text, "/")
	if a, err := netip.ParseAddr(address); err == nil && a.Zone() == "" {
		return p, &flaw{
			message: fmt.Sprintf("%s is no prefix length", quote(length)),
			hint:    fmt.Sprintf("want a number from 0 to %d", a.BitLen()),
		}
	}
	return p, &flaw{message: quote(address) + " is no IP address", hint: "want something like 10.1.0.0/16 or 2001:db8:1::/48"}
}

// peerAddresses reads host, host:port or [IPv6]:port.
func peerAddresses() *kind {
	return &kind{
		what:   "an address such as 192.0.2.2, [2001:db8::2]:4500 or vpn.example:4500",
		schema: map[string]any{"type": "string", "pattern": `^[^\s/]+$`},
		parse: func(text string) (any, *flaw) {
			e, bad := parseEndpoint(text)
			if bad != nil {
				return nil, bad
			}
			return e, nil
		},
	}
}

func parseEndpoint(text string) (endpoint, *flaw) {
	e := endpoint{host: text, port: defaultPort}
	port := ""
	if inside, ok := strings.CutPrefix(text, "["); ok {
		host, rest, closed := strings.Cut(inside, "]")
		var colon bool
		port, colon = strings.CutPrefix(rest, ":")
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() || !closed || rest != "" && !colon || colon && port == "" {
			return e, &flaw{message: quote(text) + " is no address in brackets", hint: "want something like [2001:db8::2]:4500"}
		}
		e.host = host
	} else if strings.Contains(text, "/") {
		return e, &flaw{message: quote(text) + " is no host", hint: "a peer's address has neither a prefix length nor a scheme"}
	} else if strings.Count(text, ":") == 1 {
		e.host, port, _ = strings.Cut(text, ":")
		if port == "" {
			return e, &flaw{message: quote(text) + " ends where a port should be", hint: "did you mean " + shorten(e.host) + "?"}
		}
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || !digits.MatchString(port) {
			return e, &flaw{message: quote(port) + " is no port", hint: "want a number from 1 to 65535"}
		}
		e.port = uint16(n)
	}
	return e, e.check()
}

// check reads the host and refuses what cannot be one peer.
func (e *endpoint) check() *flaw {
	a, err := netip.ParseAddr(e.host)
	switch {
	case err == nil && (a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})):
		return &flaw{message: e.host + " is not the address of one host", hint: "leave the address out to wait for the peer"}
	case err == nil:
		e.ip = a.Unmap()
		return nil
	case strings.Contains(e.host, ":"):
		return &flaw{message: quote(e.host) + " is no IPv6 address", hint: "write an IPv6 address with a port as [2001:db8::2]:4500"}
	case allDigits.MatchString(e.host):
		return &flaw{message: quote(e.host) + " is no IPv4 address", hint: "want four numbers from 0 to 255, such as 192.0.2.2"}
	case len(e.host) > 253 || !hostName.MatchString(e.host):
		return &flaw{message: quote(e.host) + " is neither an IP address nor a host name", hint: "want something like 192.0.2.2 or vpn.example"}
	}
	return nil
}

var (
	digits        = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
	allDigits     = regexp.MustCompile(`^[0-9.]+$`)
	hostName      = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?)*\.?$`)
	domainID      = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
	mailID        = regexp.MustCompile(`^[!-?A-~]+@[!-?A-~]+$`)
	interfaceName = regexp.MustCompile(`^[!-$&-.0-9;-~]+$`)
	tunnelName    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
)

// maxIdentity bounds an IKE identity, and the id of a PPK, in bytes.
const maxIdentity = identity.Max

// identities reads the identities of RFC 7296 §3.5: address, e-mail, domain name, key id, distinguished name.
func identities() *kind {
	const hint = "want a domain name, an e-mail address, an IP address, a distinguished name or keyid:TEXT"
	return &kind{
		what:   "an IKE identity such as gw-a.example",
		schema: map[string]any{"type": "string", "minLength": 1, "maxLength": maxIdentity, "pattern": `^[^\x00-\x1f\x7f]+$`},
		parse: func(text string) (any, *flaw) {
			a, err := netip.ParseAddr(text)
			switch {
			case err == nil && a.Zone() == "":
				return a.Unmap().String(), nil
			case text == "":
				return nil, &flaw{message: "the identity is empty", hint: hint}
			case len(text) > maxIdentity:
				return nil, &flaw{message: fmt.Sprintf("the identity has %d bytes", len(text)), hint: fmt.Sprintf("at most %d are allowed", maxIdentity)}
			case strings.HasPrefix(text, "@") && domainID.MatchString(text[1:]):
				return nil, &flaw{message: quote(text) + " is no identity", hint: "did you mean " + quote(text[1:]) + "?"}
			case strings.HasPrefix(text, "keyid:"), strings.Contains(text, "="):
				if _, err := identity.Parse(text); err != nil {
					return nil, &flaw{message: err.Error(), hint: "want something like keyid:gw-a or C=CH, O=Example, CN=gw-a"}
				}
				return text, nil
			case allDigits.MatchString(text) && strings.Contains(text, ".") || strings.Contains(text, ":"):
				return nil, &flaw{message: quote(text) + " is no IP address", hint: hint}
			case !domainID.MatchString(text) && !mailID.MatchString(text):
				return nil, &flaw{message: quote(text) + " is no identity", hint: hint}
			}
			return text, nil
		},
	}
}

func tunnelNames() *kind {
	const what = "1 to 63 small letters, digits, dots, hyphens and underscores, a letter or digit first"
	return &kind{
		what:   what,
		schema: map[string]any{"pattern": tunnelName.String()},
		parse: func(text string) (any, *flaw) {
			if !tunnelName.MatchString(text) {
				return nil, &flaw{message: "bad name for a tunnel", hint: "want " + what}
			}
			return text, nil
		},
	}
}

// maxInterfaceName is IFNAMSIZ without the final zero.
const maxInterfaceName = 15

func interfaces() *kind {
	return &kind{
		what:   "the name of a network interface, such as vpngw0",
		schema: map[string]any{"type": "string", "minLength": 1, "maxLength": maxInterfaceName, "pattern": `^[^\s/:%]+$`},
		parse: func(text string) (any, *flaw) {
			switch {
			case len(text) > maxInterfaceName:
				return nil, &flaw{
					message: fmt.Sprintf("%s has %d characters", quote(text), len(text)),
					hint:    fmt.Sprintf("Linux allows at most %d in the name of an interface", maxInterfaceName),
				}
			case !interfaceName.MatchString(text) || text == "." || text == "..":
				return nil, &flaw{message: quote(text) + " is no name of an interface", hint: "want letters and digits, without / : % or spaces"}
			}
			return text, nil
		},
	}
}

func publicKeys() *kind {
	return &kind{
		what:   "a public key as `vpngw pubkey` prints it",
		schema: map[string]any{"type": "string", "pattern": "^([A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{59}=|[A-Za-z0-9+/]{122}==|[A-Za-z0-9+/]{160})$"},
		parse: func(text string) (any, *flaw) {
			const hint = "want one line as `vpngw pubkey` prints it at the peer"
			if strings.Contains(text, "\n") {
				return nil, &flaw{message: "the key takes several lines", hint: hint}
			}
			key, err := keys.ParsePublic(text)
			var format *keys.FormatError
			if errors.As(err, &format) {
				return nil, &flaw{message: "found " + format.Found, hint: hint}
			} else if err != nil {
				return nil, &flaw{message: err.Error(), hint: hint}
			}
			return key, nil
		},
	}
}

// ppkIDs reads the id of a PPK, which both ends must have byte for byte.
func ppkIDs() *kind {
	return &kind{
		what:   "the id of a PPK",
		schema: map[string]any{"type": "string", "minLength": 1, "maxLength": maxIdentity, "pattern": "^[!-~]+$"},
		parse: func(text string) (any, *flaw) {
			if text == "" || len(text) > maxIdentity || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
				return nil, &flaw{message: quote(text) + " is no id of a PPK", hint: fmt.Sprintf("want 1 to %d letters, digits and signs, without spaces", maxIdentity)}
			}
			return text, nil
		},
	}
}
