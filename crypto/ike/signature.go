package ike

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"errors"
	"fmt"
	"math/big"

	"vpngw/crypto/ike/message"
)

// hashSet is what of SIGNATURE_HASH_ALGORITHMS concerns us: a bit for each number.
type hashSet uint8

func (h hashSet) has(a message.HashAlgorithm) bool { return h&(1<<a) != 0 }

// ourHashes are those that we verify (RFC 7427 §4, RFC 8420 §2).
var ourHashes = []message.HashAlgorithm{message.HashSHA256, message.HashSHA384, message.HashSHA512, message.HashIdentity}

// hashNotify says which hashes we verify.
func hashNotify() *message.Notify {
	return &message.Notify{Type: message.NotifySignatureHashAlgorithms,
		Data: message.MarshalHashAlgorithms(ourHashes...)}
}

// announced reads the peer's SIGNATURE_HASH_ALGORITHMS; what is malformed counts as none.
func announced(ps []message.Payload) (h hashSet) {
	n := message.FindNotify(ps, message.NotifySignatureHashAlgorithms)
	if n == nil {
		return 0
	}
	list, err := message.ParseHashAlgorithms(n.Data)
	if err != nil {
		return 0
	}
	for _, a := range list {
		if a <= message.HashIdentity {
			h |= 1 << a
		}
	}
	return h
}

// scheme is a digital signature of RFC 7427.
type scheme struct {
	known     message.HashAlgorithm
	hash      crypto.Hash
	algorithm string // AlgorithmIdentifier with ECDSA
}

// ecdsaSchemes are the schemes of an ECDSA key, the best suited to P-256 first.
var ecdsaSchemes = []scheme{
	{message.HashSHA256, crypto.SHA256, message.AlgorithmECDSAWithSHA256},
	{message.HashSHA384, crypto.SHA384, message.AlgorithmECDSAWithSHA384},
	{message.HashSHA512, crypto.SHA512, message.AlgorithmECDSAWithSHA512},
}

// signOctets makes the AUTH payload of a key. An ECDSA key signs by RFC 7427 with a hash
// that the peer announced, else by RFC 4754. An Ed25519 key has one way only.
func signOctets(key crypto.Signer, known hashSet, octets []byte) (*message.AUTH, error) {
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		signature, err := key.Sign(nil, octets, crypto.Hash(0))
		if err != nil {
			return nil, err
		}
		data, err := message.JoinSignature(message.AlgorithmEd25519, signature)
		return &message.AUTH{Method: message.AuthDigitalSignature, Data: data}, err
	}
	schemes := ecdsaSchemes
	if public.Params().BitSize > 256 {
		schemes = []scheme{ecdsaSchemes[1], ecdsaSchemes[2], ecdsaSchemes[0]}
	}
	for _, s := range schemes {
		if !known.has(s.known) {
			continue
		}
		// Without randomness, the signature is that of RFC 6979.
		signature, err := key.Sign(nil, digest(s.hash, octets), s.hash)
		if err != nil {
			return nil, err
		}
		data, err := message.JoinSignature(s.algorithm, signature)
		return &message.AUTH{Method: message.AuthDigitalSignature, Data: data}, err
	}
	return signPlain(key, public, octets)
}

func digest(h crypto.Hash, octets []byte) []byte {
	d := h.New()
	d.Write(octets)
	return d.Sum(nil)
}

// plainMethod is the method of RFC 4754 for a curve, and its hash.
func plainMethod(k *ecdsa.PublicKey) (message.AuthMethod, crypto.Hash) {
	if k.Params().BitSize > 256 {
		return message.AuthECDSA384, crypto.SHA384
	}
	return message.AuthECDSA256, crypto.SHA256
}

// signPlain makes the AUTH payload of RFC 4754: r ‖ s, each as long as the curve's order.
func signPlain(key crypto.Signer, public *ecdsa.PublicKey, octets []byte) (*message.AUTH, error) {
	method, hash := plainMethod(public)
	der, err := key.Sign(nil, digest(hash, octets), hash)
	if err != nil {
		return nil, err
	}
	r, s, err := splitECDSA(der)
	if err != nil {
		return nil, err
	}
	n := public.Params().BitSize / 8
	data := make([]byte, 2*n)
	r.FillBytes(data[:n])
	s.FillBytes(data[n:])
	return &message.AUTH{Method: method, Data: data}, nil
}

// verifySignature checks an AUTH payload made by the owner of a public key.
func verifySignature(key crypto.PublicKey, auth *message.AUTH, octets []byte) error {
	name := keyName(key)
	wrong := fmt.Errorf("%s does not verify: is it the same key pair on both sides?", name)
	if k, ok := key.(*ecdsa.PublicKey); ok {
		if method, hash := plainMethod(k); auth.Method == method {
			n := k.Params().BitSize / 8
			if len(auth.Data) != 2*n {
				return wrong
			}
			r, s := new(big.Int).SetBytes(auth.Data[:n]), new(big.Int).SetBytes(auth.Data[n:])
			der, err := joinECDSA(r, s)
			if err != nil || !ecdsa.VerifyASN1(k, digest(hash, octets), der) {
				return wrong
			}
			return nil
		}
	}
	if auth.Method != message.AuthDigitalSignature {
		return fmt.Errorf("authenticates by %v, expected %s", auth.Method, name)
	}
	algorithm, signature, err := message.SplitSignature(auth.Data)
	if err != nil {
		return err
	}
	other := fmt.Errorf("signs with %s, expected %s", algorithmName(algorithm), name)
	switch k := key.(type) {
	case ed25519.PublicKey:
		if algorithm != message.AlgorithmEd25519 {
			return other
		}
		if len(k) != ed25519.PublicKeySize || !ed25519.Verify(k, octets, signature) {
			return wrong
		}
		return nil
	case *ecdsa.PublicKey:
		for _, s := range ecdsaSchemes {
			if algorithm == s.algorithm {
				if !ecdsa.VerifyASN1(k, digest(s.hash, octets), signature) {
					return wrong
				}
				return nil
			}
		}
		return other
	case *rsa.PublicKey:
		return verifyRSA(k, algorithm, signature, octets)
	}
	return errors.New("public key of a kind that is not supported")
}

// algorithmName names an AlgorithmIdentifier for messages.
func algorithmName(algorithm string) string {
	switch algorithm {
	case message.AlgorithmEd25519:
		return "ed25519"
	case message.AlgorithmEd448:
		return "ed448"
	case message.AlgorithmECDSAWithSHA256:
		return "ecdsa-with-sha256"
	case message.AlgorithmECDSAWithSHA384:
		return "ecdsa-with-sha384"
	case message.AlgorithmECDSAWithSHA512:
		return "ecdsa-with-sha512"
	}
	if a, err := parseRSA(algorithm); err == nil {
		return a.String()
	}
	return fmt.Sprintf("algorithm %x", algorithm)
}
