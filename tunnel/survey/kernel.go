//go:build linux

package survey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vpngw/offload"
	"vpngw/offload/tun"
	"vpngw/offload/udp"
	"vpngw/tunnel/doctor"
)

// selfTest tries what the gateway will ask of the kernel.
func selfTest(ctx context.Context, f *doctor.Facts) {
	support, err := udp.Probe(udp.Options{})
	if err != nil {
		unseen(f, "offloads of UDP sockets", err)
	} else {
		f.Test.UDP, f.Test.UDPSegment, f.Test.UDPGRO, f.Test.UDPWhy = true, support.Segment, support.GRO, support.Why
	}
	done := make(chan error, 1)
	go func() {
		// The thread stays locked, and ends with its namespace when the goroutine does.
		runtime.LockOSThread()
		done <- testTUN(ctx, &f.Test)
	}()
	if err := <-done; err != nil {
		unseen(f, "offloads of TUN devices", err)
		return
	}
	f.Test.TUN = true
	if !f.Test.IPv6 {
		f.Unseen = append(f.Unseen, "offloads of TUN devices with IPv6: this kernel has none")
	}
}

// testNet is a network of the test's own namespace, of those for benchmarks (RFC 2544,
// RFC 5180).
type testNet struct{ v4, v6 netip.Prefix }

var (
	testIn    = testNet{netip.MustParsePrefix("198.18.0.1/24"), netip.MustParsePrefix("2001:2:0:1::1/64")}
	testOut   = testNet{netip.MustParsePrefix("198.18.1.1/24"), netip.MustParsePrefix("2001:2:0:2::1/64")}
	testPlain = testNet{netip.MustParsePrefix("198.18.2.1/24"), netip.MustParsePrefix("2001:2:0:3::1/64")}
)

// host is a neighbour on the network.
func (n testNet) host(v6 bool) netip.Addr {
	if v6 {
		return n.v6.Addr().Next()
	}
	return n.v4.Addr().Next()
}

// testTUN has the kernel of a fresh namespace forward superpackets between TUN devices: to one
// that takes them whole, and to one for which it must cut them.
func testTUN(ctx context.Context, t *doctor.SelfTest) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w (needs root or CAP_SYS_ADMIN)", err)
	}
	v6, err := testForwarding()
	if err != nil {
		return err
	}
	in, err := testDevice("in", testIn, v6, tun.Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := testDevice("out", testOut, v6, tun.Options{})
	if err != nil {
		return err
	}
	defer out.Close()
	plain, err := testDevice("plain", testPlain, v6, tun.Options{DisableChecksum: true})
	if err != nil {
		return err
	}
	defer plain.Close()
	granted := out.Features()
	t.GrantsTSO, t.GrantsUSO, t.IPv6 = granted.TSO4 && granted.TSO6, granted.USO, v6
	for _, c := range []struct {
		proto   uint8
		granted bool
	}{{unix.IPPROTO_TCP, t.GrantsTSO}, {unix.IPPROTO_UDP, t.GrantsUSO}} {
		for _, over6 := range []bool{false, true} {
			for _, to := range []struct {
				device *tun.Device
				net    testNet
				whole  bool
				how    string
			}{{out, testOut, true, "forwarded whole"}, {plain, testPlain, false, "cut by the kernel"}} {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if !c.granted || over6 && !v6 {
					continue
				}
				s := specimen{proto: c.proto, from: testIn.host(over6), to: to.net.host(over6)}
				if err := carry(in, to.device, s, to.whole); err != nil {
					t.TUNFaults = append(t.TUNFaults, fmt.Sprintf("%v superpacket %s: %v", s, to.how, err))
				}
			}
		}
	}
	return nil
}

// testForwarding switches forwarding on in the namespace of the thread, and tells whether
// it has IPv6.
func testForwarding() (v6 bool, err error) {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return false, fmt.Errorf("forward between the devices: %w", err)
	}
	return os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0) == nil, nil
}

func testDevice(name string, on testNet, v6 bool, o tun.Options) (*tun.Device, error) {
	o.Name, o.MTU = name, 1500
	d, err := tun.Open(o)
	if err != nil {
		return nil, err
	}
	link, err := netlink.LinkByIndex(d.Index())
	if err == nil {
		err = testAddress(link, on.v4, 0)
	}
	if err == nil && v6 {
		err = testAddress(link, on.v6, unix.IFA_F_NODAD)
	}
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("test device %s: %w", name, err)
	}
	return d, nil
}

func testAddress(link netlink.Link, p netip.Prefix, flags int) error {
	return netlink.AddrAdd(link, &netlink.Addr{
		IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}, Flags: flags,
	})
}

const testPatience = time.Second

// carry writes a superpacket to one device and compares what comes out of another with it.
func carry(in, out *tun.Device, s specimen, whole bool) error {
	sent := s.packet()
	if err := in.Write([][]byte{sent}); err != nil {
		return fmt.Errorf("the kernel refuses it: %w", err)
	}
	payload := sent[len(sent)-testPayload:]
	headers := s.ip() + s.transport()
	buf := make([]byte, tun.HeaderLen+65535)
	deadline := time.Now().Add(testPatience)
	var got []byte
	for packets := 0; len(got) < testPayload; packets++ {
		b, err := next(out, buf, s, deadline)
		if err != nil {
			return fmt.Errorf("%d of %d bytes arrived: %w", len(got), testPayload, err)
		}
		var h offload.VirtioHeader
		h.Decode(b)
		p := b[tun.HeaderLen:]
		if len(p) < headers {
			return fmt.Errorf("packet %d has %d bytes", packets, len(p))
		}
		if whole && (int(h.GSOSize) != testSegment || len(p) != headers+testPayload) {
			return fmt.Errorf("it was cut: %d bytes in segments of %d", len(p), h.GSOSize)
		}
		if err := s.check(p, packets, len(got), whole); err != nil {
			return err
		}
		got = append(got, p[headers:]...)
	}
	if !bytes.Equal(got, payload) {
		return errors.New("other bytes arrived")
	}
	return nil
}

var errNothing = errors.New("nothing more came")

// next reads the next packet of that kind.
func next(d *tun.Device, buf []byte, s specimen, deadline time.Time) ([]byte, error) {
	for {
		n, err := d.Read(buf)
		switch {
		case err == nil && n > tun.HeaderLen && s.is(buf[tun.HeaderLen:n]):
			return buf[:n], nil
		case err == nil:
			continue
		case !errors.Is(err, tun.ErrWouldBlock):
			return nil, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, errNothing
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(d.FD()), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
	}
}
