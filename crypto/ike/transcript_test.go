package ike

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// TestStrongSwanTranscripts gives the machine what strongSwan 5.9.8 answered to it
// once: a handshake, a rekey of the child with PFS and the first ESP packet of each
// child. That these open proves the key derivation by somebody else's implementation.
//
// The files hold, a line each: ">" what we sent, "<" what strongSwan did, "esp" a
// packet of its, "rekey" where a SoftLimit was given, "peer" its public key. The
// answers fit our nonces and keys, so they are good as long as the seed gives the same
// ones: SPI, nonce, key, NAT hash, jitter of the child's lifetime, nonce, key.
func TestStrongSwanTranscripts(t *testing.T) {
	keyA, _ := keyAuths()
	for file, suite := range map[string]suite{
		"testdata/strongswan-psk.txt":     {cipher: AES256GCM, prf: PRFSHA256, group: X25519},
		"testdata/strongswan-ed25519.txt": {cipher: ChaCha20Poly1305, prf: PRFSHA384, group: P384},
	} {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		spi := uint32(0x1000)
		m := New(Config{Rand: rand.NewChaCha8([32]byte{1}), SPI: func() (uint32, error) { spi++; return spi, nil }})
		peer := Peer{ID: 1, Name: "swan", Remote: netip.MustParseAddrPort("192.168.77.1:4500"),
			LocalID: mustID("gw2.test"), RemoteID: mustID("gw1.test"), Auth: Auth{PSK: []byte("0123456789abcdef0123456789")},
			Local: selectors("192.168.78.96/27"), Remotes: selectors("192.168.78.64/27"),
			Ciphers: []Cipher{suite.cipher}, Groups: []Group{suite.group}, PRFs: []PRF{suite.prf}, ESN: true, PFS: true, NoMLKEM: true}
		local := netip.MustParseAddrPort("192.168.77.2:4500")
		now := time.Unix(0, 0)
		children := map[uint32]Child{}
		var using, packets uint32
		step := func(ev Event) {
			now = now.Add(time.Millisecond)
			for _, a := range m.Step(now, ev) {
				switch a := a.(type) {
				case InstallChild:
					children[a.Child.Inbound.SPI] = a.Child
				case UseOutbound:
					using = a.SPI
				case Down:
					t.Errorf("%s: %v", file, a)
				}
			}
		}
		started := false
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			kind, text, _ := strings.Cut(lines.Text(), " ")
			b := unhex(text)
			switch kind {
			case "peer":
				peer.Auth = Auth{Private: keyA.Private, PeerPublic: ed25519.PublicKey(b)}
			case ">":
				if !started {
					started = true
					step(AddPeer{peer})
					step(Connect{ID: 1, Local: local})
				}
			case "<":
				step(Datagram{Local: local, Remote: peer.Remote, Bytes: b})
			case "rekey":
				step(SoftLimit{ID: 1, SPI: using})
			case "esp":
				c := children[binary.BigEndian.Uint32(b)]
				p, err := newProtection(suite.cipher, c.Inbound.Keymat)
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				plain, err := p.open(b[:8], b[8:16], b[16:])
				if err != nil || !bytes.Equal(plain[12:20], []byte{192, 168, 78, 65, 192, 168, 78, 97}) {
					t.Errorf("%s: ESP of %08x: %v", file, c.Inbound.SPI, err)
				}
				packets++
			}
		}
		st := m.Status(1)
		if packets != 2 || len(children) != 2 || st.State != StateUp || st.Suite != suite.String() || !st.PeerBehindNAT || st.BehindNAT {
			t.Errorf("%s: %d packets, %d children, status %+v", file, packets, len(children), st)
		}
	}
}
