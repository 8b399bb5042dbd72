package ike

import (
	"encoding/asn1"
	"errors"
	"math/big"
)

// ecdsaSignature is Ecdsa-Sig-Value (RFC 3279 §2.2.3).
type ecdsaSignature struct{ R, S *big.Int }

func splitECDSA(der []byte) (r, s *big.Int, err error) {
	var v ecdsaSignature
	rest, err := asn1.Unmarshal(der, &v)
	if err != nil || len(rest) > 0 {
		return nil, nil, errors.New("no ECDSA signature in DER")
	}
	return v.R, v.S, nil
}

func joinECDSA(r, s *big.Int) ([]byte, error) { return asn1.Marshal(ecdsaSignature{r, s}) }
