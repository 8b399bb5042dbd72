package keys

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a secret becomes when printed, logged or marshalled.
const Redacted = "[redacted]"

// redacted, embedded in a secret, holds its value and makes every usual way of
// turning it into text give Redacted.
//
// fmt does not call methods on unexported fields, and follows one pointer in
// them where the verb does not fit. It stops at the second.
type redacted[T any] struct{ value **T }

func redact[T any](value T) redacted[T] {
	p := &value
	return redacted[T]{&p}
}

// reveal returns the value, the zero T if there is none.
func (r redacted[T]) reveal() (value T) {
	if r.value != nil {
		value = **r.value
	}
	return value
}

// String implements fmt.Stringer.
func (redacted[T]) String() string { return Redacted }

// GoString implements fmt.GoStringer.
func (redacted[T]) GoString() string { return Redacted }

// Format implements fmt.Formatter, for any verb.
func (redacted[T]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue implements slog.LogValuer.
func (redacted[T]) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText implements encoding.TextMarshaler, which also serves YAML and XML.
func (redacted[T]) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON implements json.Marshaler.
func (redacted[T]) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// Secret holds bytes that must not be seen. It prints, logs and marshals as
// Redacted, also as an unexported field of something printed. The zero Secret is
// empty.
type Secret struct{ redacted[[]byte] }

// NewSecret returns a Secret of b, which it keeps.
func NewSecret(b []byte) Secret { return Secret{redact(b)} }

// Bytes returns the secret itself. The caller must not change it.
func (s Secret) Bytes() []byte { return s.reveal() }

// Equal reports whether s and other hold the same bytes. How long it takes tells
// nothing but their lengths.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare(s.Bytes(), other.Bytes()) == 1
}
