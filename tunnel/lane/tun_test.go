package lane

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/offload"
	"vpngw/tunnel/drop"
)

// receiveTrain has the site receive n packets of a flow and returns them.
func (s *site) receiveTrain(g *gate, f *flow, n int) (packets [][]byte) {
	var train []byte
	size := 0
	for i := range n {
		p := f.packet(bytesOf(1000, byte(i)), false)
		packets = append(packets, p)
		d := s.seal(p)
		size = len(d)
		train = append(train, d...)
	}
	s.socket.arrive(size, train)
	g.settle()
	return packets
}

// wantWritten compares what the TUN took with what should have reached it, and tells in
// how many writes.
func wantWritten(t *testing.T, tun *fakeTUN, want [][]byte) (writes int) {
	t.Helper()
	out := tun.written()
	var got [][]byte
	for _, b := range out {
		got = append(got, cut(t, b)...)
	}
	if len(got) != len(want) {
		t.Fatalf("%d packets were written, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("packet %d written is %x, want %x", i, got[i], want[i])
		}
	}
	return len(out)
}

func TestRefusedSuperpacketGoesPacketByPacket(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	refused := 0
	g.tun.writeErr = func(vecs [][]byte) error {
		var vh offload.VirtioHeader
		vh.Decode(vecs[0])
		if vh.GSOType != offload.GSONone {
			refused++
			return unix.EINVAL
		}
		return nil
	}
	f, f2 := tcp4(1, 5).back(), tcp4(1, 6).back()
	want := s.receiveTrain(g, f, 20)
	if writes := wantWritten(t, g.tun, want); writes != 20 || refused != 1 {
		t.Errorf("%d writes after %d refusals, want 20 after 1", writes, refused)
	}
	if got := g.lane.counters.TUNFallbacks.Load(); got != 1 {
		t.Errorf("%d fallbacks counted, want 1", got)
	}
	if calls, packets := g.lane.counters.TUNWrite.Calls.Load(), g.lane.counters.TUNWrite.Packets.Load(); calls != 20 || packets != 20 {
		t.Errorf("%d packets in %d calls counted, want 20 in 20", packets, calls)
	}
	// While gluing is paused the device is not asked.
	want = s.receiveTrain(g, f2, 20)
	if writes := wantWritten(t, g.tun, want); writes != 20 || refused != 1 {
		t.Errorf("while paused: %d writes, %d refusals in all, want 20 and 1", writes, refused)
	}
	// Afterwards it is.
	g.passes(time.Duration(gluePause))
	g.tun.writeErr = nil
	want = s.receiveTrain(g, f, 20)
	if writes := wantWritten(t, g.tun, want); writes != 1 {
		t.Errorf("after the pause: %d writes, want 1", writes)
	}
	wantDrops(t, &g.lane.counters.Drops, nil)
}

// TestTUNThatIsDown: EIO loses the packets at hand, and nothing else happens.
func TestTUNThatIsDown(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	g.tun.writeErr = func([][]byte) error { return unix.EIO }
	s.receiveTrain(g, tcp4(1, 5).back(), 20)
	wantDrops(t, &g.lane.counters.Drops, map[drop.Reason]int{drop.TUNDown: 20})
	g.tun.writeErr = nil
	want := s.receiveTrain(g, tcp4(1, 6).back(), 20)
	if writes := wantWritten(t, g.tun, want); writes != 1 {
		t.Errorf("up again, %d writes, want 1", writes)
	}
	for _, e := range g.events() {
		if _, ok := e.(TUNFailed); ok {
			t.Error("a device that is down was given up")
		}
	}
}

func TestTUNThatIsGone(t *testing.T) {
	gone := map[string]func(g *gate, s *site){
		"seen by a write": func(g *gate, s *site) {
			g.tun.writeErr = func([][]byte) error { return unix.EBADFD }
			for port := range uint16(5) {
				d := s.seal(tcp4(1, port).back().packet(nil, false))
				s.socket.arrive(len(d), d)
			}
		},
		"seen by a read": func(g *gate, s *site) {
			g.tun.push(tcp4(1, 5).plain(nil))
			g.tun.readErr = unix.EBADFD
		},
		"while idle": func(g *gate, s *site) {
			unix.Shutdown(g.tun.ready.peer, unix.SHUT_RDWR) // EPOLLHUP and EPOLLIN
			g.tun.readErr = unix.EBADFD
		},
	}
	for name, lose := range gone {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			lose(g, s)
			g.settle()
			g.settle()
			failed := 0
			for _, e := range g.events() {
				if e, ok := e.(TUNFailed); ok {
					failed++
					if e.Err != unix.EBADFD {
						t.Errorf("the reason is %v, want EBADFD", e.Err)
					}
				}
			}
			if failed != 1 {
				t.Errorf("the loss was told %d times, want once", failed)
			}
			s.receiveTrain(g, tcp4(1, 9).back(), 3)
			for _, e := range g.events() {
				if _, ok := e.(TUNFailed); ok {
					t.Error("the loss was told again")
				}
			}
			g.tun = newFakeTUN(t)
			if err := g.lane.SetTUN(g.tun); err != nil {
				t.Fatal(err)
			}
			want := s.receiveTrain(g, tcp4(1, 10).back(), 3)
			wantWritten(t, g.tun, want)
			p := tcp4(1, 5).plain(nil)
			g.tun.push(p)
			g.settle()
			s.wantPackets(t, cut(t, p))
		})
	}
}

// TestLostTUNIsToldLater: with a full inbox the loss is told when there is room.
func TestLostTUNIsToldLater(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	for g.lane.tell(SoftLimit{}) {
	}
	g.tun.writeErr = func([][]byte) error { return unix.EBADFD }
	s.receiveTrain(g, tcp4(1, 5).back(), 1)
	g.events()
	s.receiveTrain(g, tcp4(1, 6).back(), 1)
	failed := 0
	for _, e := range g.events() {
		if _, ok := e.(TUNFailed); ok {
			failed++
		}
	}
	if failed != 1 {
		t.Errorf("the loss was told %d times, want once", failed)
	}
}
