package lab

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestVLAN sends small and large packets through a tagged wire: every frame on it has the tag, and none inside.
func TestVLAN(t *testing.T) {
	needLab(t)
	const vlan = 100
	s := twoSites(t, Options{VLAN: vlan})
	wire, err := s.A.Gateway.Capture(WAN)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := s.B.Host.Capture(HostDevice)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{56, 1472} {
		r, err := Ping{From: s.A.Host, To: s.B.Host4, Count: 3, Size: size, Interval: time.Millisecond}.Run(t.Context())
		if err != nil || r.Received != 3 {
			t.Errorf("ping of %d bytes: %v, %v", size, r, err)
		}
	}
	// The kernel takes the tag off what arrives before it shows it to a capture: only what leaves is looked at.
	tagged := func(n *Namespace, device string, c *Capture) (with, without int) {
		t.Helper()
		var own net.HardwareAddr
		err := n.Do(func() error {
			link, err := net.InterfaceByName(device)
			if err == nil {
				own = link.HardwareAddr
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = c.Frames(func(frame []byte) {
			if !bytes.Equal(frame[6:12], own) {
				return
			}
			if binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_8021Q && binary.BigEndian.Uint16(frame[14:])&0xfff == vlan {
				with++
			} else {
				without++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return with, without
	}
	if with, without := tagged(s.A.Gateway, WAN, wire); with < 6 || without > 0 {
		t.Errorf("on the wire %d frames have the tag, %d have not", with, without)
	}
	if with, without := tagged(s.B.Host, HostDevice, inside); with > 0 || without < 6 {
		t.Errorf("inside %d frames have the tag, %d have not", with, without)
	}
}

// TestLANMTU sends an echo that only wide wires carry in one piece.
func TestLANMTU(t *testing.T) {
	needLab(t)
	s := twoSites(t, Options{MTU: 9000, LANMTU: 9000})
	before, err := s.B.Host.Counters(HostDevice)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Ping{From: s.A.Host, To: s.B.Host4, Count: 10, Size: 8972, Interval: time.Millisecond}.Run(t.Context())
	if err != nil || r.Received != 10 {
		t.Fatalf("%v, %v", r, err)
	}
	after, err := s.B.Host.Counters(HostDevice)
	if err != nil || after.RxPackets-before.RxPackets > 20 {
		t.Errorf("%d packets for 10 echoes, %v", after.RxPackets-before.RxPackets, err)
	}
}
