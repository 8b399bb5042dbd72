package ike

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

func (p PRF) hash() func() hash.Hash {
	switch p {
	case PRFSHA384:
		return sha512.New384
	case PRFSHA512:
		return sha512.New
	}
	return sha256.New
}

// size is the PRF's output and preferred key length in bytes (RFC 4868 §2.4).
func (p PRF) size() int { return p.hash()().Size() }

// sum is prf(key, data) over the concatenation of data.
func (p PRF) sum(key []byte, data ...[]byte) []byte {
	h := hmac.New(p.hash(), key)
	for _, d := range data {
		h.Write(d)
	}
	return h.Sum(nil)
}

// maxExpand is how often prf+ can be iterated: its counter is one byte.
const maxExpand = 255

// expand is n bytes of prf+(key, seed) (RFC 7296 §2.13), n ≤ maxExpand·size.
func (p PRF) expand(key []byte, n int, seed ...[]byte) []byte {
	h := hmac.New(p.hash(), key)
	out := make([]byte, 0, n+h.Size())
	var last []byte
	for i := 1; len(out) < n && i <= maxExpand; i++ {
		h.Reset()
		h.Write(last)
		for _, s := range seed {
			h.Write(s)
		}
		h.Write([]byte{byte(i)})
		out = h.Sum(out)
		last = out[len(out)-h.Size():]
	}
	return out[:n]
}
