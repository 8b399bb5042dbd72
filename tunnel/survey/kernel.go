//go:build linux

package survey

import (
	"bytes"
	"context"
	"encoding/binary"
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
}

// Of the test's own namespace; the networks are for benchmarks (RFC 2544).
var (
	testIn     = netip.MustParsePrefix("198.18.0.1/24")
	testOut    = netip.MustParsePrefix("198.18.1.1/24")
	testPlain  = netip.MustParsePrefix("198.18.2.1/24")
	testSource = netip.MustParseAddr("198.18.0.2")
)

// testTUN has the kernel of a fresh namespace forward superpackets between TUN devices: to one
// that takes them whole, and to one for which it must cut them.
func testTUN(ctx context.Context, t *doctor.SelfTest) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w (needs root or CAP_SYS_ADMIN)", err)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil { // of the thread's namespace
		return fmt.Errorf("forward between the devices: %w", err)
	}
	in, err := testDevice("in", testIn, tun.Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := testDevice("out", testOut, tun.Options{})
	if err != nil {
		return err
	}
	defer out.Close()
	plain, err := testDevice("plain", testPlain, tun.Options{DisableChecksum: true})
	if err != nil {
		return err
	}
	defer plain.Close()
	granted := out.Features()
	t.GrantsTSO, t.GrantsUSO = granted.TSO4 && granted.TSO6, granted.USO
	for _, c := range []struct {
		name  string
		proto uint8
		try   bool
	}{{"TCP", unix.IPPROTO_TCP, t.GrantsTSO}, {"UDP", unix.IPPROTO_UDP, t.GrantsUSO}} {
		if !c.try {
			continue
		}
		for _, to := range []struct {
			device *tun.Device
			prefix netip.Prefix
			whole  bool
			how    string
		}{{out, testOut, true, "forwarded whole"}, {plain, testPlain, false, "cut by the kernel"}} {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := carry(in, to.device, c.proto, to.prefix.Addr().Next(), to.whole); err != nil {
				t.TUNFaults = append(t.TUNFaults, fmt.Sprintf("%s superpacket %s: %v", c.name, to.how, err))
			}
		}
	}
	return nil
}

func testDevice(name string, prefix netip.Prefix, o tun.Options) (*tun.Device, error) {
	o.Name, o.MTU = name, 1500
	d, err := tun.Open(o)
	if err != nil {
		return nil, err
	}
	link, err := netlink.LinkByIndex(d.Index())
	if err == nil {
		err = netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), 32)}})
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

// The superpacket of the test: the last segment is shorter.
const (
	testSegment  = 1000
	testPayload  = 10*testSegment + 500
	testPatience = time.Second
)

// carry writes a superpacket to one device and compares what comes out of another with it.
func carry(in, out *tun.Device, proto uint8, to netip.Addr, whole bool) error {
	sent := superpacket(proto, to)
	if err := in.Write([][]byte{sent}); err != nil {
		return fmt.Errorf("the kernel refuses it: %w", err)
	}
	payload := sent[len(sent)-testPayload:]
	headers := len(sent) - tun.HeaderLen - testPayload
	buf := make([]byte, tun.HeaderLen+65535)
	deadline := time.Now().Add(testPatience)
	var got []byte
	for packets := 0; len(got) < testPayload; packets++ {
		b, err := next(out, buf, proto, deadline)
		if err != nil {
			return fmt.Errorf("%d of %d bytes arrived: %w", len(got), testPayload, err)
		}
		var h offload.VirtioHeader
		h.Decode(b)
		p := b[tun.HeaderLen:]
		if len(p) < headers {
			return fmt.Errorf("packet %d has %d bytes", packets, len(p))
		}
		if whole {
			if int(h.GSOSize) != testSegment || len(p) != headers+testPayload {
				return fmt.Errorf("it was cut: %d bytes in segments of %d", len(p), h.GSOSize)
			}
		} else if err := checkSegment(p, proto, packets, len(got)); err != nil {
			return err
		}
		got = append(got, p[headers:]...)
	}
	if !bytes.Equal(got, payload) {
		return errors.New("other bytes arrived")
	}
	return nil
}

// checkSegment compares the headers of a packet with those that the n-th segment has.
func checkSegment(p []byte, proto uint8, n, before int) error {
	size := min(testSegment, testPayload-before)
	const ip = 20
	switch {
	case int(binary.BigEndian.Uint16(p[2:])) != len(p):
		return fmt.Errorf("segment %d has %d bytes but says %d", n, len(p), binary.BigEndian.Uint16(p[2:]))
	case offload.Sum(p[:ip], 0) != 0xffff:
		return fmt.Errorf("segment %d has a wrong IP checksum", n)
	case proto == unix.IPPROTO_TCP && binary.BigEndian.Uint32(p[ip+4:]) != uint32(testSequence+before):
		return fmt.Errorf("segment %d has sequence number %d, not %d", n, binary.BigEndian.Uint32(p[ip+4:]), testSequence+before)
	case proto == unix.IPPROTO_TCP && len(p)-ip-20 != size, proto == unix.IPPROTO_UDP && len(p)-ip-8 != size:
		return fmt.Errorf("segment %d has %d bytes in all for %d of payload", n, len(p), size)
	case offload.Sum(p[ip:], offload.PseudoSum(p[12:20], proto, len(p)-ip)) != 0xffff:
		return fmt.Errorf("segment %d has a wrong checksum", n)
	}
	return nil
}

var errNothing = errors.New("nothing more came")

// next reads the next packet of the protocol; the kernel sends some of its own.
func next(d *tun.Device, buf []byte, proto uint8, deadline time.Time) ([]byte, error) {
	for {
		n, err := d.Read(buf)
		switch {
		case err == nil && n > tun.HeaderLen+20 && buf[tun.HeaderLen]>>4 == 4 && buf[tun.HeaderLen+9] == proto:
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

const testSequence = 1_000_000 // of the first TCP segment

// superpacket makes one of TCP or UDP over IPv4, with its virtio header.
func superpacket(proto uint8, to netip.Addr) []byte {
	const ip = 20
	transport, checksumAt := 20, 16
	h := offload.VirtioHeader{Flags: offload.FlagNeedsCsum, GSOType: offload.GSOTCPv4, GSOSize: testSegment, CsumStart: ip}
	if proto == unix.IPPROTO_UDP {
		transport, checksumAt, h.GSOType = 8, 6, offload.GSOUDPL4
	}
	h.HdrLen, h.CsumOffset = uint16(ip+transport), uint16(checksumAt)
	b := make([]byte, tun.HeaderLen+ip+transport+testPayload)
	h.Encode(b)
	p := b[tun.HeaderLen:]
	p[0], p[8], p[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	copy(p[12:], testSource.AsSlice())
	copy(p[16:], to.AsSlice())
	binary.BigEndian.PutUint16(p[10:], ^offload.Sum(p[:ip], 0))
	t := p[ip:]
	binary.BigEndian.PutUint16(t[0:], 7)
	binary.BigEndian.PutUint16(t[2:], 7)
	if proto == unix.IPPROTO_UDP {
		binary.BigEndian.PutUint16(t[4:], uint16(len(t)))
	} else {
		binary.BigEndian.PutUint32(t[4:], testSequence)
		t[12], t[13] = 5<<4, 0x18 // ACK, PSH
		binary.BigEndian.PutUint16(t[14:], 65535)
	}
	for i := range testPayload {
		t[transport+i] = byte(uint32(i) * 2654435761 >> 24)
	}
	binary.BigEndian.PutUint16(t[checksumAt:], offload.PseudoSum(p[12:20], proto, len(t)))
	return b
}
