package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const plainPSK = "correct horse battery staple"

// secrets returns one of each secret type and the bytes it must not show.
func secrets(t *testing.T) map[string]struct {
	value any
	bytes []byte
} {
	t.Helper()
	key, err := Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	type secret = struct {
		value any
		bytes []byte
	}
	psk := PSK{NewSecret([]byte(plainPSK))}
	return map[string]secret{
		"Secret":      {NewSecret([]byte(plainPSK)), []byte(plainPSK)},
		"*Secret":     {new(NewSecret([]byte(plainPSK))), []byte(plainPSK)},
		"PSK":         {psk, []byte(plainPSK)},
		"PrivateKey":  {key, key.Signer().(ed25519.PrivateKey).Seed()},
		"*PrivateKey": {&key, key.Signer().(ed25519.PrivateKey).Seed()},
	}
}

// shows reports whether text holds the secret in any of the forms in which
// printers write bytes.
func shows(text string, secret []byte) bool {
	text = strings.ToLower(text)
	forms := []string{
		string(secret),
		hex.EncodeToString(secret),
		fmt.Sprintf("% x", secret),
		strings.Trim(fmt.Sprint(secret), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret), "[]byte{"), "}"),
		strings.TrimRight(base64.StdEncoding.EncodeToString(secret), "="),
	}
	for _, form := range forms {
		if strings.Contains(text, strings.ToLower(form)) {
			return true
		}
	}
	return false
}

func TestShowsFindsEveryForm(t *testing.T) {
	secret := []byte(plainPSK)
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%x", "%X", "% x", "%q", "%d"} {
		if text := fmt.Sprintf(verb, secret); !shows(text, secret) {
			t.Errorf("%s of plain bytes is not recognised: %s", verb, text)
		}
	}
	if text, _ := json.Marshal(secret); !shows(string(text), secret) {
		t.Errorf("JSON of plain bytes is not recognised: %s", text)
	}
}

func TestRedacted(t *testing.T) {
	for name, s := range secrets(t) {
		printers := map[string]func(v any) string{
			"slog text": func(v any) string {
				var b bytes.Buffer
				slog.New(slog.NewTextHandler(&b, nil)).Info("", "secret", v)
				return b.String()
			},
			"slog JSON": func(v any) string {
				var b bytes.Buffer
				slog.New(slog.NewJSONHandler(&b, nil)).Info("", "secret", v)
				return b.String()
			},
			"JSON": marshaller(t, json.Marshal),
			"YAML": marshaller(t, yaml.Marshal),
			"XML":  marshaller(t, xml.Marshal),
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%c"} {
			printers[verb] = func(v any) string { return fmt.Sprintf(verb, v) }
		}
		for printer, show := range printers {
			text := show(s.value)
			if !strings.Contains(text, Redacted) || shows(text, s.bytes) {
				t.Errorf("%s by %s: %s", name, printer, text)
			}
		}
		if got := fmt.Sprint(s.value); got != "[redacted]" {
			t.Errorf("%s prints as %s", name, got)
		}
	}
	for _, zero := range []any{Secret{}, PSK{}, PrivateKey{}} {
		if got := fmt.Sprintf("%+v", zero); got != "[redacted]" {
			t.Errorf("the zero %T prints as %s", zero, got)
		}
	}
}

// fmt and slog do not call methods on unexported fields.
func TestRedactedInsideOthers(t *testing.T) {
	for name, s := range secrets(t) {
		outer := struct {
			Exported any
			hidden   any
			nested   []struct{ v any }
		}{s.value, s.value, []struct{ v any }{{s.value}}}
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
			for _, v := range []any{outer, &outer, []any{outer}, map[string]any{"k": outer}} {
				if text := fmt.Sprintf(verb, v); shows(text, s.bytes) {
					t.Errorf("%s nested, by %s: %s", name, verb, text)
				}
			}
		}
		type concrete struct {
			psk PSK
			key PrivateKey
		}
		c := concrete{}
		switch v := s.value.(type) {
		case PSK:
			c.psk = v
		case PrivateKey:
			c.key = v
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
			if text := fmt.Sprintf(verb, c); shows(text, s.bytes) {
				t.Errorf("%s in an unexported field, by %s: %s", name, verb, text)
			}
		}
	}
}

func marshaller(t *testing.T, marshal func(any) ([]byte, error)) func(any) string {
	return func(v any) string {
		b, err := marshal(v)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
}

func TestSecretEqual(t *testing.T) {
	a, b := NewSecret([]byte("abc")), NewSecret([]byte("abc"))
	if !a.Equal(b) || a.Equal(NewSecret([]byte("abd"))) || a.Equal(Secret{}) || !(Secret{}).Equal(Secret{}) {
		t.Error("Equal compares wrongly")
	}
	if (Secret{}).Bytes() != nil {
		t.Error("the zero Secret has bytes")
	}
}
