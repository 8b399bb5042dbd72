package message

// Transform is one algorithm in a proposal (RFC 7296 section 3.3.2).
type Transform struct {
	Type TransformType
	ID   TransformID
	// KeyLength in bits from the attribute of that name (RFC 7296 section
	// 3.3.5); 0: the transform has none.
	KeyLength uint16
	// Attributes are all others, in their order. We know none, so a transform
	// that has any must not be chosen (RFC 7296 section 3.3.6). A key length
	// that is zero, repeated or not in the short form also stands here, for
	// the same effect.
	Attributes []Attribute
}

// Attribute is an attribute of a transform (RFC 7296 section 3.3.5).
type Attribute struct {
	Type  uint16 // 15 bits
	Short bool   // type/value form: Value has exactly two bytes and no length
	Value []byte
}

// AttributeKeyLength is the type of the key length attribute.
const AttributeKeyLength uint16 = 14

const (
	attributeShort = 0x8000
	transformLen   = 8 // without attributes
)

func parseTransform(r *reader) (t Transform, more bool) {
	more = parseMore(r, moreTransforms)
	r.skip(1)
	n := int(r.uint16())
	if r.ok() && n < transformLen {
		r.fail("transform length %d is less than %d", n, transformLen)
	}
	s := r.sub(n - 4)
	t.Type = TransformType(s.uint8())
	s.skip(1)
	t.ID = TransformID(s.uint16())
	for len(s.b) > 0 {
		a := parseAttribute(s)
		if a.Type == AttributeKeyLength && a.Short && t.KeyLength == 0 && len(a.Value) == 2 {
			t.KeyLength = uint16(a.Value[0])<<8 | uint16(a.Value[1])
			if t.KeyLength != 0 {
				continue
			}
		}
		if len(t.Attributes) == MaxAttributes {
			s.fail("more than %d attributes in a transform", MaxAttributes)
		}
		t.Attributes = append(t.Attributes, a)
	}
	r.adopt(s)
	return t, more
}

func parseAttribute(r *reader) (a Attribute) {
	v := r.uint16()
	a.Type, a.Short = v&^attributeShort, v&attributeShort != 0
	if a.Short {
		a.Value = r.take(2)
	} else {
		a.Value = r.take(int(r.uint16()))
	}
	return a
}

func (t *Transform) append(w *writer, more bool) {
	start := len(w.b)
	w.more(more, moreTransforms)
	w.bytes([]byte{uint8(t.Type), 0})
	w.uint16(uint16(t.ID))
	if t.KeyLength != 0 {
		w.uint16(AttributeKeyLength | attributeShort)
		w.uint16(t.KeyLength)
	}
	if len(t.Attributes) > MaxAttributes {
		w.fail("%d attributes in a transform are more than %d", len(t.Attributes), MaxAttributes)
	}
	for _, a := range t.Attributes {
		a.append(w)
	}
	w.length(start)
}

func (a Attribute) append(w *writer) {
	if a.Type >= attributeShort {
		w.fail("attribute type %d does not fit 15 bits", a.Type)
	}
	if a.Short {
		if len(a.Value) != 2 {
			w.fail("short attribute %d with %d bytes, not 2", a.Type, len(a.Value))
		}
		w.uint16(a.Type | attributeShort)
	} else {
		if len(a.Value) > 65535 {
			w.fail("attribute %d with %d bytes", a.Type, len(a.Value))
		}
		w.uint16(a.Type)
		w.uint16(uint16(len(a.Value)))
	}
	w.bytes(a.Value)
}
