package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// strongSwanPackages are what the tests against strongSwan need, as Debian calls them.
const strongSwanPackages = "charon-systemd strongswan-swanctl libcharon-extra-plugins libstrongswan-standard-plugins"

// Names of strongSwan's connection, of its child and of its TUN device.
const (
	swanConnection = "gw"
	swanChild      = "net"
	swanDevice     = "ipsec0"
)

// needStrongSwan skips a test on a machine without root or strongSwan, unless that is the CI's: there, it fails.
func needStrongSwan(t *testing.T) {
	t.Helper()
	err := lab.Available()
	for _, program := range []string{"charon-systemd", "swanctl"} {
		if _, missing := systemProgram(program); missing != nil {
			err = errors.Join(err, fmt.Errorf("%w; apt-get install --no-install-recommends %s", missing, strongSwanPackages))
		}
	}
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("in CI nothing may be missing: %v", err)
	default:
		t.Skip(err)
	}
}

// systemProgram finds a program also where an ordinary PATH does not lead.
func systemProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}

// strongSwan is a charon in a namespace, which does ESP in user space. One goroutine at a time may use it.
type strongSwan struct {
	namespace *lab.Namespace
	dir       string
	process   *lab.Process
}

// swanConfig is a swanctl.conf with one connection and one child in it.
type swanConfig struct {
	local, remote     netip.Addr
	localID, remoteID string
	psk               string // empty: raw keys, in the files swanLocalKey and swanRemoteKey
	ike, esp          string // proposals
	localTS, remoteTS []netip.Prefix
	connection, child []string // further lines
	charon            []string // further lines for the daemon, in strongswan.conf
	kernelESP         bool     // ESP by the kernel, not in user space
	usualPorts        bool     // strongSwan's own: IKE_SA_INIT on port 500, all else on port 4500, and UDP only where a NAT seems to be
}

// Files of raw public keys.
const (
	swanLocalKey  = "local.pub"
	swanRemoteKey = "remote.pub"
)

// newStrongSwan prepares a charon inside the namespace.
func newStrongSwan(l *lab.Lab, n *lab.Namespace) (*strongSwan, error) {
	s := &strongSwan{namespace: n, dir: filepath.Join(l.Dir(), n.Role+"-swan")}
	for _, dir := range []string{s.dir, s.path("pubkey"), s.path("private")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *strongSwan) path(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

func (s *strongSwan) socket() string { return "unix://" + s.path("charon.vici") }

// swanPlugins are the least that these tests need; kernel-libipsec takes ESP from kernel-netlink by standing before it.
const swanPlugins = "random nonce openssl kdf pem pkcs1 pkcs8 x509 pubkey constraints vici kernel-libipsec kernel-netlink socket-default"

// configure writes strongswan.conf and swanctl.conf.
func (s *strongSwan) configure(c swanConfig) error {
	plugins := swanPlugins
	if c.kernelESP {
		plugins = strings.Replace(plugins, "kernel-libipsec ", "", 1)
	}
	text := fmt.Sprintf(`charon-systemd {
  load = %s
  plugins {
    vici {
      socket = %s
    }
    kernel-libipsec {
      load = yes
    }
  }
  journal {
    default = -1
  }
  filelog {
    f {
      path = %s
      default = 1
      ike = 2
      cfg = 2
      flush_line = yes
    }
  }
%s}
swanctl {
  load = random openssl pem pkcs1 pkcs8 x509 pubkey
}
`, plugins, s.socket(), s.path("charon.log"), indented(2, c.charon))
	if err := os.WriteFile(s.path("strongswan.conf"), []byte(text), 0o600); err != nil {
		return err
	}
	return os.WriteFile(s.path("swanctl.conf"), []byte(c.text()), 0o600)
}

func (c swanConfig) text() string {
	auth, localKey, remoteKey, secrets := "auth = psk", "", "", ""
	if c.psk != "" {
		secrets = fmt.Sprintf("secrets {\n  ike-gw {\n    id-1 = %s\n    id-2 = %s\n    secret = %q\n  }\n}\n", c.localID, c.remoteID, c.psk)
	} else {
		auth, localKey, remoteKey = "auth = pubkey", "pubkeys = "+swanLocalKey, "pubkeys = "+swanRemoteKey
	}
	connection := c.connection
	if !c.usualPorts {
		connection = append([]string{"local_port = 4500", "remote_port = 4500", "encap = yes"}, connection...)
	}
	return fmt.Sprintf(`connections {
  %s {
    version = 2
    local_addrs = %s
    remote_addrs = %s
    proposals = %s
    mobike = no
%s    local {
      %s
      id = %s
      %s
    }
    remote {
      %s
      id = %s
      %s
    }
    children {
      %s {
        local_ts = %s
        remote_ts = %s
        esp_proposals = %s
%s      }
    }
  }
}
%s`, swanConnection, c.local, c.remote, c.ike, indented(4, connection),
		auth, c.localID, localKey, auth, c.remoteID, remoteKey,
		swanChild, joined(c.localTS), joined(c.remoteTS), c.esp, indented(8, c.child), secrets)
}

func indented(by int, lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%*s%s\n", by, "", l)
	}
	return b.String()
}

func joined(prefixes []netip.Prefix) string {
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = p.String()
	}
	return strings.Join(texts, ",")
}

// start starts charon and loads the connection.
func (s *strongSwan) start(ctx context.Context) error {
	program, err := systemProgram("charon-systemd")
	if err != nil {
		return err
	}
	// A killed charon leaves its socket file.
	if err := os.Remove(s.path("charon.vici")); err != nil && !os.IsNotExist(err) {
		return err
	}
	s.process, err = s.namespace.Start(lab.Spec{Args: []string{program}, Env: []string{"STRONGSWAN_CONF=" + s.path("strongswan.conf")}})
	if err != nil {
		return err
	}
	err = lab.Poll(ctx, upTimeout, func() error {
		if !s.process.Running() {
			return lab.Fatal(fmt.Errorf("charon ended with exit code %d:\n%s", s.process.ExitCode(), s.process.Tail(20)))
		}
		// The file is there before charon listens.
		c, err := net.Dial("unix", s.path("charon.vici"))
		if err == nil {
			err = c.Close()
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.swanctl(ctx, "--load-all", "--file", s.path("swanctl.conf"))
	return err
}

// swanctl runs the program of that name against this charon.
func (s *strongSwan) swanctl(ctx context.Context, args ...string) (string, error) {
	program, err := systemProgram("swanctl")
	if err != nil {
		return "", err
	}
	command := []string{"env", "SWANCTL_DIR=" + s.dir, "STRONGSWAN_CONF=" + s.path("strongswan.conf"), program}
	command = append(command, args...)
	return s.namespace.Run(ctx, append(command, "--uri", s.socket())...)
}

// initiate makes charon build the tunnel and returns when it stands.
func (s *strongSwan) initiate(ctx context.Context) error {
	out, err := s.swanctl(ctx, "--initiate", "--child", swanChild, "--timeout", fmt.Sprint(int(upTimeout.Seconds())))
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// log is what charon wrote.
func (s *strongSwan) log() string {
	b, err := os.ReadFile(s.path("charon.log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// swanPair is two sites, A with a vpngw and B with a strongSwan.
type swanPair struct {
	*lab.Sites
	t    *testing.T
	a    *daemon.Gateway
	b    *strongSwan
	opts swanOptions
}

// swanOptions choose what a swanPair is like. The zero value is a running pair with a PSK over IPv4, made by vpngw.
type swanOptions struct {
	keys     bool                                  // Ed25519 keys in place of the PSK
	outside6 bool                                  // IPv6 between the gateways
	waits    bool                                  // vpngw waits for its peer, strongSwan initiates
	edit     func(a *daemon.Config, b *swanConfig) // last changes to the configurations
	stopped  bool                                  // do not start the gateways
	router   bool                                  // a router between the gateways
}

// newSwanPair makes two sites with gateways and brings the tunnel up. Everything is removed with the test; if it failed, the
// gateways' logs are shown.
func newSwanPair(t *testing.T, o swanOptions) *swanPair {
	t.Helper()
	needStrongSwan(t)
	sites, err := lab.TwoSites(lab.Options{Isolated: true, Router: o.router})
	must(t, err)
	p := &swanPair{Sites: sites, t: t, opts: o}
	t.Cleanup(p.end)
	p.a, err = daemon.New(sites.Lab, sites.A.Gateway, program)
	must(t, err)
	p.b, err = newStrongSwan(sites.Lab, sites.B.Gateway)
	must(t, err)
	a, b := p.configs()
	if o.edit != nil {
		o.edit(&a, &b)
	}
	must(t, p.a.Configure(a))
	must(t, p.a.Check(t.Context()))
	must(t, p.b.configure(b))
	if o.stopped {
		return p
	}
	must(t, p.b.start(t.Context()))
	must(t, p.a.Start())
	if o.waits {
		waitBound(t, p.a)
		must(t, p.b.initiate(t.Context()))
	}
	must(t, p.a.WaitUp(t.Context(), upTimeout))
	return p
}

// configs are the tunnel file of A and the swanctl.conf of B.
func (p *swanPair) configs() (a daemon.Config, b swanConfig) {
	ctx := p.t.Context()
	insideA, insideB := []netip.Prefix{p.A.Inside4, p.A.Inside6}, []netip.Prefix{p.B.Inside4, p.B.Inside6}
	b = swanConfig{
		local: p.B.Outside4, remote: p.A.Outside4, localID: "gw-b.example", remoteID: "gw-a.example",
		ike: "aes256gcm16-prfsha256-x25519", esp: "aes256gcm16-x25519", localTS: insideB, remoteTS: insideA,
	}
	if p.opts.outside6 {
		b.local, b.remote = p.B.Outside6, p.A.Outside6
	}
	a = daemon.Config{ID: b.remoteID, Interface: tunnelDevice, Tunnels: []daemon.Tunnel{
		{Name: "to-b", Peer: b.local.String(), PeerID: b.localID, Local: insideA, Remote: insideB}}}
	if p.opts.waits {
		a.Tunnels[0].Peer = ""
	}
	if !p.opts.keys {
		b.psk = goodPSK
		file, err := p.a.WriteSecret("psk", goodPSK)
		must(p.t, err)
		a.Tunnels[0].PSKFile = file
		return a, b
	}
	_, err := p.a.Genkey(ctx)
	must(p.t, err)
	a.KeyFile = p.a.KeyFile()
	// vpngw makes strongSwan's key as well, in the formats of both.
	private := p.b.path("private", "key.pem")
	p.vpngw("genkey", private)
	a.Tunnels[0].PublicKey = strings.TrimSpace(p.vpngw("pubkey", private))
	must(p.t, os.WriteFile(p.b.path("pubkey", swanLocalKey), []byte(p.vpngw("pubkey", "--pem", private)), 0o600))
	must(p.t, os.WriteFile(p.b.path("pubkey", swanRemoteKey), []byte(p.vpngw("pubkey", "--pem", p.a.KeyFile())), 0o600))
	return a, b
}

// vpngw runs a command of vpngw and returns what it prints.
func (p *swanPair) vpngw(args ...string) string {
	p.t.Helper()
	out, err := p.A.Gateway.Run(p.t.Context(), append([]string{program}, args...)...)
	must(p.t, err)
	return out
}

func (p *swanPair) end() {
	if p.t.Failed() {
		showLog(p.t, p.a)
		if p.b != nil {
			lines := strings.Split(strings.TrimSpace(p.b.log()), "\n")
			// What the test itself asked for is not what it is about.
			lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "[CFG] vici client") })
			p.t.Logf("log of strongSwan:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	}
	if err := p.Close(); err != nil {
		p.t.Error(err)
	}
}

// waitLog waits until charon has written a text.
func (p *swanPair) waitLog(text string) {
	p.t.Helper()
	must(p.t, lab.Poll(p.t.Context(), 3*time.Second, func() error {
		if !strings.Contains(p.b.log(), text) {
			return fmt.Errorf("strongSwan did not write %q", text)
		}
		return nil
	}))
}
