//go:build linux

package survey

import (
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"vpngw/offload"
	"vpngw/offload/tun"
	"vpngw/tunnel/doctor"
)

func TestSysctlPath(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.ip_forward":              "/proc/sys/net/ipv4/ip_forward",
		"net.ipv4.conf.eth0/100.rp_filter": "/proc/sys/net/ipv4/conf/eth0.100/rp_filter",
	} {
		if got := sysctlPath(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

// entry is an answer of the kernel: tuples of both directions and a timeout.
func entry(orig, reply tuple) []byte {
	b := make([]byte, 4)
	b = append(b, orig.attribute().Serialize()...)
	r := reply.attribute()
	r.Type = nl.CTA_TUPLE_REPLY | unix.NLA_F_NESTED
	b = append(b, r.Serialize()...)
	return append(b, nl.NewRtAttr(nl.CTA_TIMEOUT, []byte{0, 0, 0, 119}).Serialize()...)
}

func TestParseTracked(t *testing.T) {
	port := netip.MustParseAddrPort
	for _, c := range []struct {
		orig, reply tuple
		nat         string
	}{
		{tuple{port("192.0.2.1:4500"), port("192.0.2.2:4500")}, tuple{port("192.0.2.2:4500"), port("192.0.2.1:4500")}, ""},
		{tuple{port("[2001:db8::1]:4500"), port("[2001:db8::2]:4500")}, tuple{port("[2001:db8::2]:4500"), port("[2001:db8::1]:4500")}, ""},
		{tuple{port("192.0.2.1:4500"), port("192.0.2.2:4500")}, tuple{port("192.0.2.2:4500"), port("192.0.2.1:5000")},
			"source 192.0.2.1:4500 becomes 192.0.2.1:5000"},
		{tuple{port("192.0.2.2:4500"), port("192.0.2.1:4500")}, tuple{port("192.0.2.1:600"), port("192.0.2.2:4500")},
			"destination 192.0.2.1:4500 becomes 192.0.2.1:600"},
	} {
		b := entry(c.orig, c.reply)
		got, ok := parseTracked(b)
		if !ok || got != (tracked{true, 119, c.nat}) {
			t.Errorf("%v: %+v, %t", c.orig, got, ok)
		}
		for n := range b {
			if cut, ok := parseTracked(b[:n]); ok && cut.nat != c.nat {
				t.Errorf("of %d bytes: %+v", n, cut)
			}
		}
	}
}

func TestEchoReplies(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		e := &echoer{v6: v6, id: 7, seq: 9}
		b := e.request(1000)
		if !v6 {
			if len(b) != 980 || offload.Sum(b, 0) != 0xffff {
				t.Errorf("request of %d bytes", len(b))
			}
			b = append(append([]byte{0x45}, make([]byte, 19)...), b...)
			b[20] = 0
		} else {
			b[0] = 129
		}
		if !e.isReply(b) {
			t.Errorf("IPv6 %t: its reply is not known", v6)
		}
		e.seq++
		if e.isReply(b) {
			t.Errorf("IPv6 %t: an earlier reply is taken", v6)
		}
		for n := range b {
			e.isReply(b[:n]) // must not panic
		}
	}
}

// inNamespace runs f on a thread of its own in a fresh network namespace.
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skipf("no TUN devices here: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// TestSelfTest wants no fault of this kernel, and a fault to be seen, of TCP and of UDP over
// IPv4 and IPv6: a device without offloads looks like a kernel that cuts what it must not cut,
// one with them like a kernel that does not cut.
func TestSelfTest(t *testing.T) {
	inNamespace(t, func() {
		var result doctor.SelfTest
		if err := testTUN(t.Context(), &result); err != nil {
			t.Error(err)
		}
		if len(result.TUNFaults) > 0 || !result.GrantsTSO || !result.IPv6 {
			t.Errorf("%+v", result)
		}
	})
	inNamespace(t, func() {
		v6, err := testForwarding()
		if err != nil || !v6 {
			t.Errorf("IPv6 %t: %v", v6, err)
			return
		}
		open := func(name string, n testNet, o tun.Options) *tun.Device {
			d, err := testDevice(name, n, v6, o)
			if err != nil {
				t.Error(err)
				runtime.Goexit()
			}
			return d
		}
		in := open("in", testIn, tun.Options{})
		defer in.Close()
		out := open("out", testOut, tun.Options{})
		defer out.Close()
		plain := open("plain", testPlain, tun.Options{DisableChecksum: true})
		defer plain.Close()
		protos := []uint8{unix.IPPROTO_TCP}
		if out.Features().USO {
			protos = append(protos, unix.IPPROTO_UDP)
		}
		for _, proto := range protos {
			for _, over6 := range []bool{false, true} {
				for _, c := range []struct {
					device *tun.Device
					net    testNet
					whole  bool
					want   string
				}{{plain, testPlain, true, "it was cut"}, {out, testOut, false, "segment 0"}} {
					s := specimen{proto: proto, from: testIn.host(over6), to: c.net.host(over6)}
					if err := carry(in, c.device, s, c.whole); err == nil || !strings.Contains(err.Error(), c.want) {
						t.Errorf("%v, whole %t: %v", s, c.whole, err)
					}
				}
			}
		}
	})
}

// TestSpecimenDamaged: no byte of a segment's headers can change without being seen, but for
// those that say nothing of cutting.
func TestSpecimenDamaged(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, proto := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			s := specimen{proto: proto, from: testIn.host(v6), to: testOut.host(v6)}
			super := s.packet()
			var h offload.VirtioHeader
			h.Decode(super)
			var cutter offload.Segmenter
			if err := cutter.Reset(h, super[tun.HeaderLen:]); err != nil {
				t.Fatalf("%v: %v", s, err)
			}
			whole := super[tun.HeaderLen:]
			if err := s.check(whole, 0, 0, true); err != nil {
				t.Fatalf("%v: %v", s, err)
			}
			at := s.ip() - len(s.addresses(whole))
			for ; at < s.ip()+4; at++ { // addresses and ports, which no checksum covers yet
				whole[at] ^= 0x10
				if s.check(whole, 0, 0, true) == nil {
					t.Errorf("%v: byte %d was changed unseen", s, at)
				}
				whole[at] ^= 0x10
			}
			before, headers := 0, s.ip()+s.transport()
			for n := 0; cutter.Remaining() > 0; n++ {
				p := cutter.Next()
				if err := s.check(p, n, before, false); err != nil {
					t.Fatalf("%v: %v", s, err)
				}
				for at := range p {
					if v6 && (at < 4 || at == 6 || at == 7) {
						continue // version and class, next header and hop limit: no checksum covers them
					}
					p[at] ^= 0x10
					if err := s.check(p, n, before, false); err == nil {
						t.Errorf("%v: byte %d of segment %d, of which %d are headers, was changed unseen", s, at, n, headers)
					}
					p[at] ^= 0x10
				}
				if err := s.check(p[:len(p)-1], n, before, false); err == nil {
					t.Errorf("%v: a segment without its last byte is taken", s)
				}
				before += len(p) - headers
			}
		}
	}
}
