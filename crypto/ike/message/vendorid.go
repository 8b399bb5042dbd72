package message

// VendorID is the Vendor ID payload (RFC 7296 section 3.12).
type VendorID struct {
	Generic
	Data []byte
}

// PayloadType returns PayloadVendorID.
func (*VendorID) PayloadType() PayloadType { return PayloadVendorID }

func (p *VendorID) appendBody(w *writer) { w.bytes(p.Data) }
