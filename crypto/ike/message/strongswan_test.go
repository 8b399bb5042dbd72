package message

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var gcmOverhead = Overhead{IV: 8, ICV: 16}

// gcm is AES-GCM with a salt behind the key, as RFC 5282 section 7 has it.
type gcm struct {
	cipher.AEAD
	salt []byte
}

func newGCM(t testing.TB, keymat []byte) gcm {
	t.Helper()
	n := len(keymat) - 4
	block, err := aes.NewCipher(keymat[:n])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm{aead, keymat[n:]}
}

func (g gcm) open(aad, iv, ciphertext []byte) ([]byte, error) {
	return g.Open(nil, slices.Concat(g.salt, iv), ciphertext, aad)
}

// seal returns a SealFunc that uses iv.
func (g gcm) seal(iv []byte) SealFunc {
	return func(aad, to, plaintext []byte) ([]byte, error) {
		copy(to, iv)
		return g.Seal(plaintext[:0], slices.Concat(g.salt, iv), plaintext, aad), nil
	}
}

// summary is what a log would show of a message.
func summary(ps []Payload) string {
	var out []string
	for _, p := range ps {
		s := p.PayloadType().String()
		switch p := p.(type) {
		case *SA:
			for _, q := range p.Proposals {
				s += fmt.Sprintf(" %d %v/%d%v", q.Number, q.Protocol, len(q.SPI), q.Transforms)
			}
		case *KE:
			s += fmt.Sprintf(" %s/%d", TransformName(TransformKE, p.Group), len(p.Data))
		case *Nonce:
			s += fmt.Sprintf(" %d", len(p.Data))
		case *Notify:
			s += fmt.Sprintf(" %v/%d", p.Type, len(p.Data))
		case *IDi:
			s += fmt.Sprintf(" %v %s", p.Type, p.Data)
		case *IDr:
			s += fmt.Sprintf(" %v %s", p.Type, p.Data)
		case *AUTH:
			s += fmt.Sprintf(" %v/%d", p.Method, len(p.Data))
		case *TSi:
			s += fmt.Sprint(" ", p.Selectors)
		case *TSr:
			s += fmt.Sprint(" ", p.Selectors)
		case *Delete:
			s += fmt.Sprintf(" %v %d", p.Protocol, len(p.SPIs))
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

const (
	seenTSi = "TSi [192.168.78.64-192.168.78.95 fd00:1::-fd00:1::ffff:ffff:ffff:ffff]"
	seenTSr = "TSr [192.168.78.96-192.168.78.127 fd00:2::-fd00:2::ffff:ffff:ffff:ffff]"
)

// What was in the messages, as the log of strongSwan lists it and tshark
// shows it.
var seen = []struct {
	name     string
	exchange ExchangeType
	id       uint32
	flags    Flags
	payloads string
}{
	{"ike-sa-init-request", ExchangeIKESAInit, 0, FlagInitiator, `SA 1 IKE/0[ENCR_AES_GCM_16/256 PRF_HMAC_SHA2_256 KE_CURVE25519 KE_ECP_256] 2 IKE/0[ENCR_CHACHA20_POLY1305 PRF_HMAC_SHA2_384 KE_CURVE25519]
KE KE_CURVE25519/32
Nonce 32
Notify NAT_DETECTION_SOURCE_IP/20
Notify NAT_DETECTION_DESTINATION_IP/20
Notify IKEV2_FRAGMENTATION_SUPPORTED/0
Notify SIGNATURE_HASH_ALGORITHMS/8
Notify REDIRECT_SUPPORTED/0`},
	{"ike-sa-init-response", ExchangeIKESAInit, 0, FlagResponse, `SA 1 IKE/0[ENCR_AES_GCM_16/256 PRF_HMAC_SHA2_256 KE_CURVE25519]
KE KE_CURVE25519/32
Nonce 32
Notify NAT_DETECTION_SOURCE_IP/20
Notify NAT_DETECTION_DESTINATION_IP/20
Notify IKEV2_FRAGMENTATION_SUPPORTED/0
Notify SIGNATURE_HASH_ALGORITHMS/8
Notify CHILDLESS_IKEV2_SUPPORTED/0
Notify MULTIPLE_AUTH_SUPPORTED/0`},
	{"ike-auth-request", ExchangeIKEAuth, 1, FlagInitiator, `IDi ID_FQDN gw1.test
Notify INITIAL_CONTACT/0
IDr ID_FQDN gw2.test
AUTH shared key/32
SA 1 ESP/4[ENCR_AES_GCM_16/256 ESN_NO] 2 ESP/4[ENCR_CHACHA20_POLY1305 ESN_NO]
` + seenTSi + "\n" + seenTSr + `
Notify MULTIPLE_AUTH_SUPPORTED/0
Notify EAP_ONLY_AUTHENTICATION/0
Notify IKEV2_MESSAGE_ID_SYNC_SUPPORTED/0`},
	{"ike-auth-response", ExchangeIKEAuth, 1, FlagResponse, `IDr ID_FQDN gw2.test
AUTH shared key/32
SA 1 ESP/4[ENCR_AES_GCM_16/256 ESN_NO]
` + seenTSi + "\n" + seenTSr},
	{"create-child-sa-request", ExchangeCreateChildSA, 2, FlagInitiator, `Notify REKEY_SA/0
SA 1 ESP/4[ENCR_AES_GCM_16/256 KE_CURVE25519 ESN_NO] 2 ESP/4[ENCR_CHACHA20_POLY1305 ESN_NO]
Nonce 32
KE KE_CURVE25519/32
` + seenTSi + "\n" + seenTSr},
	{"create-child-sa-response", ExchangeCreateChildSA, 2, FlagResponse, `SA 1 ESP/4[ENCR_AES_GCM_16/256 KE_CURVE25519 ESN_NO]
Nonce 32
KE KE_CURVE25519/32
` + seenTSi + "\n" + seenTSr},
	{"delete-child-request", ExchangeInformational, 3, FlagInitiator, `Delete ESP 1`},
	{"delete-child-response", ExchangeInformational, 3, FlagResponse, `Delete ESP 1`},
	{"delete-ike-request", ExchangeInformational, 4, FlagInitiator, `Delete IKE 0`},
	{"delete-ike-response", ExchangeInformational, 4, FlagResponse, ``},
}

// TestStrongSwan decodes, opens and seals again a whole IKE SA of another
// implementation; every message must come out byte for byte.
func TestStrongSwan(t *testing.T) {
	captured := transcript(t)
	for _, want := range seen {
		t.Run(want.name, func(t *testing.T) {
			raw := captured[want.name]
			m, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if m.Version != Version2 || m.Exchange != want.exchange || m.MessageID != want.id || m.Flags != want.flags {
				t.Errorf("header %+v", m.Header)
			}
			if out, err := Marshal(m); err != nil || !bytes.Equal(out, raw) {
				t.Errorf("marshalled\n%x, %v, want\n%x", out, err, raw)
			}
			if m.NextPayload != PayloadSK {
				checkSummary(t, m.Payloads, want.payloads)
				return
			}
			g := newGCM(t, captured["sk_er"])
			if m.Flags.Initiator() {
				g = newGCM(t, captured["sk_ei"])
			}
			sk, err := One[*Encrypted](m.Payloads)
			if err != nil {
				t.Fatal(err)
			}
			inner, err := OpenEncrypted(raw, sk, gcmOverhead, g.open)
			if err != nil {
				t.Fatal(err)
			}
			checkSummary(t, inner, want.payloads)
			out, err := BuildEncrypted(m.Header, inner, gcmOverhead, g.seal(sk.Body[:8]))
			if err != nil || !bytes.Equal(out, raw) {
				t.Errorf("sealed\n%x, %v, want\n%x", out, err, raw)
			}
		})
	}
}

func checkSummary(t *testing.T, ps []Payload, want string) {
	t.Helper()
	if got := summary(ps); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestStrongSwanTampered flips one bit of every byte of a protected message.
func TestStrongSwanTampered(t *testing.T) {
	captured := transcript(t)
	raw := captured["delete-child-request"]
	g := newGCM(t, captured["sk_ei"])
	opened := 0
	for i := range raw {
		b := bytes.Clone(raw)
		b[i] ^= 0x01
		m, err := Parse(b)
		if err != nil {
			continue
		}
		for sk := range All[*Encrypted](m.Payloads) {
			opened++
			if ps, err := OpenEncrypted(b, sk, gcmOverhead, g.open); !errors.Is(err, ErrUnauthenticated) {
				t.Errorf("byte %d changed: %v, %v", i, ps, err)
			}
		}
	}
	if opened < len(raw)-10 {
		t.Errorf("only %d of %d changes reached the cipher", opened, len(raw))
	}
}

// TestStrongSwanAuth computes the initiator's AUTH payload (RFC 7296 section
// 2.15) from parsed payloads, which shows that Identification.Body is the
// part that it covers.
func TestStrongSwanAuth(t *testing.T) {
	captured := transcript(t)
	prf := func(key []byte, data ...[]byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(slices.Concat(data...))
		return h.Sum(nil)
	}
	response, err := Parse(captured["ike-sa-init-response"])
	if err != nil {
		t.Fatal(err)
	}
	nonce, err := One[*Nonce](response.Payloads)
	if err != nil {
		t.Fatal(err)
	}
	raw := captured["ike-auth-request"]
	m, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := OpenEncrypted(raw, m.Payloads[0].(*Encrypted), gcmOverhead, newGCM(t, captured["sk_ei"]).open)
	if err != nil {
		t.Fatal(err)
	}
	id, err := One[*IDi](inner)
	if err != nil {
		t.Fatal(err)
	}
	auth, err := One[*AUTH](inner)
	if err != nil {
		t.Fatal(err)
	}
	want := prf(prf(captured["psk"], []byte("Key Pad for IKEv2")),
		captured["ike-sa-init-request"], nonce.Data, prf(captured["sk_pi"], id.Body()))
	if !reflect.DeepEqual(auth, &AUTH{Method: AuthSharedKey, Data: want}) {
		t.Errorf("got %+v, computed %x", auth, want)
	}
}
