package message

// TrafficSelectors is the content of both Traffic Selector payloads (RFC 7296
// section 3.13).
type TrafficSelectors struct {
	Generic
	Selectors []TrafficSelector // 1 to MaxSelectors
}

// TSi describes the addresses at the side of the exchange's initiator.
type TSi struct{ TrafficSelectors }

// TSr describes the addresses at the side of the exchange's responder.
type TSr struct{ TrafficSelectors }

// PayloadType returns PayloadTSi.
func (*TSi) PayloadType() PayloadType { return PayloadTSi }

// PayloadType returns PayloadTSr.
func (*TSr) PayloadType() PayloadType { return PayloadTSr }

func parseSelectors(g Generic, r *reader) TrafficSelectors {
	p := TrafficSelectors{Generic: g}
	n := int(r.uint8())
	r.skip(3)
	if r.ok() && n == 0 {
		r.fail("no traffic selector")
	}
	for i := 0; i < n && r.ok(); i++ {
		p.Selectors = append(p.Selectors, parseSelector(r))
	}
	if len(r.b) != 0 {
		r.fail("%d bytes behind the last traffic selector", len(r.b))
	}
	return p
}

func (p *TrafficSelectors) appendBody(w *writer) {
	if n := len(p.Selectors); n == 0 || n > MaxSelectors {
		w.fail("%d traffic selectors, not 1 to %d", n, MaxSelectors)
	}
	w.uint8(uint8(len(p.Selectors)))
	w.zeros(3)
	for i := range p.Selectors {
		p.Selectors[i].append(w)
	}
}
