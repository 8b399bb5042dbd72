package integration

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestStrongSwanUsualPorts builds tunnels with a strongSwan that nobody told of ports: IKE_SA_INIT is on 500 at both ends,
// IKE_AUTH and all that follows on 4500.
func TestStrongSwanUsualPorts(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		for _, outside6 := range []bool{false, true} {
			t.Run(choose(waits, "strongSwan", "vpngw")+" initiates, over "+choose(outside6, "IPv6", "IPv4"), func(t *testing.T) {
				t.Parallel()
				var capture *lab.Capture
				p := newSwanPair(t, swanOptions{waits: waits, outside6: outside6, stopped: true, edit: func(a *daemon.Config, b *swanConfig) {
					b.usualPorts = true
					if !waits {
						a.Tunnels[0].Peer = net.JoinHostPort(b.local.String(), "500")
					}
				}})
				var err error
				capture, err = p.A.Gateway.Capture(lab.WAN)
				must(t, err)
				must(t, p.b.start(t.Context()))
				must(t, p.a.Start())
				if waits {
					waitBound(t, p.a)
					must(t, p.b.initiate(t.Context()))
				}
				must(t, p.a.WaitUp(t.Context(), upTimeout))
				s := p.settled()
				p.carries()
				if s.IKE.Initiator == waits {
					t.Errorf("vpngw initiated: %v", s.IKE.Initiator)
				}
				if !strings.HasSuffix(s.Peer, ":4500") {
					t.Errorf("ESP goes to %s, expected port 4500", s.Peer)
				}
				if outside6 {
					return // the addresses below are IPv4's
				}
				if got, want := exchanges(t, capture), []string{"500>500 34", "500>500 34", "4500>4500 35", "4500>4500 35"}; !slices.Equal(got[:min(4, len(got))], want) {
					t.Errorf("first messages (ports and exchange): %q, expected %q", got, want)
				}
			})
		}
	}
}

// exchanges lists the ports and exchange types of the IKE messages that crossed the wire over IPv4, in order.
func exchanges(t *testing.T, c *lab.Capture) (list []string) {
	t.Helper()
	must(t, c.Frames(func(frame []byte) {
		if len(frame) < 14+20+8+28 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IP || frame[23] != unix.IPPROTO_UDP {
			return
		}
		from, to, message := binary.BigEndian.Uint16(frame[34:]), binary.BigEndian.Uint16(frame[36:]), frame[42:]
		if to != 500 {
			if binary.BigEndian.Uint32(message) != 0 {
				return // ESP
			}
			message = message[4:]
		}
		if len(message) > 18 {
			list = append(list, fmt.Sprintf("%d>%d %d", from, to, message[18]))
		}
	}))
	return list
}

// TestIKEPortTaken lets another program have port 500: by itself the gateway goes on without, and reaches a peer that is said to
// be there on 4500; told to have the port, it refuses to run.
func TestIKEPortTaken(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{stopped: true, edit: func(a, b *daemon.Config) {
		a.Tunnels[0].Peer += ":500"
		b.Tunnels[0].Peer = ""
	}})
	var taken net.PacketConn
	must(t, p.A.Gateway.Do(func() (err error) {
		taken, err = net.ListenPacket("udp4", ":500")
		return err
	}))
	defer taken.Close()
	must(t, p.a.Start())
	must(t, p.b.Start())
	p.waitUp()
	checkPing(t, p.A.Host, p.B.Host4)
	if log := p.a.Process.Stderr(); !strings.Contains(log, "gateway.ike_port: 0") {
		t.Error("no warning that the port is taken")
	}

	if code := p.a.Stop(stopGrace); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.configA.Gateway = append(p.configA.Gateway, "ike_port: 500")
	must(t, p.a.Configure(p.configA))
	must(t, p.a.Start())
	select {
	case <-p.a.Process.Done():
	case <-time.After(upTimeout):
		t.Fatal("the gateway runs without the port that it was told to have")
	}
	if log := p.a.Process.Stderr(); p.a.Process.ExitCode() != 1 || !strings.Contains(log, "UDP port 500") || !strings.Contains(log, "another program has the port") {
		t.Errorf("exit code %d:\n%s", p.a.Process.ExitCode(), log)
	}
}

// TestIKEPortFlood sends junk to port 500: the tunnel lives on, and all of it is counted.
func TestIKEPortFlood(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{})
	const n = 20000
	var c net.Conn
	must(t, p.B.Gateway.Do(func() (err error) {
		c, err = net.Dial("udp4", net.JoinHostPort(p.A.Outside4.String(), "500"))
		return err
	}))
	defer c.Close()
	junk := randomBytes(3, 200)
	message := slices.Clone(junk) // looks like IKE, so that control may have to look at it
	binary.BigEndian.PutUint32(message[24:], uint32(len(message)))
	for range n / 2 {
		for _, b := range [][]byte{junk, message} {
			_, err := c.Write(b)
			must(t, err)
		}
	}
	checkPing(t, p.A.Host, p.B.Host4)
	// What the kernel dropped is counted when more comes, at most once a second.
	var s gatewaySAs
	must(t, lab.Poll(t.Context(), upTimeout, func() error {
		if _, err := c.Write(junk); err != nil {
			return err
		}
		drops, refused := status(t, p.a).AllDrops(), uint64(0)
		out, err := p.A.Gateway.Run(t.Context(), program, "status", "--json", "--socket", p.a.Socket())
		if err == nil {
			err = json.Unmarshal([]byte(out), &s)
		}
		if err != nil {
			return err
		}
		for _, n := range s.Rejected {
			refused += n
		}
		if counted := drops["not_ike"] + drops["ike_unknown_spi"] + drops["receive_buffer_full"] + drops["control_busy"] + refused; counted < n {
			return fmt.Errorf("%d of %d are counted: %s; IKE refused %d", counted, n, daemon.FormatDrops(drops), refused)
		}
		t.Logf("drops: %s; IKE refused %d", daemon.FormatDrops(drops), refused)
		return nil
	}))
	p.waitUp()
}
