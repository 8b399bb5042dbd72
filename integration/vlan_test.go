package integration

import (
	"encoding/json"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// needVLAN skips a test where the kernel has no VLAN devices.
func needVLAN(t *testing.T) {
	t.Helper()
	needLab(t)
	l, err := lab.New()
	must(t, err)
	defer l.Close()
	n, err := l.Namespace("vlan")
	must(t, err)
	_, err = n.Run(t.Context(), "ip", "link", "add", "one", "type", "veth", "peer", "name", "other")
	must(t, err)
	if err := n.AddVLAN("one", "tagged", 1); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("this kernel has no VLAN devices (module 8021q); those of make kernels have")
	} else {
		must(t, err)
	}
}

// shownOffloads is what `vpngw offloads` shows of gateway A's interfaces: states of features, by interface and feature.
func shownOffloads(t *testing.T, p *pair) map[string]map[string]string {
	t.Helper()
	out, err := p.A.Gateway.Run(t.Context(), program, "offloads", "--json", "--socket", p.a.Socket())
	must(t, err)
	var s struct {
		Interfaces []struct {
			Name string
			Rows []struct{ Name, State string }
		}
	}
	must(t, json.Unmarshal([]byte(out), &s))
	shown := map[string]map[string]string{}
	for _, i := range s.Interfaces {
		shown[i.Name] = map[string]string{}
		for _, r := range i.Rows {
			shown[i.Name][r.Name] = r.State
		}
	}
	return shown
}

// TestVLANDevice has VLAN devices of the kernel as LAN and as uplink of a gateway: the tunnel comes up with the right MTU, carries
// what is sent, and both the device and the one that it is stacked on are shown. Nothing is found wrong, but for what is planted
// on the lower one.
func TestVLANDevice(t *testing.T) {
	t.Parallel()
	needVLAN(t)
	const vlan, trunk = 100, "trunk"
	for n, name := range []string{"LAN", "uplink"} {
		for _, outside6 := range []bool{false, true} {
			t.Run(name+choose(outside6, ", IPv6 outside", ", IPv4 outside"), func(t *testing.T) {
				t.Parallel()
				var device string
				p := newPair(t, pairOptions{outside6: outside6, before: func(p *pair) {
					r := p.rewires()[n]
					device = r.near.Device
					r.by(t, p, func(near, far lab.End) error {
						return errors.Join(
							p.Wire(lab.End{Namespace: near.Namespace, Device: trunk}, lab.End{Namespace: far.Namespace, Device: trunk}, 0),
							near.Namespace.AddVLAN(trunk, near.Device, vlan),
							far.Namespace.AddVLAN(trunk, far.Device, vlan))
					})
					for _, device := range []string{lab.LAN, lab.WAN, trunk} {
						must(t, p.A.Gateway.Feature(device, "rx-gro", true))
					}
					for _, device := range []string{lab.LAN, trunk} {
						must(t, p.A.Gateway.Feature(device, "rx-udp-gro-forwarding", true))
					}
					must(t, p.B.Gateway.Feature(lab.LAN, "tx-checksum-ip-generic", false)) // host B is given single packets
				}})
				inner := wideInner
				if outside6 {
					inner -= 20
				}
				p.waitInner(inner)
				trafficOf(t, p, inner)
				const size = 16 << 20
				checkStream(t, p.A.Host, p.B.Host, p.B.Host4, size)
				checkStream(t, p.B.Host, p.A.Host, p.A.Host6, size)
				for _, g := range []*daemon.Gateway{p.a, p.b} {
					large(t, "sends of "+g.Namespace.Role, status(t, g).Edges.UDPSend.BytesPerCall())
				}
				shown := shownOffloads(t, p)
				for _, i := range []string{device, trunk} {
					if shown[i]["tcp-segmentation-offload"] == "" || shown[i]["large-receive-offload"] == "" {
						t.Errorf("the offloads of %s are not shown: %v", i, shown)
					}
				}
				fault{"gro-list", "warning", trunk, "rx-gro-list", func() error { return p.A.Gateway.Feature(trunk, "rx-gro-list", true) },
					func() error { return nil }}.check(t, p)
			})
		}
	}
}
