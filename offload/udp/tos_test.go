//go:build linux

package udp

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"vpngw/offload/ethtool"
)

// wantTOS receives until data is there, and wants every datagram of it to have that TOS.
func wantTOS(t *testing.T, s *Socket, data []byte, tos uint8) (receives int) {
	t.Helper()
	var got []byte
	for len(got) < len(data) {
		d := mustRecv(t, s)
		if d.TOS != tos {
			t.Fatalf("%d datagrams with TOS %#x, want %#x", len(d.Bytes)/max(d.Size, 1), d.TOS, tos)
		}
		got = append(got, d.Bytes...)
		receives++
	}
	if !bytes.Equal(got, data) {
		t.Fatal("data differs")
	}
	return receives
}

// One send has one TOS, in either family, however its datagrams leave; the next has its
// own, 0 included.
func TestSendWithTOS(t *testing.T) {
	for _, loop := range loopbacks {
		for _, o := range []Options{{}, {DisableSegment: true}, {DisableGRO: true}} {
			t.Run(fmt.Sprintf("%s, segment %t, GRO %t", loop.name, !o.DisableSegment, !o.DisableGRO), func(t *testing.T) {
				to := mustListen(t, anyPort(loop.addr), o)
				from := mustConnect(t, anyPort(loop.addr), to.LocalAddr(), o)
				for _, tos := range []uint8{0, 1, 2, 3, 0xb8, 0, 0xff, 0x28 | 2} {
					for _, size := range []int{4500, 1000} {
						data := pattern(4500)
						result, err := from.Send(data, size, tos)
						if err != nil || result.Fallback || result.Sent != len(data) {
							t.Fatalf("%+v, %v", result, err)
						}
						wantTOS(t, to, data, tos)
					}
				}
			})
		}
	}
}

// Data that a kernel refuses to segment goes one by one with the TOS that it should have.
func TestFallbackKeepsTOS(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EIO, unix.EINVAL, unix.EMSGSIZE} {
		from, to, kernel, _ := faultyPair(t, refuseTrains(errno))
		for range 2 {
			data := pattern(4500)
			result, err := from.Send(data, 1000, 0x2e)
			if err != nil || result.Sent != len(data) || kernel.singles == 0 {
				t.Fatalf("%v: %+v, %v", errno, result, err)
			}
			wantTOS(t, to, data, 0x2e)
		}
	}
}

// Trains that follow one another on a wire like a network card's are glued again by the
// receiving kernel, but never over the border of two TOS.
func TestGROKeepsTOSApart(t *testing.T) {
	for _, addr := range farAddrs {
		t.Run(addr.String(), func(t *testing.T) {
			namespace(t, func(here netns.NsHandle) {
				there := wire(t, here)
				var far *Socket
				there(func() {
					far = mustListen(t, netip.AddrPortFrom(addr, 4500), Options{})
					// A veth has these glue what comes by a socket of UDP.
					for _, feature := range []string{ethtool.RxGRO, ethtool.RxUDPGROForwarding} {
						if err := ethtool.Set("far", feature, true); err != nil {
							t.Fatal(err)
						}
					}
				})
				// Without checksums, kernels before 6.11 would not even take a train.
				if err := ethtool.Set("near", ethtool.TxUDPSegmentation, false); err != nil {
					t.Fatal(err)
				}
				near := mustConnect(t, netip.AddrPort{}, far.LocalAddr(), Options{})
				toses := []uint8{2, 3, 2, 0, 1, 0xb8, 0xba}
				data := pattern(5 * 1000)
				for _, tos := range toses {
					if result, err := near.Send(data, 1000, tos); err != nil || result.Sent != len(data) {
						t.Fatalf("%+v, %v", result, err)
					}
				}
				receives := 0
				for _, tos := range toses {
					receives += wantTOS(t, far, data, tos)
				}
				if receives >= len(toses)*5 {
					t.Error("nothing was glued: the test saw nothing")
				}
			})
		})
	}
}

func TestSendWithTOSAllocatesNothing(t *testing.T) {
	for _, loop := range loopbacks {
		to := mustListen(t, anyPort(loop.addr), Options{})
		from := mustConnect(t, anyPort(loop.addr), to.LocalAddr(), Options{})
		data, buf := pattern(4500), make([]byte, 1<<16)
		var d Datagrams
		if n := testing.AllocsPerRun(50, func() {
			if _, err := from.Send(data, 1000, 0x2a); err != nil {
				t.Fatal(err)
			}
			if err := to.Recv(buf, &d); err != nil || d.TOS != 0x2a {
				t.Fatalf("%v, TOS %#x", err, d.TOS)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want 0", loop.name, n)
		}
	}
}

// The standard parser reads what is asked of the kernel.
func TestControlOfSend(t *testing.T) {
	for _, c := range []struct {
		v4         bool
		tos        uint8
		level, typ int32
	}{{true, 0xff, unix.IPPROTO_IP, unix.IP_TOS}, {false, 3, unix.IPPROTO_IPV6, unix.IPV6_TCLASS}} {
		o := sender{v4: c.v4, tos: c.tos}
		o.setControl(true, 1472)
		messages, err := unix.ParseSocketControlMessage(o.control.bytes()[:o.msg.Controllen])
		if err != nil || len(messages) != 2 || messages[0].Header.Type != unix.UDP_SEGMENT ||
			messages[1].Header.Level != c.level || messages[1].Header.Type != c.typ || messages[1].Data[0] != c.tos {
			t.Errorf("%+v, %v", messages, err)
		}
		o.tos = 0
		if o.setControl(false, 1472); o.msg.Control != nil || o.msg.Controllen != 0 {
			t.Errorf("a control message that asks for nothing: %d bytes", o.msg.Controllen)
		}
	}
}
