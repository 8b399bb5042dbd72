package message

import "strconv"

// AuthMethod says how an AUTH payload was made (RFC 7296 section 3.8).
type AuthMethod uint8

// Authentication methods.
const (
	AuthRSASignature     AuthMethod = 1
	AuthSharedKey        AuthMethod = 2 // shared key message integrity code
	AuthDSSSignature     AuthMethod = 3
	AuthECDSA256         AuthMethod = 9  // RFC 4754
	AuthECDSA384         AuthMethod = 10 // RFC 4754
	AuthECDSA521         AuthMethod = 11 // RFC 4754
	AuthGSPM             AuthMethod = 12 // RFC 6467
	AuthNull             AuthMethod = 13 // RFC 7619
	AuthDigitalSignature AuthMethod = 14 // RFC 7427; see SplitSignature
)

// String gives a short name, or "auth method 99".
func (m AuthMethod) String() string {
	switch m {
	case AuthRSASignature:
		return "RSA signature"
	case AuthSharedKey:
		return "shared key"
	case AuthDSSSignature:
		return "DSS signature"
	case AuthECDSA256:
		return "ECDSA P-256"
	case AuthECDSA384:
		return "ECDSA P-384"
	case AuthECDSA521:
		return "ECDSA P-521"
	case AuthGSPM:
		return "secure password"
	case AuthNull:
		return "null"
	case AuthDigitalSignature:
		return "digital signature"
	}
	return "auth method " + strconv.Itoa(int(m))
}

// AUTH is the Authentication payload (RFC 7296 section 3.8).
type AUTH struct {
	Generic
	Method AuthMethod
	Data   []byte // never empty
}

// PayloadType returns PayloadAUTH.
func (*AUTH) PayloadType() PayloadType { return PayloadAUTH }

func parseAUTH(g Generic, r *reader) *AUTH {
	p := &AUTH{Generic: g, Method: AuthMethod(r.uint8())}
	r.skip(3)
	if r.ok() && len(r.b) == 0 {
		r.fail("no authentication data")
	}
	p.Data = r.rest()
	return p
}

func (p *AUTH) appendBody(w *writer) {
	if len(p.Data) == 0 {
		w.fail("no authentication data")
	}
	w.uint8(uint8(p.Method))
	w.zeros(3)
	w.bytes(p.Data)
}
