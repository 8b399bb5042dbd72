package ike

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// TestConformanceSPIs gives the machine randomness from which an SPI would be zero or
// one that is in use: it draws again.
func TestConformanceSPIs(t *testing.T) {
	_, a, _ := settled(t)
	used := only(a).spi()
	draws := binary.BigEndian.AppendUint64(make([]byte, 8), uint64(used))
	a.m.cfg.Rand = io.MultiReader(bytes.NewReader(append(draws, 0, 0, 0, 0, 0, 0, 0, 9)), a.m.cfg.Rand)
	if spi, err := a.m.newSPI(); err != nil || spi != 9 {
		t.Errorf("SPI %v, %v", spi, err)
	}
}

// TestConformanceBackOff lets nobody answer: the pauses between the copies of a request
// grow, and then the attempt ends.
func TestConformanceBackOff(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	b.kill()
	var at []time.Duration
	w.filter = func(p *packet) bool { at = append(at, w.now.Sub(w.start)); return true }
	a.connect()
	w.until(time.Minute, "Down", func() bool { return len(a.downs) > 0 })
	if len(at) < 12 {
		t.Fatalf("only sent %d times", len(at))
	}
	for i := 2; i < len(at); i++ {
		if was, is := at[i-1]-at[i-2], at[i]-at[i-1]; is < was {
			t.Errorf("copy %d came after %v, the one before it after %v", i, is, was)
		}
	}
	if first, last := at[1]-at[0], at[len(at)-1]-at[len(at)-2]; last < 2*first {
		t.Errorf("the first pause was %v, the last %v", first, last)
	}
}

// TestConformanceLongMessages takes IKE_SA_INIT of 1280 bytes and IKE_AUTH of 3000.
func TestConformanceLongMessages(t *testing.T) {
	st, request := initStage(t)
	m := parsed(t, request)
	m.Payloads = append(m.Payloads, &message.VendorID{Data: make([]byte, 1280-len(request)-message.GenericLen)})
	raw := marshalled(t, m)
	if answer := giveRaw(st.w, st.a, st.b, raw); len(raw) != 1280 || answer == nil || parsed(t, answer).NextPayload != message.PayloadSA {
		t.Errorf("IKE_SA_INIT of %d bytes is answered by %x", len(raw), answer)
	}
	st, answer := inAuth(t, func(ps []message.Payload) []message.Payload {
		return append(ps, &message.VendorID{Data: make([]byte, 3000)})
	})
	if len(st.b.children) != 1 {
		t.Errorf("IKE_AUTH of 3000 bytes is answered by %s", outline(answer))
	}
}

// TestConformanceRoles turns the initiator flag of an authentic request round, or names
// another SPI beside ours: it is not for this SA.
func TestConformanceRoles(t *testing.T) {
	w, a, b := settled(t)
	bye, plain, err := message.MarshalPayloads([]message.Payload{&message.Delete{Protocol: message.ProtocolIKE}})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(h *message.Header){
		"the role":            func(h *message.Header) { h.Flags ^= message.FlagInitiator },
		"the initiator's SPI": func(h *message.Header) { h.InitiatorSPI++ },
		"the responder's SPI": func(h *message.Header) { h.ResponderSPI++ },
		"both SPIs":           func(h *message.Header) { h.InitiatorSPI, h.ResponderSPI = h.ResponderSPI, h.InitiatorSPI },
	} {
		h := only(a).header(message.ExchangeInformational, false, only(b).expectID)
		change(&h)
		giveRaw(w, a, b, sealAs(t, a, h, bye, plain))
		if len(b.m.sas) != 1 || !b.ready() {
			t.Fatalf("%s changed: the SA is ended", name)
		}
	}
	if give(t, w, a, b, message.ExchangeInformational, false, only(b).expectID) == nil {
		t.Error("the next good request is not answered")
	}
}

// TestConformanceTooManyChildren asks for one child after the other: at some number the
// answer is NO_ADDITIONAL_SAS, and those that stand go on.
func TestConformanceTooManyChildren(t *testing.T) {
	w, a, b := settled(t)
	for made := range maxChildren {
		offer := espOffer(1, aes256, esnNo)
		offer.SPI = message.ChildSPI(0x10000 + uint32(made))
		_, ps := opened(t, a, give(t, w, a, b, message.ExchangeCreateChildSA, false, only(b).expectID,
			&message.SA{Proposals: []message.Proposal{offer}}, &message.Nonce{Data: bytes.Repeat([]byte{byte(made)}, 32)},
			&message.TSi{TrafficSelectors: wireSelectors(selectors("10.1.0.0/16"))}, &message.TSr{TrafficSelectors: wireSelectors(selectors("10.2.0.0/16"))}))
		if message.FindNotify(ps, message.NotifyNoAdditionalSAs) == nil {
			continue
		}
		if len(b.children) != made+1 || len(b.downs) > 0 {
			t.Errorf("refused with %d children, down %v", len(b.children), b.downs)
		}
		return
	}
	t.Errorf("%d children, and no end", len(b.children))
}
