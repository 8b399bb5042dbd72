// Package daemon runs vpngw gateways inside a lab as a user would: it writes tunnel files and keys, starts `vpngw run`, and
// reads `vpngw status --json`.
package daemon

import (
	"fmt"
	"net/netip"
	"strings"
)

// Config is a tunnel file. Empty fields are left out of it.
type Config struct {
	ID            string
	KeyFile       string
	Port          int
	Interface     string
	ControlSocket string
	Addresses     []netip.Prefix
	// Gateway holds further lines of the gateway section, such as "mtu: 1400".
	Gateway []string
	Tunnels []Tunnel
}

// Tunnel is one tunnel of a file.
type Tunnel struct {
	Name          string
	Peer          string // host or host:port; empty: the gateway waits for the peer
	PeerID        string
	PublicKey     string // or
	PSKFile       string
	Local, Remote []netip.Prefix
	// PeerLines holds further lines of the peer section, such as "ca_file: ca.pem".
	PeerLines []string
	// Lines holds further lines of the tunnel, such as "weight: 2".
	Lines []string
}

// YAML is the text of the file.
func (c Config) YAML() string {
	var b strings.Builder
	line := func(indent int, key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%*s%s: %s\n", indent, "", key, value)
		}
	}
	b.WriteString("version: 1\ngateway:\n")
	line(2, "id", c.ID)
	line(2, "key_file", c.KeyFile)
	if c.Port != 0 {
		line(2, "port", fmt.Sprint(c.Port))
	}
	line(2, "interface", c.Interface)
	line(2, "control_socket", c.ControlSocket)
	line(2, "addresses", list(c.Addresses))
	for _, l := range c.Gateway {
		fmt.Fprintf(&b, "  %s\n", l)
	}
	b.WriteString("tunnels:\n")
	for _, t := range c.Tunnels {
		fmt.Fprintf(&b, "  %s:\n    peer:\n", t.Name)
		if t.Peer != "" {
			line(6, "address", fmt.Sprintf("%q", t.Peer))
		}
		line(6, "id", t.PeerID)
		line(6, "public_key", t.PublicKey)
		line(6, "psk_file", t.PSKFile)
		for _, l := range t.PeerLines {
			fmt.Fprintf(&b, "      %s\n", l)
		}
		line(4, "local_subnets", list(t.Local))
		line(4, "remote_subnets", list(t.Remote))
		for _, l := range t.Lines {
			fmt.Fprintf(&b, "    %s\n", l)
		}
	}
	return b.String()
}

func list(prefixes []netip.Prefix) string {
	if len(prefixes) == 0 {
		return ""
	}
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = `"` + p.String() + `"`
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
