package ike

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"vpngw/crypto/ike/message"
)

// recording is what two strongSwans said to each other, with their keys.
type recording struct {
	named    map[string][]byte
	messages [][]byte
}

func readRecording(t *testing.T, file string) (r recording) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r.named = map[string][]byte{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, text, found := strings.Cut(lines.Text(), " ")
		switch {
		case !found || name == "#":
		case name == ">" || name == "<":
			r.messages = append(r.messages, unhex(text))
		default:
			r.named[name] = unhex(text)
		}
	}
	if lines.Err() != nil || len(r.messages) == 0 {
		t.Fatalf("%s: %d messages, %v", file, len(r.messages), lines.Err())
	}
	return r
}

// keys are those of the first IKE SA or of the one that replaced it, from the log.
func (r recording) keys(sa string) ikeKeys {
	get := func(name string) []byte { return r.named[sa+"-"+name] }
	return ikeKeys{d: get("d"), ei: get("ei"), er: get("er"), pi: get("pi"), pr: get("pr")}
}

// inside is what one message, or several fragments of one, hold behind any protection.
type inside struct {
	message.Header
	payloads []message.Payload
	raw      []byte
}

// open parses and decrypts everything, and puts fragments together.
func (r recording) open(t *testing.T) (list []inside) {
	t.Helper()
	last := binary.BigEndian.Uint64(r.messages[len(r.messages)-1]) // initiator SPI of the last SA
	var parts []byte
	var inner message.PayloadType
	for i, raw := range r.messages {
		msg, err := message.Parse(raw)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		keys := r.keys("ike1")
		if len(r.named["ike2-d"]) > 0 && uint64(msg.InitiatorSPI) == last {
			keys = r.keys("ike2")
		}
		key := keys.er
		if msg.Flags.Initiator() {
			key = keys.ei
		}
		p, err := newProtection(AES256GCM, key)
		if err != nil {
			t.Fatal(err)
		}
		in := inside{msg.Header, msg.Payloads, raw}
		switch sealed := msg.Payloads[len(msg.Payloads)-1].(type) {
		case *message.Encrypted:
			if in.payloads, err = message.OpenEncrypted(raw, sealed, overhead, p.open); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		case *message.EncryptedFragment:
			part, err := message.OpenFragment(raw, sealed, overhead, p.open)
			if err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			if sealed.Number == 1 {
				parts, inner = nil, sealed.First
			}
			if parts = append(parts, part...); sealed.Number < sealed.Total {
				continue
			}
			if in.payloads, err = message.ParsePayloads(inner, parts); err != nil {
				t.Fatalf("fragments up to message %d: %v", i, err)
			}
		}
		list = append(list, in)
	}
	return list
}

// outline shows a message as strongSwan's log does.
func (in inside) outline() string {
	var names []string
	for _, p := range in.payloads {
		name := p.PayloadType().String()
		if n, ok := p.(*message.Notify); ok {
			name = n.Type.String()
		}
		names = append(names, name)
	}
	kind := "request"
	if in.Flags.Response() {
		kind = "response"
	}
	return fmt.Sprintf("%v %s %d: %s", in.Exchange, kind, in.MessageID, strings.Join(names, " "))
}

// one finds the only payload of its type.
func one[P message.Payload](t *testing.T, in inside) P {
	t.Helper()
	p, err := message.One[P](in.payloads)
	if err != nil {
		t.Fatalf("%s: %v", in.outline(), err)
	}
	return p
}

func nonceOf(t *testing.T, in inside) []byte {
	t.Helper()
	return one[*message.Nonce](t, in).Data
}

const (
	recordedRekeys    = "testdata/strongswan-rekeys.txt"
	recordedFragments = "testdata/strongswan-fragments.txt"
)

// Where the messages stand in the recordings.
const (
	rekeysInit, rekeysAuth   = 4, 6
	rekeysChild, rekeysIKE   = 10, 14
	fragmentsInit, fragsAuth = 0, 2
)

// TestRecordedMessages opens every message of strongSwan's, fragments put together, and
// finds in it what strongSwan's log lists.
func TestRecordedMessages(t *testing.T) {
	const child = "SA Nonce KE TSi TSr"
	const init = "SA KE Nonce NAT_DETECTION_SOURCE_IP NAT_DETECTION_DESTINATION_IP "
	const initRequest = init + "IKEV2_FRAGMENTATION_SUPPORTED SIGNATURE_HASH_ALGORITHMS REDIRECT_SUPPORTED"
	const initResponse = "IKEV2_FRAGMENTATION_SUPPORTED SIGNATURE_HASH_ALGORITHMS CHILDLESS_IKEV2_SUPPORTED MULTIPLE_AUTH_SUPPORTED"
	const authEnd = "IDr AUTH SA TSi TSr MULTIPLE_AUTH_SUPPORTED EAP_ONLY_AUTHENTICATION IKEV2_MESSAGE_ID_SYNC_SUPPORTED"
	for file, want := range map[string][]string{
		recordedRekeys: {
			"IKE_SA_INIT request 0: " + initRequest,
			"IKE_SA_INIT response 0: INVALID_KE_PAYLOAD",
			"IKE_SA_INIT request 0: " + initRequest,
			"IKE_SA_INIT response 0: COOKIE",
			"IKE_SA_INIT request 0: COOKIE " + initRequest,
			"IKE_SA_INIT response 0: " + init + initResponse,
			"IKE_AUTH request 1: IDi INITIAL_CONTACT " + authEnd,
			"IKE_AUTH response 1: IDr AUTH SA TSi TSr",
			"CREATE_CHILD_SA request 2: REKEY_SA " + child,
			"CREATE_CHILD_SA response 2: INVALID_KE_PAYLOAD",
			"CREATE_CHILD_SA request 3: REKEY_SA " + child,
			"CREATE_CHILD_SA response 3: " + child,
			"INFORMATIONAL request 4: Delete",
			"INFORMATIONAL response 4: Delete",
			"CREATE_CHILD_SA request 0: SA Nonce KE",
			"CREATE_CHILD_SA response 0: SA Nonce KE",
			"INFORMATIONAL request 1: Delete",
			"INFORMATIONAL response 1: ",
			"INFORMATIONAL request 0: ", // DPD, on the new SA
			"INFORMATIONAL response 0: ",
			"INFORMATIONAL request 1: Delete",
			"INFORMATIONAL response 1: Delete",
			"INFORMATIONAL request 0: Delete",
			"INFORMATIONAL response 0: ",
		},
		recordedFragments: {
			"IKE_SA_INIT request 0: " + initRequest,
			"IKE_SA_INIT response 0: " + init + "CERTREQ " + initResponse,
			"IKE_AUTH request 1: IDi CERT INITIAL_CONTACT CERTREQ " + authEnd,
			"IKE_AUTH response 1: IDr CERT AUTH SA TSi TSr",
			"INFORMATIONAL request 0: Delete",
			"INFORMATIONAL response 0: ",
		},
	} {
		var got []string
		for _, in := range readRecording(t, file).open(t) {
			got = append(got, in.outline())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", file, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestRecordedKeys derives each of strongSwan's keys from its Diffie-Hellman secrets: of
// both IKE SAs, of the first children and of one that was rekeyed with PFS.
func TestRecordedKeys(t *testing.T) {
	same := func(what string, got, want []byte) {
		t.Helper()
		if len(want) == 0 || !bytes.Equal(got, want) {
			t.Errorf("%s: derived %x, strongSwan has %x", what, got, want)
		}
	}
	sameIKE := func(what string, got, want ikeKeys) {
		t.Helper()
		same(what+" SK_d", got.d, want.d)
		same(what+" SK_ei", got.ei, want.ei)
		same(what+" SK_er", got.er, want.er)
		same(what+" SK_pi", got.pi, want.pi)
		same(what+" SK_pr", got.pr, want.pr)
	}
	for file, init := range map[string]int{recordedRekeys: rekeysInit, recordedFragments: fragmentsInit} {
		r := readRecording(t, file)
		list := r.open(t)
		s := suite{cipher: AES256GCM, prf: PRFSHA256, group: P256}
		ni, nr := nonceOf(t, list[init]), nonceOf(t, list[init+1])
		h := list[init+1].Header
		first := deriveIKE(s, r.named["ike1-shared"], ni, nr, h.InitiatorSPI, h.ResponderSPI)
		sameIKE(file, first, r.keys("ike1"))
		toResponder, toInitiator := deriveChild(s.prf, first.d, nil, ni, nr, AES256GCM)
		same(file+": first child", toResponder, r.named["child1-initiator"])
		same(file+": first child", toInitiator, r.named["child1-responder"])
		if file != recordedRekeys {
			continue
		}
		ni, nr = nonceOf(t, list[rekeysChild]), nonceOf(t, list[rekeysChild+1])
		toResponder, toInitiator = deriveChild(s.prf, first.d, r.named["child2-shared"], ni, nr, AES256GCM)
		same("rekeyed child", toResponder, r.named["child2-initiator"])
		same("rekeyed child", toInitiator, r.named["child2-responder"])

		// SKEYSEED = prf(SK_d (old), g^ir ‖ Ni ‖ Nr) (RFC 7296 §2.18).
		ni, nr = nonceOf(t, list[rekeysIKE]), nonceOf(t, list[rekeysIKE+1])
		seed := s.prf.sum(first.d, r.named["ike2-shared"], ni, nr)
		same("SKEYSEED of the rekeyed IKE SA", seed, r.named["ike2-skeyseed"])
		spiI := one[*message.SA](t, list[rekeysIKE]).Proposals[0].SPI
		spiR := one[*message.SA](t, list[rekeysIKE+1]).Proposals[0].SPI
		want := r.keys("ike2")
		all := slices.Concat(want.d, want.ei, want.er, want.pi, want.pr)
		same("SK_* of the rekeyed IKE SA", s.prf.expand(seed, len(all), ni, nr, spiI, spiR), all)
	}
}

// TestRecordedSignatures verifies strongSwan's AUTH payloads over the octets that we say
// are signed: by raw ECDSA keys, where the INIT request signed is the one with the
// cookie, and by the Ed25519 keys of certificates, after their chain.
func TestRecordedSignatures(t *testing.T) {
	verify := func(file string, init, auth int, check func(t *testing.T, in inside, side string, octets []byte, algorithm string, signature []byte)) {
		t.Run(file, func(t *testing.T) {
			r := readRecording(t, file)
			list, keys := r.open(t), r.keys("ike1")
			idi, idr := one[*message.IDi](t, list[auth]), one[*message.IDr](t, list[auth+1])
			for i, octets := range [][]byte{
				signedOctets(PRFSHA256, list[init].raw, nonceOf(t, list[init+1]), keys.pi, idi.Body()),
				signedOctets(PRFSHA256, list[init+1].raw, nonceOf(t, list[init]), keys.pr, idr.Body()),
			} {
				in := list[auth+i]
				a := one[*message.AUTH](t, in)
				algorithm, signature, err := message.SplitSignature(a.Data)
				if err != nil || a.Method != message.AuthDigitalSignature {
					t.Fatalf("%v: %v", a.Method, err)
				}
				check(t, in, []string{"initiator", "responder"}[i], octets, algorithm, signature)
			}
		})
	}
	rekeys := readRecording(t, recordedRekeys)
	verify(recordedRekeys, rekeysInit, rekeysAuth, func(t *testing.T, _ inside, side string, octets []byte, algorithm string, signature []byte) {
		public, err := x509.ParsePKIXPublicKey(rekeys.named["public-"+side])
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(octets)
		// ecdsa-with-SHA256 without parameters (RFC 5758 §3.2).
		if algorithm != string(unhex("300a06082a8648ce3d040302")) || !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], signature) {
			t.Errorf("AUTH of the %s does not verify, algorithm %x", side, algorithm)
		}
	})
	ca, err := x509.ParseCertificate(readRecording(t, recordedFragments).named["ca"])
	if err != nil {
		t.Fatal(err)
	}
	verify(recordedFragments, fragmentsInit, fragsAuth, func(t *testing.T, in inside, side string, octets []byte, algorithm string, signature []byte) {
		certificate, err := x509.ParseCertificate(one[*message.CERT](t, in).Data)
		if err != nil {
			t.Fatal(err)
		}
		if err := certificate.CheckSignatureFrom(ca); err != nil {
			t.Error(err)
		}
		// id-Ed25519 (RFC 8420).
		if algorithm != string(unhex("300506032b6570")) || !ed25519.Verify(certificate.PublicKey.(ed25519.PublicKey), octets, signature) {
			t.Errorf("AUTH of the %s does not verify, algorithm %x", side, algorithm)
		}
	})
}
