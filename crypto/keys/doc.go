// Package keys reads, makes and writes the secrets by which gateways know one
// another: Ed25519 key pairs (RFC 8410) and pre-shared keys.
//
// Secrets are read only from files that nobody but their owner may open, and
// have types that print, log and marshal as [redacted].
package keys
