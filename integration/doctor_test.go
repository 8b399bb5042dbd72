package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// finding is what the tests read of `vpngw doctor --json`.
type finding struct {
	ID, Severity, Interface, What, Why, Command, Undo string
	Safe                                              bool
}

type diagnosis struct {
	Healthy  bool
	Findings []finding
	Fixed    []finding
	Unseen   []string

	// Kernel is what was found of the kernel, whatever the machine around the gateway is like. It is not in Findings.
	Kernel []finding `json:"-"`
}

// setAside moves what was found of the kernel: before Linux 6.2, that it has no UDP superpackets for TUN devices.
func (d *diagnosis) setAside() {
	for n, f := range slices.Backward(d.Findings) {
		if f.ID == "tun-tx-udp-segmentation" && f.Severity == "note" {
			d.Kernel, d.Findings = append(d.Kernel, f), slices.Delete(d.Findings, n, n+1)
		}
	}
}

// doctor runs `vpngw doctor` on a running gateway, with its verdict checked against its exit code.
func doctor(t *testing.T, g *daemon.Gateway, flags ...string) (d diagnosis) {
	t.Helper()
	args := append([]string{program, "doctor", "--json", "--socket", g.Socket()}, flags...)
	out, err := g.Namespace.Run(t.Context(), args...)
	code := 0
	if exit := new(lab.ExitError); errors.As(err, &exit) {
		code, err = exit.Code, nil
	}
	must(t, err)
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("doctor: %v\n%s", err, out)
	}
	if d.Healthy != (code == 0) || code > 1 {
		t.Errorf("healthy %t, yet exit code %d", d.Healthy, code)
	}
	d.setAside()
	return d
}

// wellKept brings the machine around gateway A into a state in which nothing is to be found: a veth has GRO off by itself.
func wellKept(t *testing.T, p *pair) {
	t.Helper()
	for _, device := range []string{lab.LAN, lab.WAN} {
		must(t, p.A.Gateway.Feature(device, "rx-gro", true))
	}
	must(t, p.A.Gateway.Feature(lab.LAN, "rx-udp-gro-forwarding", true))
}

// fault is something wrong around gateway A.
type fault struct {
	id, severity, device, text string       // of the finding; text is in what it says
	plant, clear               func() error // clear takes back what the printed command leaves
}

// check plants the fault where nothing is found, and wants it found alone, and gone after the printed command.
func (c fault) check(t *testing.T, p *pair) {
	t.Helper()
	name := c.id + " " + c.device
	if d := doctor(t, p.a); !d.Healthy || len(d.Findings)+len(d.Unseen) > 0 {
		t.Fatalf("before %s: %+v", name, d)
	}
	must(t, c.plant())
	d := doctor(t, p.a)
	if len(d.Findings) != 1 {
		t.Fatalf("%s: %+v", name, d)
	}
	f := d.Findings[0]
	t.Logf("%-7s %s: %s", f.Severity, f.What, f.Command)
	if f.ID != c.id || f.Severity != c.severity || f.Interface != c.device || !strings.Contains(f.What+f.Why, c.text) || f.Undo == "" {
		t.Errorf("%s: %+v", name, f)
	}
	must(t, shell(t, p.A.Gateway, f.Command)())
	p.waitWell(name + " after " + f.Command)
	must(t, c.clear())
	p.waitWell(name + ", cleared")
}

// waitWell waits until nothing is found: the gateway follows a change of MTU.
func (p *pair) waitWell(what string) {
	p.t.Helper()
	err := lab.Poll(p.t.Context(), 5*time.Second, func() error {
		if d := doctor(p.t, p.a); len(d.Findings) > 0 {
			return fmt.Errorf("still found: %+v", d.Findings)
		}
		return nil
	})
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// shell runs a command as a person would.
func shell(t *testing.T, n *lab.Namespace, command string) func() error {
	return func() error {
		_, err := n.Run(t.Context(), "sh", "-c", command)
		return err
	}
}

// TestDoctor plants one fault after the other around a running gateway. Each is found, alone, and is gone after the printed command.
func TestDoctor(t *testing.T) {
	t.Parallel()
	needLab(t, "ethtool", "nft", "sysctl")
	p := newPair(t, pairOptions{Options: lab.Options{Router: true}, before: func(p *pair) { wellKept(t, p) }})
	a := p.A.Gateway
	sh := func(command string) func() error { return shell(t, a, command) }
	ethtool := func(device, feature string, on bool) func() error {
		return func() error { return a.Feature(device, feature, on) }
	}
	nothing := func() error { return nil }
	uso := hasUSO(t, a)
	if d := doctor(t, p.a); (len(d.Kernel) == 0) != uso {
		t.Errorf("the kernel gives UDP superpackets to TUN devices: %t; found: %+v", uso, d.Kernel)
	}
	for _, f := range []fault{
		{"gro", "note", lab.LAN, "GRO", ethtool(lab.LAN, "rx-gro", false), nothing},
		{"gro", "note", lab.WAN, "GRO", ethtool(lab.WAN, "rx-gro", false), nothing},
		{"gro-list", "warning", lab.LAN, "rx-gro-list", ethtool(lab.LAN, "rx-gro-list", true), nothing},
		{"udp-gro-forwarding", "warning", lab.LAN, "QUIC", ethtool(lab.LAN, "rx-udp-gro-forwarding", false), nothing},
		{"tx-checksum", "warning", lab.WAN, "UDP_SEGMENT", ethtool(lab.WAN, "tx-checksum-ip-generic", false), nothing},
		{"uso", "warning", lab.WAN, "tx-udp-segmentation", ethtool(lab.WAN, "tx-udp-segmentation", false), nothing},
		{"tso", "warning", lab.LAN, "tx-tcp-segmentation", ethtool(lab.LAN, "tx-tcp-segmentation", false), nothing},
		{"tun-tx-tcp-segmentation", "warning", tunnelDevice, "TCP", ethtool(tunnelDevice, "tx-tcp-segmentation", false), nothing},
		{"tun-tx-udp-segmentation", "warning", tunnelDevice, "QUIC", ethtool(tunnelDevice, "tx-udp-segmentation", false), nothing},
		{"tun-checksum", "warning", tunnelDevice, "superpacket", ethtool(tunnelDevice, "tx-checksum-ip-generic", false), nothing},
		{"big-tcp", "warning", lab.LAN, "131072", sh("ip link set dev lan gro_max_size 131072"), nothing},
		{"txqueuelen", "warning", tunnelDevice, "500", sh("ip link set dev vpn0 txqueuelen 500"), nothing},
		{"forwarding", "error", "", "IPv4", sh("sysctl -w net.ipv4.ip_forward=0"), nothing},
		{"forwarding", "error", "", "IPv6", sh("sysctl -w net.ipv6.conf.all.forwarding=0"), nothing},
		{"forwarding", "error", lab.LAN, "IPv4", sh("sysctl -w net.ipv4.conf.lan.forwarding=0"), nothing},
		{"rp-filter", "error", tunnelDevice, "10.2.0.128/25",
			sh("sysctl -w net.ipv4.conf.vpn0.rp_filter=1 && ip route add 10.2.0.128/25 via 192.0.2.2"), sh("ip route del 10.2.0.128/25")},
		{"mtu-tun", "error", tunnelDevice, "1438", sh("ip link set dev vpn0 mtu 1500"), nothing},
		// The router's side of the wire beyond: nobody but the router knows.
		{"mtu-path", "error", lab.WAN, "1400",
			func() error { return p.Router.SetMTU(lab.RouterDeviceB, 1400) },
			func() error {
				return errors.Join(p.Router.SetMTU(lab.RouterDeviceB, 1500), sh("ip route del 198.51.100.2/32")())
			}},
		{"conntrack", "warning", "", "table", sh("nft 'table inet test { chain in { type filter hook input priority 0; ct state invalid drop; }; }'"),
			sh("nft delete table inet test; nft delete table inet vpngw_port_4500")},
	} {
		if f.id == "tun-tx-udp-segmentation" && !uso {
			t.Log("what the kernel has not cannot be switched off: ", f.id)
			continue
		}
		f.check(t, p)
	}
	checkPing(t, p.A.Host, p.B.Host4)
}

// TestDoctorNAT has the gateway translate its own packets, which only new entries of connection tracking obey.
func TestDoctorNAT(t *testing.T) {
	t.Parallel()
	needLab(t, "nft")
	p := newPair(t, pairOptions{before: func(p *pair) { wellKept(t, p) }})
	fault{"nat", "warning", "", ":5000", shell(t, p.A.Gateway, "nft 'table ip test { chain out { type nat hook postrouting priority 100; udp sport 4500 masquerade to :5000; }; }'"),
		shell(t, p.A.Gateway, "nft delete table ip test; nft delete table inet vpngw_port_4500")}.check(t, p)
	checkPing(t, p.A.Host, p.B.Host4)
}

// TestDoctorIPv6 has IPv6 between the gateways.
func TestDoctorIPv6(t *testing.T) {
	t.Parallel()
	needLab(t, "nft")
	p := newPair(t, pairOptions{Options: lab.Options{Router: true}, outside6: true, before: func(p *pair) { wellKept(t, p) }})
	a := p.A.Gateway
	fault{"mtu-path", "error", lab.WAN, "1400",
		func() error { return p.Router.SetMTU(lab.RouterDeviceB, 1400) },
		func() error {
			return errors.Join(p.Router.SetMTU(lab.RouterDeviceB, 1500), shell(t, a, "ip -6 route del 2001:db8:1::2/128")())
		}}.check(t, p)
	fault{"conntrack", "warning", "", "table", shell(t, a, "nft 'table inet test { chain in { type filter hook input priority 0; ct state invalid drop; }; }'"),
		shell(t, a, "nft delete table inet test; nft delete table inet vpngw_port_4500")}.check(t, p)
	checkPing(t, p.A.Host, p.B.Host6)
}

// TestDoctorFirewall has the gateway's own firewall drop what leaves by the port.
func TestDoctorFirewall(t *testing.T) {
	t.Parallel()
	needLab(t, "nft")
	p := newPair(t, pairOptions{before: func(p *pair) { wellKept(t, p) }})
	_, err := p.A.Gateway.Run(t.Context(), "nft", "table inet test { chain out { type filter hook output priority 0; udp sport 4500 drop; }; }")
	must(t, err)
	if d := doctor(t, p.a); d.Healthy || len(d.Findings) != 1 || d.Findings[0].ID != "firewall" {
		t.Errorf("%+v", d)
	}
}

// TestDoctorBuffers runs doctor without the capability to force the sizes of socket buffers. The command is not run: its sysctl
// is that of the whole machine.
func TestDoctorBuffers(t *testing.T) {
	t.Parallel()
	needLab(t, "setpriv")
	p := newPair(t, pairOptions{edit: func(a, _ *daemon.Config) {
		a.Gateway = append(a.Gateway, "buffers: {receive: 1GiB, send: 1GiB}")
	}, before: func(p *pair) { wellKept(t, p) }})
	if d := doctor(t, p.a); len(d.Findings) > 0 {
		t.Errorf("with the capability: %+v", d.Findings)
	}
	out, _ := p.A.Gateway.Run(t.Context(), "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", program, "doctor", "--json", "--socket", p.a.Socket())
	var d diagnosis
	must(t, json.Unmarshal([]byte(out), &d))
	d.setAside()
	if len(d.Findings) != 2 || d.Findings[0].Command != "sysctl -w net.core.rmem_max=1073741823" || d.Findings[1].Command != "sysctl -w net.core.wmem_max=1073741823" {
		t.Errorf("%+v", d)
	}
}

// TestDoctorFix plants what --fix mends and what it leaves to people.
func TestDoctorFix(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{before: func(p *pair) { wellKept(t, p) }})
	a := p.A.Gateway
	must(t, a.Feature(lab.LAN, "rx-udp-gro-forwarding", false))
	must(t, a.Feature(tunnelDevice, "tx-tcp-segmentation", false))
	must(t, a.Sysctl("net.ipv4.ip_forward", "0"))
	d := doctor(t, p.a, "--fix")
	if d.Healthy || len(d.Fixed) != 2 || len(d.Findings) != 1 || d.Findings[0].ID != "forwarding" {
		t.Errorf("%+v", d)
	}
	for device, feature := range map[string]string{lab.LAN: "rx-udp-gro-forwarding", tunnelDevice: "tx-tcp-segmentation"} {
		if features, err := a.Features(device); err != nil || !features[feature] {
			t.Errorf("%s of %s is off, %v", feature, device, err)
		}
	}
}

// TestManage has a gateway warn, mend, mend again what another program took back, and take its changes back at the end.
func TestManage(t *testing.T) {
	t.Parallel()
	const feature = "rx-udp-gro-forwarding"
	state := func(p *pair) bool {
		features, err := p.A.Gateway.Features(lab.LAN)
		must(t, err)
		return features[feature]
	}
	logged := func(p *pair, text string, times int) {
		t.Helper()
		must(t, lab.Poll(t.Context(), 30*time.Second, func() error {
			if n := strings.Count(p.a.Process.Stderr(), text); n != times {
				return fmt.Errorf("%q is in the log %d times, expected %d:\n%s", text, n, times, p.a.Process.Tail(10))
			}
			return nil
		}))
	}
	start := func(t *testing.T, manage string) *pair {
		return newPair(t, pairOptions{edit: func(a, _ *daemon.Config) {
			if manage != "" {
				a.Gateway = append(a.Gateway, "offload: {manage: "+manage+"}")
			}
		}, before: func(p *pair) {
			wellKept(t, p)
			must(t, p.A.Gateway.Feature(lab.LAN, feature, false))
		}})
	}
	const found, mended = `msg="rx-udp-gro-forwarding is off"`, "mended until the gateway ends"
	t.Run("warn", func(t *testing.T) {
		t.Parallel()
		p := start(t, "")
		logged(p, found, 1)
		must(t, p.A.Gateway.Feature(lab.LAN, "rx-gro-list", true))
		logged(p, `msg="rx-gro-list is on"`, 1)
		logged(p, found, 1)
		if state(p) {
			t.Error("it was to warn only")
		}
	})
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		p := start(t, "off")
		checkPing(t, p.A.Host, p.B.Host4)
		p.a.Stop(stopGrace)
		if log := p.a.Process.Stderr(); strings.Contains(log, feature) {
			t.Errorf("it was not to look:\n%s", log)
		}
	})
	t.Run("fix", func(t *testing.T) {
		t.Parallel()
		p := start(t, "fix")
		logged(p, mended, 1)
		if !state(p) {
			t.Error("it is not mended")
		}
		must(t, p.A.Gateway.Feature(lab.LAN, feature, false))
		logged(p, mended, 2)
		p.a.Process.Signal(syscall.SIGTERM)
		<-p.a.Process.Done()
		if code := p.a.Process.ExitCode(); code != 0 || state(p) {
			t.Errorf("exit code %d, still on: %t", code, state(p))
		}
		logged(p, "taken back", 1)
	})
}

// TestOffloadsCommand compares what `vpngw offloads` shows with ethtool.
func TestOffloadsCommand(t *testing.T) {
	t.Parallel()
	needLab(t, "ethtool")
	p := newPair(t, pairOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	out, err := p.A.Gateway.Run(ctx, program, "offloads", "--socket", p.a.Socket())
	must(t, err)
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	out, err = p.A.Gateway.Run(ctx, program, "offloads", p.a.File(), "--json")
	must(t, err)
	var shown struct {
		Interfaces []struct {
			Name  string
			Roles []string
			Rows  []struct{ Name, State string }
		}
	}
	must(t, json.Unmarshal([]byte(out), &shown))
	roles := map[string]string{}
	for _, i := range shown.Interfaces {
		roles[i.Name] = strings.Join(i.Roles, " ")
		tool, err := p.A.Gateway.Run(ctx, "ethtool", "-k", i.Name)
		must(t, err)
		compared := 0
		for line := range strings.Lines(tool) {
			name, state, _ := strings.Cut(strings.TrimSpace(line), ": ")
			for _, r := range i.Rows {
				if r.Name == name && r.State != state {
					t.Errorf("%s %s: %q, ethtool says %q", i.Name, name, r.State, state)
				} else if r.Name == name {
					compared++
				}
			}
		}
		if compared < 15 {
			t.Errorf("%s: only %d features compared", i.Name, compared)
		}
	}
	if len(roles) != 3 || roles[tunnelDevice] != "TUN" || roles[lab.LAN] != "LAN" || roles[lab.WAN] != "uplink" {
		t.Errorf("interfaces: %v", roles)
	}
}
