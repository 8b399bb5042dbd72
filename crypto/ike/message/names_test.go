package message

import (
	"fmt"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for want, v := range map[string]fmt.Stringer{
		"IKE_SA_INIT": ExchangeIKESAInit, "INFORMATIONAL": ExchangeInformational, "exchange 99": ExchangeType(99),
		"TSi": PayloadTSi, "payload 200": PayloadType(200),
		"INVALID_KE_PAYLOAD": NotifyInvalidKEPayload, "USE_PPK": NotifyUsePPK, "notify 65535": NotifyType(65535),
		"ESP": ProtocolESP, "protocol 9": ProtocolID(9),
		"ID_RFC822_ADDR": IDRFC822Addr, "ID type 99": IDType(99),
		"digital signature": AuthDigitalSignature, "auth method 99": AuthMethod(99),
		"Identity": HashIdentity, "hash 99": HashAlgorithm(99),
		"ADDKE7": TransformADDKE7, "transform type 13": TransformType(13),
		"ENCR_AES_GCM_16/256":           Transform{Type: TransformENCR, ID: ENCRAESGCM16, KeyLength: 256},
		"ADDKE1_ML_KEM_768":             Transform{Type: TransformADDKE1, ID: KEMLKEM768},
		"KE_1234":                       Transform{Type: TransformKE, ID: 1234},
		"transform type 99_7/8+unknown": Transform{Type: 99, ID: 7, KeyLength: 8, Attributes: []Attribute{{}}},
	} {
		if got := v.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestNamesUnique: two numbers with one name would mislead whoever reads a log.
func TestNamesUnique(t *testing.T) {
	check := func(kind string, n int, name func(int) string) {
		had := map[string]int{}
		for v := range n {
			s := name(v)
			if other, ok := had[s]; ok || s == "" || strings.TrimSpace(s) != s {
				t.Errorf("%s %d and %d are both %q", kind, other, v, s)
			}
			had[s] = v
		}
	}
	check("payload", 256, func(v int) string { return PayloadType(v).String() })
	check("exchange", 256, func(v int) string { return ExchangeType(v).String() })
	check("notify", 65536, func(v int) string { return NotifyType(v).String() })
	for tt := range 14 {
		check("transform", 1<<11, func(v int) string { return TransformName(TransformType(tt), TransformID(v)) })
	}
}

func TestNotifyIsError(t *testing.T) {
	for v, want := range map[NotifyType]bool{0: true, NotifyTemporaryFailure: true, 16383: true, NotifyInitialContact: false, 65535: false} {
		if v.IsError() != want {
			t.Errorf("%v: error %v", v, !want)
		}
	}
}

func TestErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"ike KE payload at byte 30: too short":                         &Error{PayloadKE, 30, "too short"},
		"ike message at byte 24: too long":                             &Error{PayloadNone, 24, "too long"},
		"ike SA payload: is missing from the message":                  &Error{PayloadSA, -1, "is missing from the message"},
		"ike message at byte 28: critical payload of unknown type 200": &UnsupportedCriticalError{200, 28},
		"ike Nonce payload: stands more than once in the message":      second(AtMostOne[*Nonce]([]Payload{&Nonce{}, &Nonce{}})),
		"ike AUTH payload: is missing from the message":                second(One[*AUTH](nil)),
		"ike message: is missing from the message":                     second(One[Payload](nil)),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func second[P any](_ P, err error) error { return err }
