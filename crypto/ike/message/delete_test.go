package message

import (
	"strings"
	"testing"
)

func FuzzDelete(f *testing.F) {
	fuzzBody(f, PayloadDelete, "\x03\x04\x00\x00", "\x02\x04\xff\xff\x01\x02\x03\x04")
}

func TestDeleteMalformed(t *testing.T) {
	const spi = "\xc0\x01\x02\x03"
	checkBad(t, PayloadDelete, []badBody{
		{"protocol 0", "\x00\x00\x00\x00", 4, "deletion of none"},
		{"protocol 9", "\x09\x04\x00\x01" + spi, 4, "deletion of protocol 9"},
		{"IKE with an SPI", "\x01\x08\x00\x01" + spi + spi, 4, "SPIs of 8 bytes, not 0"},
		{"IKE with a count", "\x01\x00\x00\x01", 4, "the IKE SA with 1 SPIs"},
		{"IKE with bytes behind", "\x01\x00\x00\x00" + spi, 4, "in 4 bytes"},
		{"ESP with SPIs of 8", "\x03\x08\x00\x01" + spi + spi, 4, "SPIs of 8 bytes, not 4"},
		{"one SPI too few", "\x03\x04\x00\x02" + spi, 4, "2 SPIs of 4 bytes in 4 bytes"},
		{"one SPI too many", "\x03\x04\x00\x01" + spi + spi, 4, "1 SPIs of 4 bytes in 8 bytes"},
		{"half an SPI", "\x03\x04\x00\x01\xc0\x01", 4, "in 2 bytes"},
		{"more than the bound", "\x03\x04\x04\x01" + strings.Repeat(spi, 1025), 4, "1025 SPIs, more than 1024"},
	})
	checkUnsendable(t, "protocol 0", &Delete{})
	checkUnsendable(t, "IKE with an SPI", &Delete{Protocol: ProtocolIKE, SPIs: []uint32{1}})
	checkUnsendable(t, "more than the bound", &Delete{Protocol: ProtocolESP, SPIs: make([]uint32, MaxDeleteSPIs+1)})
	if _, err := Parse(one(PayloadDelete, 0, "\x03\x04\x04\x00"+strings.Repeat(spi, MaxDeleteSPIs))); err != nil {
		t.Errorf("as many as the bound: %v", err)
	}
}
