package tunnel

// tellMTU tells the lane how long t's packets may be.
func (g *Gateway) tellMTU(t *tunnel) {
	if g.lane == nil || t.told == t.inner { // there is none before setUp
		return
	}
	t.told = t.inner
	inner := t.inner
	g.lane.Do(func() { g.lane.SetMTU(t.lane, inner) })
}

// chooseErrorSource tells the lane where the ICMP errors that it makes come from.
func (g *Gateway) chooseErrorSource() {
	if g.tun == nil {
		return
	}
	v4, v6 := g.net.ErrorSources()
	g.lane.Do(func() { g.lane.SetErrorSource(v4, v6) })
}
