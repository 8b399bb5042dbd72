package message

import "strconv"

// TransformType says what a transform is for (RFC 7296 section 3.3.2).
type TransformType uint8

// Transform types.
const (
	TransformENCR  TransformType = 1
	TransformPRF   TransformType = 2
	TransformINTEG TransformType = 3
	TransformKE    TransformType = 4 // key exchange method, formerly "Diffie-Hellman group"
	TransformESN   TransformType = 5 // extended sequence numbers

	// Additional key exchanges, RFC 9370 section 2.2.1.
	TransformADDKE1 TransformType = 6
	TransformADDKE2 TransformType = 7
	TransformADDKE3 TransformType = 8
	TransformADDKE4 TransformType = 9
	TransformADDKE5 TransformType = 10
	TransformADDKE6 TransformType = 11
	TransformADDKE7 TransformType = 12
)

// String gives the name in the RFCs, or "transform type 99".
func (t TransformType) String() string {
	switch {
	case t == TransformENCR:
		return "ENCR"
	case t == TransformPRF:
		return "PRF"
	case t == TransformINTEG:
		return "INTEG"
	case t == TransformKE:
		return "KE"
	case t == TransformESN:
		return "ESN"
	case t >= TransformADDKE1 && t <= TransformADDKE7:
		return "ADDKE" + strconv.Itoa(int(t-TransformADDKE1)+1)
	}
	return "transform type " + strconv.Itoa(int(t))
}

// TransformID names an algorithm among those of one TransformType; the same
// number means different things under different types.
type TransformID uint16

// Encryption algorithms, TransformENCR (RFC 7296 section 3.3.2).
const (
	ENCR3DES             TransformID = 3
	ENCRNull             TransformID = 11 // RFC 2410
	ENCRAESCBC           TransformID = 12 // RFC 3602
	ENCRAESCTR           TransformID = 13 // RFC 5930
	ENCRAESCCM8          TransformID = 14 // RFC 5282
	ENCRAESCCM12         TransformID = 15 // RFC 5282
	ENCRAESCCM16         TransformID = 16 // RFC 5282
	ENCRAESGCM8          TransformID = 18 // RFC 5282
	ENCRAESGCM12         TransformID = 19 // RFC 5282
	ENCRAESGCM16         TransformID = 20 // RFC 4106 for ESP, RFC 5282 for IKE
	ENCRChaCha20Poly1305 TransformID = 28 // RFC 7634; no key length attribute
)

// Pseudorandom functions, TransformPRF (RFC 7296 section 3.3.2).
const (
	PRFHMACMD5     TransformID = 1
	PRFHMACSHA1    TransformID = 2
	PRFAES128XCBC  TransformID = 4 // RFC 4434
	PRFHMACSHA2256 TransformID = 5 // RFC 4868
	PRFHMACSHA2384 TransformID = 6 // RFC 4868
	PRFHMACSHA2512 TransformID = 7 // RFC 4868
	PRFAES128CMAC  TransformID = 8 // RFC 4615
)

// Integrity algorithms, TransformINTEG (RFC 7296 section 3.3.2). With an AEAD
// there is none, or only INTEGNone (RFC 7296 section 3.3).
const (
	INTEGNone           TransformID = 0
	INTEGHMACMD596      TransformID = 1
	INTEGHMACSHA196     TransformID = 2
	INTEGAESXCBC96      TransformID = 5  // RFC 3566
	INTEGAESCMAC96      TransformID = 8  // RFC 4494
	INTEGHMACSHA2256128 TransformID = 12 // RFC 4868
	INTEGHMACSHA2384192 TransformID = 13 // RFC 4868
	INTEGHMACSHA2512256 TransformID = 14 // RFC 4868
)

// Key exchange methods, TransformKE and TransformADDKE1 to 7.
const (
	KENone       TransformID = 0
	KEMODP768    TransformID = 1
	KEMODP1024   TransformID = 2
	KEMODP1536   TransformID = 5  // RFC 3526
	KEMODP2048   TransformID = 14 // RFC 3526
	KEMODP3072   TransformID = 15 // RFC 3526
	KEMODP4096   TransformID = 16 // RFC 3526
	KEMODP6144   TransformID = 17 // RFC 3526
	KEMODP8192   TransformID = 18 // RFC 3526
	KEECP256     TransformID = 19 // RFC 5903, NIST P-256
	KEECP384     TransformID = 20 // RFC 5903, NIST P-384
	KEECP521     TransformID = 21 // RFC 5903, NIST P-521
	KECurve25519 TransformID = 31 // RFC 8031, X25519
	KECurve448   TransformID = 32 // RFC 8031
	KEMLKEM512   TransformID = 35 // for RFC 9370, like the next two
	KEMLKEM768   TransformID = 36
	KEMLKEM1024  TransformID = 37
)

// Extended sequence numbers, TransformESN.
const (
	ESNNo  TransformID = 0
	ESNYes TransformID = 1
)

var transformNames = map[TransformType]map[TransformID]string{
	TransformENCR: {
		ENCR3DES: "3DES", ENCRNull: "NULL", ENCRAESCBC: "AES_CBC", ENCRAESCTR: "AES_CTR",
		ENCRAESCCM8: "AES_CCM_8", ENCRAESCCM12: "AES_CCM_12", ENCRAESCCM16: "AES_CCM_16",
		ENCRAESGCM8: "AES_GCM_8", ENCRAESGCM12: "AES_GCM_12", ENCRAESGCM16: "AES_GCM_16",
		ENCRChaCha20Poly1305: "CHACHA20_POLY1305",
	},
	TransformPRF: {
		PRFHMACMD5: "HMAC_MD5", PRFHMACSHA1: "HMAC_SHA1", PRFAES128XCBC: "AES128_XCBC",
		PRFHMACSHA2256: "HMAC_SHA2_256", PRFHMACSHA2384: "HMAC_SHA2_384",
		PRFHMACSHA2512: "HMAC_SHA2_512", PRFAES128CMAC: "AES128_CMAC",
	},
	TransformINTEG: {
		INTEGNone: "NONE", INTEGHMACMD596: "HMAC_MD5_96", INTEGHMACSHA196: "HMAC_SHA1_96",
		INTEGAESXCBC96: "AES_XCBC_96", INTEGAESCMAC96: "AES_CMAC_96",
		INTEGHMACSHA2256128: "HMAC_SHA2_256_128", INTEGHMACSHA2384192: "HMAC_SHA2_384_192",
		INTEGHMACSHA2512256: "HMAC_SHA2_512_256",
	},
	TransformKE: {
		KENone: "NONE", KEMODP768: "MODP_768", KEMODP1024: "MODP_1024", KEMODP1536: "MODP_1536",
		KEMODP2048: "MODP_2048", KEMODP3072: "MODP_3072", KEMODP4096: "MODP_4096",
		KEMODP6144: "MODP_6144", KEMODP8192: "MODP_8192", KEECP256: "ECP_256",
		KEECP384: "ECP_384", KEECP521: "ECP_521", KECurve25519: "CURVE25519",
		KECurve448: "CURVE448", KEMLKEM512: "ML_KEM_512", KEMLKEM768: "ML_KEM_768",
		KEMLKEM1024: "ML_KEM_1024",
	},
	TransformESN: {ESNNo: "NO", ESNYes: "YES"},
}

// TransformName gives a name such as "ENCR_AES_GCM_16", "KE_CURVE25519" or,
// for an unknown number, "KE_1234".
func TransformName(t TransformType, id TransformID) string {
	names := t
	if t >= TransformADDKE1 && t <= TransformADDKE7 {
		names = TransformKE
	}
	if s, ok := transformNames[names][id]; ok {
		return t.String() + "_" + s
	}
	return t.String() + "_" + strconv.Itoa(int(id))
}

// String gives the name, and the key length in bits if there is one:
// "ENCR_AES_GCM_16/256".
func (t Transform) String() string {
	s := TransformName(t.Type, t.ID)
	if t.KeyLength != 0 {
		s += "/" + strconv.Itoa(int(t.KeyLength))
	}
	if len(t.Attributes) > 0 {
		s += "+unknown"
	}
	return s
}
