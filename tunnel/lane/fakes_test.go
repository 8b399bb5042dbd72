package lane

import (
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"vpngw/offload/udp"
)

// readiness is a descriptor whose EPOLLIN and EPOLLOUT a test switches: one end of
// a pair of stream sockets.
type readiness struct {
	own, peer      int
	readable, full bool
	buf            [1]byte
}

func newReadiness(t testing.TB) *readiness {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &readiness{own: pair[0], peer: pair[1]}
	t.Cleanup(func() { unix.Close(r.peer); unix.Close(r.own) })
	return r
}

func (r *readiness) setReadable(on bool) {
	if r.readable == on {
		return
	}
	r.readable = on
	if on {
		unix.Write(r.peer, r.buf[:])
	} else {
		unix.Read(r.own, r.buf[:])
	}
}

func (r *readiness) setWritable(on bool) {
	if r.full == !on {
		return
	}
	r.full = !on
	buf := make([]byte, 64<<10)
	for err := error(nil); err == nil; {
		if on {
			_, err = unix.Read(r.peer, buf)
		} else {
			_, err = unix.Write(r.own, buf)
		}
	}
}

// fakeTUN is a TUN device of which the test is the kernel.
type fakeTUN struct {
	mu    sync.Mutex
	ready *readiness
	in    [][]byte
	head  int
	out   [][]byte // what was written, virtio header first

	discard  bool // keep nothing of what is written
	readErr  error
	writeErr func(vecs [][]byte) error // nil: all is taken
}

func newFakeTUN(t testing.TB) *fakeTUN { return &fakeTUN{ready: newReadiness(t)} }

func (f *fakeTUN) FD() int { return f.ready.own }

// push gives packets to be read. They are not copied.
func (f *fakeTUN) push(packets ...[]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.head == len(f.in) {
		f.in, f.head = f.in[:0], 0
	}
	f.in = append(f.in, packets...)
	f.ready.setReadable(true)
}

func (f *fakeTUN) Read(buf []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readErr != nil {
		return 0, f.readErr
	}
	if f.head == len(f.in) {
		f.in, f.head = f.in[:0], 0
		f.ready.setReadable(false)
		return 0, unix.EAGAIN
	}
	n := copy(buf, f.in[f.head])
	f.head++
	return n, nil
}

func (f *fakeTUN) Write(vecs [][]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writeErr != nil {
		if err := f.writeErr(vecs); err != nil {
			return err
		}
	}
	if f.discard {
		return nil
	}
	var b []byte
	for _, v := range vecs {
		b = append(b, v...)
	}
	f.out = append(f.out, b)
	return nil
}

// written takes what was written so far.
func (f *fakeTUN) written() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.out
	f.out = nil
	return out
}

// arrival is what one receive returns.
type arrival struct {
	b    []byte
	size int
	from netip.AddrPort
	to   netip.Addr
	tos  uint8
	err  error
}

// fakeSocket is a UDP socket of which the test is the wire.
type fakeSocket struct {
	mu            sync.Mutex
	ready         *readiness
	local, remote netip.AddrPort
	in            []arrival
	head          int
	sent          [][]byte // datagrams
	trains        []int    // datagrams of each send
	tos           []uint8  // of each send
	peer          *fakeSocket
	discard       bool
	send          func(b []byte, size int) (udp.SendResult, error) // instead of taking all
	closes        int
	queued        int
	overflow      uint32 // datagrams that the kernel dropped
	pathMTU       int
}

func newFakeSocket(t testing.TB, local, remote string) *fakeSocket {
	return &fakeSocket{ready: newReadiness(t), local: netip.MustParseAddrPort(local), remote: netip.MustParseAddrPort(remote)}
}

func (f *fakeSocket) Queued() int { return f.queued }

func (f *fakeSocket) PathMTU() int { return f.pathMTU }

func (f *fakeSocket) Drops() uint32 { return f.overflow }

func (f *fakeSocket) FD() int { return f.ready.own }

func (f *fakeSocket) Close() error {
	f.closes++
	// As closing it would do; the descriptor itself is the test's to close.
	return nil
}

// arrive gives datagrams to be received by one call, back to back, from the peer.
func (f *fakeSocket) arrive(size int, b []byte) {
	f.arriveFrom(arrival{b: b, size: size, from: f.remote, to: f.local.Addr()})
}

func (f *fakeSocket) arriveFrom(a arrival) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in = append(f.in, a)
	f.ready.setReadable(true)
}

func (f *fakeSocket) Recv(buf []byte, d *udp.Datagrams) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.head == len(f.in) {
		f.in, f.head = f.in[:0], 0
		f.ready.setReadable(false)
		return udp.ErrWouldBlock
	}
	a := &f.in[f.head]
	f.head++
	if a.err != nil {
		return a.err
	}
	*d = udp.Datagrams{Bytes: buf[:copy(buf, a.b)], Size: a.size, From: a.from, To: a.to, TOS: a.tos}
	return nil
}

func (f *fakeSocket) Send(b []byte, size int, tos uint8) (udp.SendResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.send != nil {
		res, err := f.send(b, size)
		f.record(b[:res.Sent], size, tos)
		return res, err
	}
	f.record(b, size, tos)
	return udp.SendResult{Sent: len(b), Done: len(b)}, nil
}

func (f *fakeSocket) record(b []byte, size int, tos uint8) {
	if f.discard || len(b) == 0 {
		return
	}
	if f.peer != nil {
		f.peer.arriveFrom(arrival{b: append([]byte(nil), b...), size: size, from: f.local, to: f.remote.Addr(), tos: tos})
	}
	f.trains = append(f.trains, (len(b)+size-1)/size)
	f.tos = append(f.tos, tos)
	for len(b) > 0 {
		n := min(size, len(b))
		f.sent = append(f.sent, append([]byte(nil), b[:n]...))
		b = b[n:]
	}
}
