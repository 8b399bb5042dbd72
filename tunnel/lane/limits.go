package lane

// Limits bound the use of one SA in one direction (RFC 4301 §4.4.2.1): at the soft ones
// control is asked for new keys, from the hard ones on every packet is dropped. Bytes
// are those of inner packets. 0 is no limit.
type Limits struct {
	SoftBytes, SoftPackets uint64
	HardBytes, HardPackets uint64
}

// usage is what an SA has carried, and what control was told of it.
type usage struct {
	bytes, packets     uint64
	toldSoft, toldHard bool
}

func reached(n, limit uint64) bool { return limit > 0 && n >= limit }

// soft tells whether control is still to be asked for new keys.
func (u *usage) soft(l *Limits) bool {
	return !u.toldSoft && (reached(u.bytes, l.SoftBytes) || reached(u.packets, l.SoftPackets))
}

// spent tells whether the SA may carry nothing more.
func (u *usage) spent(l *Limits) bool {
	return reached(u.bytes, l.HardBytes) || reached(u.packets, l.HardPackets)
}

// tellHard tells control, once, that the child cannot go on.
func (l *Lane) tellHard(u *usage, t *Tunnel, child uint32) {
	if !u.toldHard {
		u.toldHard = l.tell(HardLimit{Tunnel: t, SPI: child})
	}
}

// tellSoft tells control, once, that the child should be replaced.
func (l *Lane) tellSoft(u *usage, limits *Limits, t *Tunnel, child uint32) {
	if u.soft(limits) {
		u.toldSoft = l.tell(SoftLimit{Tunnel: t, SPI: child})
	}
}
