package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// clean are the facts of a machine without faults: a gateway with a network card on each side.
func clean() *Facts {
	card := func(name string, role Role, towards string) Interface {
		on, off := Feature{On: true, Requested: true}, Feature{}
		return Interface{
			Name: name, Kind: "device", Roles: []Role{role}, Towards: []string{towards}, MTU: 1500, TxQueueLen: 1000, Qdisc: "mq",
			GSOMaxSize: 65536, GROMaxSize: 65536, GROMaxIPv4: 65536, ForwardsIPv4: true,
			Features: map[string]Feature{
				rxChecksum: on, txChecksum: on, txChecksum4: {Fixed: true}, txChecksum6: {Fixed: true}, scatterGather: on,
				tso4: on, tso6: on, tsoECN: on, tsoMangle: on, uso: on, gso: on, gro: on,
				lro: off, groHW: off, groList: off, groUDPForward: on,
			},
		}
	}
	device := card("vpngw0", TUN, "")
	device.Kind, device.MTU, device.TxQueueLen, device.Towards = "tuntap", 1438, 128, nil
	peer := Peer{Tunnel: "b", Address: netip.MustParseAddr("192.0.2.2"), Port: 4500, Source: netip.MustParseAddr("192.0.2.1")}
	remote := netip.MustParsePrefix("10.2.0.0/16")
	return &Facts{
		Subject: Subject{
			Interface: "vpngw0", Port: 4500, Peers: []Peer{peer}, Receive: 4 << 20, Send: 1 << 20,
			Local:   []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/64")},
			Remote:  []netip.Prefix{remote, netip.MustParsePrefix("fd00:2::/64")},
			Offload: Wanted{TSO: true, USO: true, Checksum: true, UDPSegment: true, UDPGRO: true},
		},
		Interfaces:  []Interface{device, card("lan0", LAN, "10.1.0.0/16"), card("wan0", Uplink, "192.0.2.2")},
		Paths:       []Path{{Peer: peer, Link: "wan0", Via: netip.MustParseAddr("192.0.2.9"), MTU: 1500, Echo: Echo{Asked: true, Answered: true, Fits: 1500}}},
		Returns:     []Return{{Subnet: remote, Link: "vpngw0"}},
		Forwarding4: true, Forwarding6: true,
		Buffers:  Buffers{Receive: 4 << 20, Send: 1 << 20},
		PortUses: []PortUse{{Peer: peer}},
		Test:     SelfTest{UDP: true, UDPSegment: true, UDPGRO: true, TUN: true, GrantsTSO: true, GrantsUSO: true},
	}
}

// set changes a feature of an interface.
func set(f *Facts, name, feature string, s Feature) {
	for n := range f.Interfaces {
		if f.Interfaces[n].Name == name {
			f.Interfaces[n].Features[feature] = s
		}
	}
}

func byName(f *Facts, name string) *Interface {
	n := slices.IndexFunc(f.Interfaces, func(i Interface) bool { return i.Name == name })
	return &f.Interfaces[n]
}

func TestNothingIsFoundWhereNothingIsWrong(t *testing.T) {
	if found := Examine(clean()); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// TestFaults plants each fault into clean facts. It must be found, nothing else, and with the
// command that mends it.
func TestFaults(t *testing.T) {
	off := Feature{}
	for _, c := range []struct {
		name     string
		plant    func(*Facts)
		id       string
		severity Severity
		command  string // "": only advice
		safe     bool
	}{
		{"LRO", func(f *Facts) { set(f, "lan0", lro, Feature{On: true, Requested: true}) },
			"lro", Error, "ethtool -K lan0 rx-lro off", true},
		{"LRO fixed", func(f *Facts) { set(f, "lan0", lro, Feature{On: true, Fixed: true}) }, "lro", Error, "", false},
		{"GRO of the LAN", func(f *Facts) { set(f, "lan0", gro, off); set(f, "lan0", groUDPForward, off) },
			"gro", Warning, "ethtool -K lan0 rx-gro on", true},
		{"GRO of the uplink", func(f *Facts) { set(f, "wan0", gro, off) }, "gro", Warning, "ethtool -K wan0 rx-gro on", true},
		{"GRO of a veth", func(f *Facts) { byName(f, "wan0").Kind = "veth"; set(f, "wan0", gro, off) },
			"gro", Note, "ethtool -K wan0 rx-gro on", true},
		{"GRO lists", func(f *Facts) { set(f, "lan0", groList, Feature{On: true, Requested: true}) },
			"gro-list", Warning, "ethtool -K lan0 rx-gro-list off", true},
		{"UDP GRO when forwarding", func(f *Facts) { set(f, "lan0", groUDPForward, off) },
			"udp-gro-forwarding", Warning, "ethtool -K lan0 rx-udp-gro-forwarding on", true},
		{"BIG TCP", func(f *Facts) { byName(f, "lan0").GROMaxSize = 200_000 },
			"big-tcp", Warning, "ip link set dev lan0 gro_max_size 65536", true},
		{"BIG TCP over IPv4", func(f *Facts) { byName(f, "wan0").GROMaxIPv4 = 65537 },
			"big-tcp", Warning, "ip link set dev wan0 gro_max_size 65536", true},
		{"checksums", func(f *Facts) {
			set(f, "wan0", txChecksum, off)
			for _, name := range []string{tso4, tso6, uso} {
				set(f, "wan0", name, Feature{Requested: true})
			}
		}, "tx-checksum", Warning, "ethtool -K wan0 tx-checksum-ip-generic on", true},
		{"TSO of the LAN", func(f *Facts) { set(f, "lan0", tso4, off) }, "tso", Warning, "ethtool -K lan0 tx-tcp-segmentation on", true},
		{"USO of the uplink", func(f *Facts) { set(f, "wan0", uso, off) }, "uso", Warning, "ethtool -K wan0 tx-udp-segmentation on", true},
		{"TSO of the TUN", func(f *Facts) { set(f, "vpngw0", tso4, off) },
			"tun-tx-tcp-segmentation", Warning, "ethtool -K vpngw0 tx-tcp-segmentation on", true},
		{"USO of the TUN requested, not active", func(f *Facts) { set(f, "vpngw0", uso, Feature{Requested: true}) },
			"tun-tx-udp-segmentation", Warning, "", false},
		{"USO that the kernel has not", func(f *Facts) { set(f, "vpngw0", uso, Feature{Requested: true}); f.Test.GrantsUSO = false },
			"tun-tx-udp-segmentation", Note, "", false},
		{"USO that the kernel has not, as a glance shows it", func(f *Facts) { set(f, "vpngw0", uso, Feature{Fixed: true}); f.Test = SelfTest{} },
			"tun-tx-udp-segmentation", Note, "", false},
		{"checksums of the TUN", func(f *Facts) {
			for _, name := range []string{tso4, tso6, uso} {
				set(f, "vpngw0", name, Feature{Requested: true})
			}
			set(f, "vpngw0", txChecksum, off)
		}, "tun-checksum", Warning, "ethtool -K vpngw0 tx-checksum-ip-generic on", true},
		{"a long ring", func(f *Facts) { byName(f, "vpngw0").TxQueueLen = 500 },
			"txqueuelen", Warning, "ip link set dev vpngw0 txqueuelen 128", true},
		{"TUN MTU too large", func(f *Facts) { byName(f, "vpngw0").MTU = 1439 },
			"mtu-tun", Error, "ip link set dev vpngw0 mtu 1438", true},
		{"gateway.mtu too large", func(f *Facts) { f.MTU = 1500; byName(f, "vpngw0").MTU = 1500 },
			"mtu-tun", Error, "ip link set dev vpngw0 mtu 1438", false},
		{"a narrow wire in the middle", func(f *Facts) { f.Paths[0].Echo.Fits = 1300 },
			"mtu-path", Error, "ip route replace 192.0.2.2/32 via 192.0.2.9 dev wan0 mtu 1300", false},
		{"too narrow for IPv6", func(f *Facts) { f.Paths[0].MTU = 1300; byName(f, "vpngw0").MTU = 1280 }, "mtu-ipv6", Error, "", false},
		{"a TUN without IPv6", func(f *Facts) { byName(f, "vpngw0").MTU = 1279 }, "mtu-ipv6", Error, "", false},
		{"no IPv4 router", func(f *Facts) { f.Forwarding4 = false }, "forwarding", Error, "sysctl -w net.ipv4.ip_forward=1", false},
		{"no IPv6 router", func(f *Facts) { f.Forwarding6 = false }, "forwarding", Error, "sysctl -w net.ipv6.conf.all.forwarding=1", false},
		{"one interface does not forward", func(f *Facts) { byName(f, "lan0").Name = "lan.7"; byName(f, "lan.7").ForwardsIPv4 = false },
			"forwarding", Error, "sysctl -w net.ipv4.conf.lan/7.forwarding=1", false},
		{"strict filter", func(f *Facts) { byName(f, "vpngw0").ReversePath = 1; f.Returns[0].Link = "wan0" },
			"rp-filter", Error, "sysctl -w net.ipv4.conf.vpngw0.rp_filter=2", true},
		{"strict filter on another way to the peer", func(f *Facts) { f.Paths[0].StrictAlso = []string{"wan1"} },
			"rp-filter", Warning, "sysctl -w net.ipv4.conf.wan1.rp_filter=2", false},
		{"receive buffer", func(f *Facts) { f.Buffers.Receive = 212992 },
			"receive-buffer", Warning, "sysctl -w net.core.rmem_max=4194304", false},
		{"send buffer", func(f *Facts) { f.Buffers.Send = 212992 },
			"send-buffer", Warning, "sysctl -w net.core.wmem_max=1048576", false},
		{"conntrack", func(f *Facts) { f.PortUses[0].Tracked = true }, "conntrack", Warning, "nft", false},
		{"NAT", func(f *Facts) { f.PortUses[0].Tracked, f.PortUses[0].NAT = true, "source a becomes b" }, "nat", Warning, "nft", false},
		{"own firewall", func(f *Facts) { f.PortUses[0].Refused = true }, "firewall", Error, "", false},
		{"a kernel that damages trains", func(f *Facts) { f.Test.UDPSegment = false }, "kernel-udp", Warning, "", false},
		{"a kernel that damages superpackets", func(f *Facts) { f.Test.TUNFaults = []string{"it was cut"} }, "kernel-tun", Error, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := clean()
			c.plant(f)
			found := Examine(f)
			if len(found) != 1 {
				t.Fatalf("%d findings: %+v", len(found), found)
			}
			x := found[0]
			if x.ID != c.id || x.Severity != c.severity || x.Safe != c.safe || !strings.HasPrefix(x.Command, c.command) || c.command == "" && x.Command != "" {
				t.Errorf("%+v", x)
			}
			if x.What == "" || x.Why == "" || x.Command == "" && x.Advice == "" || (x.Command == "") != (x.Undo == "") {
				t.Errorf("it is not explained: %+v", x)
			}
			if x.Safe && (x.Change == nil || x.Change.Command() != x.Command || x.Change.Inverse().Command() != x.Undo) {
				t.Errorf("its change is not its command: %+v, %+v", x, x.Change)
			}
			if Healthy(found) != (c.severity == Note) {
				t.Error("a wrong verdict")
			}
		})
	}
}

// TestNoFaults plants what looks like a fault and is none.
func TestNoFaults(t *testing.T) {
	off := Feature{}
	for name, plant := range map[string]func(*Facts){
		"LRO that is only asked for":        func(f *Facts) { set(f, "lan0", lro, Feature{Requested: true}) },
		"GRO of a stacked interface":        func(f *Facts) { byName(f, "lan0").Kind = "macvlan"; set(f, "lan0", gro, off) },
		"UDP forwarding off, on the uplink": func(f *Facts) { set(f, "wan0", groUDPForward, off) },
		"USO that the card has not":         func(f *Facts) { set(f, "wan0", uso, Feature{Fixed: true}) },
		"strict filter, route by the TUN":   func(f *Facts) { byName(f, "vpngw0").ReversePath = 1 },
		"strict filter on the uplink":       func(f *Facts) { byName(f, "wan0").ReversePath = 1 },
		"a smaller TUN MTU":                 func(f *Facts) { byName(f, "vpngw0").MTU = 1400 },
		"a narrow wire, known":              func(f *Facts) { f.Paths[0].Echo.Fits = 1400; byName(f, "vpngw0").MTU = 1338 },
		"a peer that answers no echo":       func(f *Facts) { f.Paths[0].Echo = Echo{Asked: true} },
		"no TUN device yet":                 func(f *Facts) { f.Interfaces = f.Interfaces[1:] },
		"no hosts behind the gateway": func(f *Facts) {
			f.Local, f.Forwarding4, f.Forwarding6 = []netip.Prefix{netip.MustParsePrefix("10.1.0.1/32")}, false, false
		},
		"offloads off by the tunnel file": func(f *Facts) {
			f.Offload = Wanted{Checksum: true}
			set(f, "vpngw0", tso4, off)
			set(f, "vpngw0", tso6, off)
			set(f, "vpngw0", uso, off)
			f.Test.UDPSegment, f.Test.UDPGRO = false, false
		},
		"buffers not seen": func(f *Facts) { f.Buffers = Buffers{} },
	} {
		t.Run(name, func(t *testing.T) {
			f := clean()
			plant(f)
			if found := Examine(f); len(found) > 0 {
				t.Errorf("%+v", found)
			}
		})
	}
}

// TestSheetAgreesWithFindings wants a row that is not as wanted for each feature that a
// finding is about, and none on a clean machine.
func TestSheetAgreesWithFindings(t *testing.T) {
	bad := func(f *Facts) (names []string) {
		for n := range f.Interfaces {
			for _, r := range Sheet(f, &f.Interfaces[n]) {
				if r.Want != "" && r.Why == "" {
					t.Errorf("%s of %s is not explained", r.Name, f.Interfaces[n].Name)
				}
				if !r.Good {
					names = append(names, f.Interfaces[n].Name+" "+r.Name)
				}
			}
		}
		return names
	}
	if names := bad(clean()); names != nil {
		t.Errorf("clean, yet not as wanted: %v", names)
	}
	f := clean()
	set(f, "lan0", lro, Feature{On: true, Requested: true})
	set(f, "wan0", gro, Feature{})
	set(f, "vpngw0", uso, Feature{})
	byName(f, "vpngw0").TxQueueLen = 500
	byName(f, "lan0").GROMaxSize = 100_000
	want := []string{"vpngw0 txqueuelen", "vpngw0 tx-udp-segmentation", "lan0 gro_max_size", "lan0 large-receive-offload", "wan0 generic-receive-offload"}
	if got := bad(f); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWorstFirst(t *testing.T) {
	f := clean()
	byName(f, "wan0").Kind = "veth"
	set(f, "wan0", gro, Feature{})
	byName(f, "vpngw0").TxQueueLen = 500
	f.Forwarding4 = false
	var got []Severity
	for _, x := range Examine(f) {
		got = append(got, x.Severity)
	}
	if !slices.Equal(got, []Severity{Error, Warning, Note}) {
		t.Errorf("%v", got)
	}
}
