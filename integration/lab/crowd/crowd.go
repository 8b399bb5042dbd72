// Package crowd is many idle peers of one gateway: a thousand sites that keep their tunnels up and have nothing to say. Each
// has an address, an identity, a key and an IKE machine of its own, as if it were a gateway of its own on a machine of its
// own; but all live in one process, behind one socket of one namespace, and none has a data path. They answer what IKE asks
// (dead-peer detection, rekeys, probes of the path) and find out by themselves when the gateway is gone.
package crowd

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"vpngw/crypto/ike"
	"vpngw/crypto/keys"
	"vpngw/integration/lab"
)

// Port is the UDP port of every peer.
const Port = 4500

// Config is what a crowd is made with.
type Config struct {
	Namespace *lab.Namespace // in which Network must be local, see [Settle]
	Gateway   netip.AddrPort
	GatewayID string
	PublicKey keys.PublicKey // of the gateway
	Members   []Member
}

// Member is one peer.
type Member struct {
	Address netip.Addr
	ID      string
	Key     keys.PrivateKey
	Local   netip.Prefix   // behind it
	Remote  []netip.Prefix // behind the gateway
}

// Crowd is a running crowd. Its methods may be called by any goroutine.
type Crowd struct {
	conn *net.UDPConn
	at   map[netip.Addr]*member
	all  []*member
	done chan struct{}
	stop atomic.Bool

	up, messages atomic.Int64
	err          error // of run, once done is closed
}

// member is a peer with its machine. It belongs to the crowd's goroutine.
type member struct {
	Member
	machine *ike.Machine
	up      bool
}

// Start has all members connect to the gateway at once, and keeps their tunnels up until Stop.
func Start(c Config) (*Crowd, error) {
	w := &Crowd{at: map[netip.Addr]*member{}, done: make(chan struct{})}
	for _, m := range c.Members {
		made, err := newMember(c, m)
		if err != nil {
			return nil, fmt.Errorf("crowd: %w", err)
		}
		w.at[m.Address], w.all = made, append(w.all, made)
	}
	err := c.Namespace.Do(func() (err error) {
		w.conn, err = listen()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("crowd in %s: %w", c.Namespace.Name, err)
	}
	go func() {
		defer close(w.done)
		w.err = w.run()
	}()
	return w, nil
}

func newMember(c Config, m Member) (*member, error) {
	local, err := ike.ParseIdentity(m.ID)
	if err != nil {
		return nil, err
	}
	remote, err := ike.ParseIdentity(c.GatewayID)
	if err != nil {
		return nil, err
	}
	spi := uint32(0xff) // the lowest of ESP is the next one
	made := &member{Member: m, machine: ike.New(ike.Config{
		Rand: rand.Reader,
		SPI:  func() (uint32, error) { spi++; return spi, nil },
	})}
	p := ike.Peer{
		Name: m.ID, Remote: c.Gateway, LocalID: local, RemoteID: remote,
		Auth:  ike.Auth{Private: m.Key.Signer(), PeerPublic: c.PublicKey.Key()},
		Local: []ike.Selector{ike.SelectorOf(m.Local)}, ESN: true,
	}
	for _, r := range m.Remote {
		p.Remotes = append(p.Remotes, ike.SelectorOf(r))
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	made.machine.Step(time.Now(), ike.AddPeer{Peer: p})
	return made, nil
}

// Up is how many tunnels stand, as the members see it.
func (w *Crowd) Up() int { return int(w.up.Load()) }

// Messages is how many IKE messages have come so far.
func (w *Crowd) Messages() int { return int(w.messages.Load()) }

// Stop ends the crowd without a word, as a power cut would. The error is what kept it from running until now.
func (w *Crowd) Stop() error {
	if !w.stop.Swap(true) {
		_ = w.conn.SetReadDeadline(time.Now())
	}
	<-w.done
	w.conn.Close()
	return w.err
}
