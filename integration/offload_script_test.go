package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// train is what one send gives to the kernel: count datagrams of size bytes, the last of them of last bytes.
type train struct{ size, count, last int }

// datagrams are the sizes of them.
func (x train) datagrams() []int {
	sizes := slices.Repeat([]int{x.size}, x.count)
	sizes[x.count-1] = x.last
	return sizes
}

// fit makes it one of datagrams of no more than largest bytes, and all of it of what one send may have.
func (x train) fit(largest int) train {
	const most = 65000
	x.size = min(x.size, largest)
	return train{x.size, min(x.count, max(1, most/max(x.size, 1))), min(x.last, x.size)}
}

func single(size int) train { return train{size, 1, size} }

// udpScript is what a UDP flow sends, none of it in datagrams of more than largest bytes. What stands in one line goes without
// waiting, then all of it must have arrived: the ring of a TUN device holds some hundred packets, and what is cut early needs a
// place there for each datagram.
func udpScript(largest int) [][]train {
	script := [][]train{
		{},
		slices.Repeat([]train{single(64)}, 40), // that nothing but their times tell from a train
		{{1200, 10, 1200}, {1200, 10, 1}, {1200, 2, 1199}, single(1200)},
		{{1200, 44, 700}},
		{{largest, 40, largest}},
		{{1, 10, 1}, {513, 33, 512}},
		{{8, 40, 3}},
		{single(largest), {100, 2, 50}, single(1), {largest, 3, 1}, {1201, 17, 1201}, single(0)},
	}
	for _, n := range []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 255, 256, 257, 511, 513, 1000, 1023, 1199, 1200, 1201, 1371, largest - 1, largest} {
		script[0] = append(script[0], single(n))
	}
	for _, line := range script {
		for i := range line {
			line[i] = line[i].fit(largest)
		}
	}
	return script
}

// fragmentScript is what a flow sends whose datagrams routers may fragment: none but those of more than largest bytes need it.
// Fragments have no ports to know their flow by, so what goes in fragments may be overtaken by what does not: the two stand in
// lines of their own.
func fragmentScript(largest int) [][]train {
	return [][]train{
		{single(1), single(largest), single(100)},
		{single(largest + 1), single(largest + 63), single(3 * largest), single(largest + 600)},
		{single(min(45*largest, 65507))},
		{train{1000, 20, 999}.fit(largest), single(1)},
	}
}

// udpFlow is a flow of the script.
type udpFlow struct {
	name         string
	six          bool
	fragmentable bool
	tos          int
	script       [][]train
}

// udpFlows are those of a tunnel that carries packets of inner bytes: those of one line are played side by side. IPv6 needs 1280.
func udpFlows(inner int) [][]udpFlow {
	most4, most6 := inner-28, inner-48
	flows := [][]udpFlow{
		{{name: "IPv4", script: udpScript(most4)}, {name: "IPv4 of another class", tos: 0x28, script: udpScript(most4)}},
		{{name: "IPv4 fragments", fragmentable: true, script: fragmentScript(most4)}},
		{{name: "IPv6", six: true, script: udpScript(most6)}, {name: "IPv6 of another class", six: true, tos: 0xb8, script: udpScript(most6)}},
	}
	if inner < 1280 {
		return flows[:2]
	}
	return flows
}

// udpRun is a flow under way.
type udpRun struct {
	udpFlow
	sender, receiver *net.UDPConn
	sent             [][]byte
	compared         int           // datagrams of got
	news             chan struct{} // something came

	mu  sync.Mutex
	got [][]byte
}

// openUDPRun opens the sockets of a flow between two hosts.
func openUDPRun(t *testing.T, f udpFlow, from, to *lab.Site) *udpRun {
	t.Helper()
	r := &udpRun{udpFlow: f, news: make(chan struct{}, 1)}
	address := to.Host4
	if f.six {
		address = to.Host6
	}
	var err error
	r.receiver, err = listenUDP(to.Host, address)
	must(t, err)
	must(t, r.receiver.SetReadBuffer(1<<20))
	must(t, from.Host.Do(func() (err error) {
		r.sender, err = net.DialUDP("udp", nil, r.receiver.LocalAddr().(*net.UDPAddr))
		return err
	}))
	raw, err := r.sender.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		switch {
		case f.six:
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, f.tos)
		case f.fragmentable:
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
		default:
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, f.tos)
		}
	}))
	must(t, err)
	go r.collect()
	return r
}

func (r *udpRun) close() {
	r.sender.Close()
	r.receiver.Close()
}

// collect keeps what the application receives, until the socket is closed.
func (r *udpRun) collect() {
	b := make([]byte, 1<<16)
	for {
		n, err := r.receiver.Read(b)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.got = append(r.got, bytes.Clone(b[:n]))
		r.mu.Unlock()
		select {
		case r.news <- struct{}{}:
		default:
		}
	}
}

// send gives one train to the kernel.
func (r *udpRun) send(x train) error {
	var data, option []byte
	for _, n := range x.datagrams() {
		d := randomBytes(uint64(len(r.sent)+1), n)
		r.sent = append(r.sent, d)
		data = append(data, d...)
	}
	if x.count > 1 {
		option = segmentOption(x.size)
	}
	_, _, err := r.sender.WriteMsgUDP(data, option, nil)
	return err
}

// segmentOption is the control message UDP_SEGMENT.
func segmentOption(size int) []byte {
	b := make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(ptr(b))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	*(*uint16)(ptr(b[unix.CmsgLen(0):])) = uint16(size)
	return b
}

// arrivalTimeout is for a busy machine: nothing of the script is lost.
const arrivalTimeout = 5 * time.Second

// await waits until the application has got what was sent, and nothing else.
func (r *udpRun) await() error {
	timeout := time.NewTimer(arrivalTimeout)
	defer timeout.Stop()
	for {
		missing, err := r.compare()
		if err != nil || missing == 0 {
			return err
		}
		select {
		case <-r.news:
		case <-timeout.C:
			return fmt.Errorf("%s: %d of %d datagrams are missing", r.name, missing, len(r.sent))
		}
	}
}

// compare looks at what the application has got since the last time.
func (r *udpRun) compare() (missing int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ; r.compared < len(r.got); r.compared++ {
		if r.compared >= len(r.sent) {
			return 0, fmt.Errorf("%s: %d datagrams arrived of %d", r.name, len(r.got), len(r.sent))
		}
		if got, want := r.got[r.compared], r.sent[r.compared]; !bytes.Equal(got, want) {
			return 0, fmt.Errorf("%s: datagram %d has %d bytes, or others: %d were sent", r.name, r.compared, len(got), len(want))
		}
	}
	return len(r.sent) - r.compared, nil
}

// udpTraffic plays flows of one script side by side, line by line, and wants every datagram to arrive as it was sent.
func udpTraffic(t *testing.T, flows ...*udpRun) {
	t.Helper()
	for line := range flows[0].script {
		for _, r := range flows {
			for _, x := range r.script[line] {
				if err := r.send(x); err != nil {
					t.Fatalf("%s: send %v: %v", r.name, x, err)
				}
			}
		}
		for _, r := range flows {
			if err := r.await(); err != nil {
				t.Fatalf("line %d: %v", line, err)
			}
		}
	}
}

// tcpTraffic sends several streams at once, both ways, in pieces of odd sizes.
func tcpTraffic(t *testing.T, p *pair, inner int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	streams, ctx := errgroup.WithContext(ctx)
	for i, s := range []struct {
		from, to *lab.Namespace
		address  netip.Addr
		size     int
	}{
		{p.A.Host, p.B.Host, p.B.Host4, 600_001},
		{p.A.Host, p.B.Host, p.B.Host4, 300_000},
		{p.A.Host, p.B.Host, p.B.Host6, 400_007},
		{p.B.Host, p.A.Host, p.A.Host4, 500_003},
		{p.B.Host, p.A.Host, p.A.Host6, 1},
	} {
		if s.address.Is6() && inner < 1280 {
			continue
		}
		streams.Go(func() error {
			data, got := randomBytes(uint64(i), s.size), sha256.New()
			_, _, err := lab.Stream(ctx, s.from, s.to, s.address, &choppy{r: bytes.NewReader(data)}, got)
			if want := sha256.Sum256(data); err == nil && !bytes.Equal(got.Sum(nil), want[:]) {
				err = fmt.Errorf("TCP from %s to %s: other bytes arrived", s.from.Role, s.address)
			}
			return err
		})
	}
	must(t, streams.Wait())
}

// choppy reads in pieces of odd sizes, each of which becomes a write of its own.
type choppy struct {
	r io.Reader
	n int
}

func (c *choppy) Read(b []byte) (int, error) {
	sizes := []int{1, 2, 1386, 100, 32768, 1387, 20_001}
	size := sizes[c.n%len(sizes)]
	c.n++
	return c.r.Read(b[:min(size, len(b))])
}
