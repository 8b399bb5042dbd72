package message

import "testing"

func FuzzNotify(f *testing.F) {
	fuzzBody(f, PayloadNotify, "\x00\x00\x00\x0e", "\x01\x00\x40\x2e", "\x04\x10\x40\x00")
}

func TestNotifySPI(t *testing.T) {
	for protocol, sizes := range map[ProtocolID]map[int]bool{
		ProtocolNone: {0: true}, ProtocolIKE: {0: true},
		ProtocolAH: {0: true, 4: true}, ProtocolESP: {0: true, 4: true},
	} {
		for n := range 10 {
			p := &Notify{Protocol: protocol, SPI: make([]byte, n), Type: NotifyRekeySA}
			body := string([]byte{uint8(protocol), uint8(n), 0x40, 0x09}) + string(p.SPI)
			if sizes[n] {
				if _, err := Parse(one(PayloadNotify, 0, body)); err != nil {
					t.Errorf("%v, %d: %v", protocol, n, err)
				}
				continue
			}
			checkBad(t, PayloadNotify, []badBody{{protocol.String(), body, 2, "with an SPI of"}})
			checkUnsendable(t, protocol.String(), p)
		}
	}
	checkBad(t, PayloadNotify, []badBody{{"SPI over the end", "\x09\x04\x40\x09\x01\x02\x03", 4, "needs 4 bytes"}})
	checkUnsendable(t, "SPI of 256", &Notify{Protocol: 9, SPI: make([]byte, 256)})
}

func TestFindNotify(t *testing.T) {
	ps := []Payload{&Nonce{}, &Notify{Type: NotifyCookie, Data: []byte{1}}, &Notify{Type: NotifyCookie, Data: []byte{2}}}
	if n := FindNotify(ps, NotifyCookie); n != ps[1] {
		t.Errorf("got %+v", n)
	}
	if n := FindNotify(ps, NotifyRekeySA); n != nil {
		t.Errorf("got %+v", n)
	}
	if n := FindNotify(nil, NotifyCookie); n != nil {
		t.Errorf("got %+v", n)
	}
}
