package main

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"vpngw/integration/lab"
)

// uapiFolder is where WireGuard daemons put their configuration sockets. It is
// the same folder in every network namespace, so interface names must be unique
// on the whole machine.
const uapiFolder = "/var/run/wireguard"

// wgPeer is the configuration of one end of a WireGuard tunnel.
type wgPeer struct {
	Key        *ecdh.PrivateKey
	Port       uint16
	PeerKey    *ecdh.PublicKey
	Endpoint   netip.AddrPort
	AllowedIPs []netip.Prefix
}

// request writes the set operation of WireGuard's cross-platform userspace protocol.
func (p wgPeer) request() string {
	var b strings.Builder
	b.WriteString("set=1\n")
	fmt.Fprintf(&b, "private_key=%s\n", hex.EncodeToString(p.Key.Bytes()))
	fmt.Fprintf(&b, "listen_port=%d\n", p.Port)
	b.WriteString("replace_peers=true\n")
	fmt.Fprintf(&b, "public_key=%s\n", hex.EncodeToString(p.PeerKey.Bytes()))
	fmt.Fprintf(&b, "endpoint=%s\n", p.Endpoint)
	for _, a := range p.AllowedIPs {
		fmt.Fprintf(&b, "allowed_ip=%s\n", a)
	}
	b.WriteString("\n")
	return b.String()
}

func uapiSocket(ifname string) string {
	return filepath.Join(uapiFolder, ifname+".sock")
}

// configureWireGuard waits for the daemon's socket and sends it the configuration.
func configureWireGuard(ctx context.Context, daemon *lab.Process, ifname string, p wgPeer) error {
	var conn net.Conn
	err := lab.Poll(ctx, startTimeout, func() (err error) {
		if !daemon.Running() {
			return lab.Fatal(fmt.Errorf("it ended with exit code %d: %s", daemon.ExitCode(), daemon.Tail(5)))
		}
		conn, err = (&net.Dialer{}).DialContext(ctx, "unix", uapiSocket(ifname))
		return err
	})
	if err != nil {
		return fmt.Errorf("waiting for the daemon of %s: %w", ifname, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(p.request())); err != nil {
		return fmt.Errorf("configuring %s: %w", ifname, err)
	}
	answer, err := readUAPIAnswer(bufio.NewScanner(conn))
	if err != nil {
		return fmt.Errorf("configuring %s: %w", ifname, err)
	}
	if answer != "0" {
		return fmt.Errorf("the daemon of %s refused its configuration with errno=%s", ifname, answer)
	}
	return nil
}

// readUAPIAnswer reads lines up to the errno that ends every answer.
func readUAPIAnswer(lines *bufio.Scanner) (errno string, err error) {
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "errno="); ok {
			return v, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", fmt.Errorf("the answer of the daemon has no errno")
}
