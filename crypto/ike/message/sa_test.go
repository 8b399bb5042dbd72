package message

import (
	"fmt"
	"strings"
	"testing"
)

func FuzzSA(f *testing.F) {
	fuzzBody(f, PayloadSA,
		"\x00\x00\x00\x10\x01\x01\x00\x01\x00\x00\x00\x08\x01\x00\x00\x14",
		"\x00\x00\x00\x18\x01\x01\x08\x01\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x08\x01\x00\x00\x14",
		"\x00\x00\x00\x14\x01\x01\x00\x01\x00\x00\x00\x0c\x01\x00\x00\x14\x80\x0e\x00\x00")
}

func TestSAMalformed(t *testing.T) {
	const tr = "\x00\x00\x00\x08\x01\x00\x00\x14"
	checkBad(t, PayloadSA, []badBody{
		{"empty", "", 0, "needs 1 bytes"},
		{"proposal mark", "\x01\x00\x00\x10\x01\x01\x00\x01" + tr, 0, "mark 1"},
		{"transform mark of a proposal", "\x03\x00\x00\x10\x01\x01\x00\x01" + tr, 0, "mark 3"},
		{"more promised", "\x02\x00\x00\x10\x01\x01\x00\x01" + tr, 16, "needs 1 bytes"},
		{"proposal length 0", "\x00\x00\x00\x00\x01\x01\x00\x01" + tr, 4, "length 0 is less"},
		{"proposal length 7", "\x00\x00\x00\x07\x01\x01\x00\x01" + tr, 4, "length 7 is less"},
		{"proposal too long", "\x00\x00\x00\x11\x01\x01\x00\x01" + tr, 4, "needs 13 bytes"},
		{"proposal too short", "\x00\x00\x00\x0f\x01\x01\x00\x01" + tr, 12, "needs 4 bytes"},
		{"bytes behind the proposal", "\x00\x00\x00\x10\x01\x01\x00\x01" + tr + "x", 16, "1 bytes behind"},
		{"no transform", "\x00\x00\x00\x08\x01\x01\x00\x00", 8, "0 transforms"},
		{"fewer transforms than bytes", "\x00\x00\x00\x18\x01\x01\x00\x01" + tr + tr, 16, "8 bytes behind"},
		{"fewer transforms than counted", "\x00\x00\x00\x10\x01\x01\x00\x02" + tr, 16, "last-substructure"},
		{"too many transforms", "\x00\x00\x00\x10\x01\x01\x00\x81" + tr, 8, "129 transforms"},
		{"IKE with SPI of 4", "\x00\x00\x00\x14\x01\x01\x04\x01\x01\x02\x03\x04" + tr, 8, "IKE with an SPI of 4"},
		{"ESP without SPI", "\x00\x00\x00\x10\x01\x03\x00\x01" + tr, 8, "ESP with an SPI of 0"},
		{"ESP with SPI of 8", "\x00\x00\x00\x18\x01\x03\x08\x01\x01\x02\x03\x04\x05\x06\x07\x08" + tr, 8, "ESP with an SPI of 8"},
		{"SPI longer than the proposal", "\x00\x00\x00\x10\x01\x09\xff\x01" + tr, 8, "needs 255 bytes"},
		{"transform length 7", "\x00\x00\x00\x10\x01\x01\x00\x01\x00\x00\x00\x07\x01\x00\x00\x14", 12, "length 7 is less"},
		{"transform too long", "\x00\x00\x00\x10\x01\x01\x00\x01\x00\x00\x00\x09\x01\x00\x00\x14", 12, "needs 5 bytes"},
		{"half an attribute", "\x00\x00\x00\x12\x01\x01\x00\x01\x00\x00\x00\x0a\x01\x00\x00\x14\x80\x0e", 18, "needs 2 bytes"},
		{"long attribute over the end", "\x00\x00\x00\x14\x01\x01\x00\x01\x00\x00\x00\x0c\x01\x00\x00\x14\x00\x0f\x00\x01", 20, "needs 1 bytes"},
	})
}

// TestKeyLength reads key lengths in every shape; a strange one must neither
// vanish nor be taken for a key length.
func TestKeyLength(t *testing.T) {
	for attrs, want := range map[string]string{
		"":                                 "0 []",
		"\x80\x0e\x01\x00":                 "256 []",
		"\x80\x0e\xff\xff":                 "65535 []",
		"\x80\x0e\x00\x00":                 "0 [{14 true [0 0]}]",
		"\x80\x0e\x01\x00\x80\x0e\x00\x80": "256 [{14 true [0 128]}]",
		"\x80\x0e\x00\x00\x80\x0e\x00\x80": "128 [{14 true [0 0]}]",
		"\x00\x0e\x00\x02\x01\x00":         "0 [{14 false [1 0]}]",
		"\x00\x0f\x00\x00":                 "0 [{15 false []}]",
	} {
		n := 8 + len(attrs)
		m, err := Parse(one(PayloadSA, 0, "\x00\x00\x00"+string(rune(8+n))+"\x01\x01\x00\x01\x00\x00\x00"+string(rune(n))+"\x01\x00\x00\x14"+attrs))
		if err != nil {
			t.Errorf("%x: %v", attrs, err)
			continue
		}
		tr := m.Payloads[0].(*SA).Proposals[0].Transforms[0]
		if got := fmt.Sprint(tr.KeyLength, tr.Attributes); got != want {
			t.Errorf("%x: got %s, want %s", attrs, got, want)
		}
		if strange := strings.HasSuffix(tr.String(), "+unknown"); strange != (len(tr.Attributes) > 0) {
			t.Errorf("%x: text %q", attrs, tr)
		}
	}
}

func proposals(n, transforms, attributes int) *SA {
	sa := &SA{}
	for range n {
		p := Proposal{Number: 1, Protocol: ProtocolIKE}
		for range transforms {
			p.Transforms = append(p.Transforms, Transform{Type: TransformENCR, Attributes: make([]Attribute, attributes)})
		}
		sa.Proposals = append(sa.Proposals, p)
	}
	return sa
}

// TestSACounts goes over each bound by one, in both directions.
func TestSACounts(t *testing.T) {
	for _, c := range []struct{ p, t, a int }{{MaxProposals, 1, 0}, {1, MaxTransforms, 0}, {1, 1, MaxAttributes}} {
		_, b, err := MarshalPayloads([]Payload{proposals(c.p, c.t, c.a)})
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if _, err := ParsePayloads(PayloadSA, b); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	checkUnsendable(t, "no proposal", proposals(0, 1, 0))
	checkUnsendable(t, "too many proposals", proposals(MaxProposals+1, 1, 0))
	checkUnsendable(t, "no transform", proposals(1, 0, 0))
	checkUnsendable(t, "too many transforms", proposals(1, MaxTransforms+1, 0))
	checkUnsendable(t, "too many attributes", proposals(1, 1, MaxAttributes+1))

	const last = "\x00\x00\x00\x10\x01\x01\x00\x01\x00\x00\x00\x08\x01\x00\x00\x14"
	more := "\x02" + last[1:]
	checkBad(t, PayloadSA, []badBody{
		{"too many proposals", strings.Repeat(more, MaxProposals) + last, MaxProposals * len(last), "more than 64 proposals"},
		{"too many attributes", "\x00\x00\x00\x54\x01\x01\x00\x01\x00\x00\x00\x4c\x01\x00\x00\x14" + strings.Repeat("\x00\x01\x00\x00", MaxAttributes+1), 84, "more than 16 attributes"},
	})
}

func TestSAUnsendable(t *testing.T) {
	tr := []Transform{{Type: TransformENCR}}
	for name, p := range map[string]Proposal{
		"IKE with SPI of 4":    {Protocol: ProtocolIKE, SPI: ChildSPI(1), Transforms: tr},
		"ESP with SPI of 8":    {Protocol: ProtocolESP, SPI: IKESPI(1), Transforms: tr},
		"SPI of 256":           {Protocol: 9, SPI: make([]byte, 256), Transforms: tr},
		"attribute type":       {Protocol: ProtocolIKE, Transforms: []Transform{{Attributes: []Attribute{{Type: 0x8000}}}}},
		"short attribute of 3": {Protocol: ProtocolIKE, Transforms: []Transform{{Attributes: []Attribute{{Short: true, Value: []byte{1, 2, 3}}}}}},
		"attribute of 65536":   {Protocol: ProtocolIKE, Transforms: []Transform{{Attributes: []Attribute{{Value: make([]byte, 65536)}}}}},
	} {
		checkUnsendable(t, name, &SA{Proposals: []Proposal{p}})
	}
}

func TestSPIEncoding(t *testing.T) {
	if v, ok := ParseChildSPI(ChildSPI(0xc0010203)); !ok || v != 0xc0010203 {
		t.Errorf("child SPI %x, %v", v, ok)
	}
	if v, ok := ParseIKESPI(IKESPI(0xc001020304050607)); !ok || v != 0xc001020304050607 {
		t.Errorf("IKE SPI %v, %v", v, ok)
	}
	for n := range 10 {
		if _, ok := ParseChildSPI(make([]byte, n)); ok != (n == 4) {
			t.Errorf("child SPI of %d bytes: %v", n, ok)
		}
		if _, ok := ParseIKESPI(make([]byte, n)); ok != (n == 8) {
			t.Errorf("IKE SPI of %d bytes: %v", n, ok)
		}
	}
}
