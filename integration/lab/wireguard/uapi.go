package wireguard

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

// socketFolder is where WireGuard daemons put their configuration sockets. It is
// the same folder in every network namespace, so interface names must be unique
// on the whole machine.
const socketFolder = "/var/run/wireguard"

// Config is the configuration of a daemon.
type Config struct {
	Key   *ecdh.PrivateKey // X25519
	Port  uint16           // UDP
	MTU   int              // of the device; 0: WireGuard's usual 1420
	Peers []Peer
}

// Peer is one of a daemon's peers.
type Peer struct {
	Key        *ecdh.PublicKey // X25519
	Endpoint   netip.AddrPort
	AllowedIPs []netip.Prefix
}

// request writes the set operation of WireGuard's cross-platform userspace protocol.
func (c Config) request() string {
	var b strings.Builder
	b.WriteString("set=1\n")
	fmt.Fprintf(&b, "private_key=%s\n", hex.EncodeToString(c.Key.Bytes()))
	fmt.Fprintf(&b, "listen_port=%d\n", c.Port)
	b.WriteString("replace_peers=true\n")
	for _, p := range c.Peers {
		fmt.Fprintf(&b, "public_key=%s\n", hex.EncodeToString(p.Key.Bytes()))
		fmt.Fprintf(&b, "endpoint=%s\n", p.Endpoint)
		for _, a := range p.AllowedIPs {
			fmt.Fprintf(&b, "allowed_ip=%s\n", a)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func socket(device string) string { return filepath.Join(socketFolder, device+".sock") }

// configure waits for the daemon's socket and sends it the configuration.
func configure(ctx context.Context, daemon *lab.Process, device string, c Config) error {
	var conn net.Conn
	err := lab.Poll(ctx, startTimeout, func() (err error) {
		if !daemon.Running() {
			return lab.Fatal(fmt.Errorf("it ended with exit code %d: %s", daemon.ExitCode(), daemon.Tail(5)))
		}
		conn, err = (&net.Dialer{}).DialContext(ctx, "unix", socket(device))
		return err
	})
	if err != nil {
		return fmt.Errorf("waiting for the daemon of %s: %w", device, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(c.request())); err != nil {
		return fmt.Errorf("configuring %s: %w", device, err)
	}
	answer, err := readAnswer(bufio.NewScanner(conn))
	if err != nil {
		return fmt.Errorf("configuring %s: %w", device, err)
	}
	if answer != "0" {
		return fmt.Errorf("the daemon of %s refused its configuration with errno=%s", device, answer)
	}
	return nil
}

// readAnswer reads lines up to the errno that ends every answer.
func readAnswer(lines *bufio.Scanner) (errno string, err error) {
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
