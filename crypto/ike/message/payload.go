package message

// Payload is one payload of a message. It is implemented by the pointer types
// of this package and by nothing else: *SA, *KE, *IDi, *IDr, *CERT, *CERTREQ,
// *AUTH, *Nonce, *Notify, *Delete, *VendorID, *TSi, *TSr, *Encrypted,
// *EncryptedFragment and *Raw.
type Payload interface {
	// PayloadType says which payload this is; it does not look at the content,
	// but for *Raw.
	PayloadType() PayloadType
	// IsCritical reports the critical bit as it was received.
	IsCritical() bool

	// appendBody appends everything behind the generic payload header.
	appendBody(w *writer)
}

// GenericLen is the length of the generic payload header in bytes
// (RFC 7296 section 3.2).
const GenericLen = 4

// Generic is what all payloads have in common.
type Generic struct {
	// Critical asks a receiver that does not know the payload's type to reject
	// the message. It must be false in the payloads that RFC 7296 defines, and
	// is ignored in those when received.
	Critical bool
}

// IsCritical returns g.Critical.
func (g Generic) IsCritical() bool { return g.Critical }

// Raw is a payload that this package keeps without looking inside:
// Configuration (CP), EAP, and every type it does not know. A Raw that was
// parsed with an unknown type is never critical, for Parse refuses those.
type Raw struct {
	Generic
	Type PayloadType
	Body []byte // everything behind the generic header
}

// PayloadType returns p.Type.
func (p *Raw) PayloadType() PayloadType {
	if p == nil {
		return PayloadNone
	}
	return p.Type
}

func (p *Raw) appendBody(w *writer) { w.bytes(p.Body) }
