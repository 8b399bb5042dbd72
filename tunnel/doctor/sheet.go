package doctor

import "strconv"

// Row is one line about an interface: a feature or a setting, and what is best for it.
type Row struct {
	Name  string `json:"name"`
	Under string `json:"under,omitempty"` // the heading of `ethtool -k` that it stands under
	State string `json:"state"`           // in the words of `ethtool -k`, or a number
	Want  string `json:"want"`            // "": it does not matter
	Good  bool   `json:"good"`            // State is as wanted, or cannot be
	Why   string `json:"why"`             // in one sentence
}

// Sheet is the settings and features of an interface, grouped as `ethtool -k` does.
func Sheet(f *Facts, i *Interface) []Row {
	rows := settings(f, i)
	for _, g := range groups {
		var under []Row
		any := false
		for _, name := range g.rest {
			if r, ok := featureRow(f, i, name, name); ok {
				r.Under = g.heading
				under = append(under, r)
				any = any || i.Features[name].On
			}
		}
		if g.feature != "" {
			if r, ok := featureRow(f, i, g.feature, g.heading); ok {
				rows = append(rows, r)
			}
		} else if under != nil {
			rows = append(rows, Row{Name: g.heading, State: Feature{On: any, Requested: any}.State(), Good: true})
		}
		rows = append(rows, under...)
	}
	return rows
}

func featureRow(f *Facts, i *Interface, name, shown string) (Row, bool) {
	have, ok := i.Features[name]
	if !ok {
		return Row{}, false
	}
	want, why := advice(f, i, name)
	if have.Fixed && want != "" && have.On != (want == "on") && name != lro {
		want, why = "", "this device does not have it" // a way to say that nothing can be done
	}
	return Row{
		Name: shown, State: have.State(), Want: want, Why: why,
		Good: want == "" || have.On == (want == "on"),
	}, true
}

func settings(f *Facts, i *Interface) []Row {
	mtu := Row{Name: "mtu", State: strconv.Itoa(i.MTU), Good: true}
	queue := Row{Name: "txqueuelen", State: strconv.Itoa(i.TxQueueLen), Good: true}
	qdisc := Row{Name: "qdisc", State: i.Qdisc, Good: true}
	switch {
	case i.Is(TUN):
		mtu.Why = "longest inner packet that crosses every known path in one datagram"
		if most := innerMTU(f); most != 0 {
			mtu.Want, mtu.Good = strconv.Itoa(most), i.MTU <= most
		}
		if f.MTU != 0 {
			mtu.Why = "the tunnel file sets it"
		}
		queue.Want, queue.Good = strconv.Itoa(tunQueueLen), i.TxQueueLen == tunQueueLen
		queue.Why = "what waits here cannot be ordered by flow; the gateway's own queue does that"
	case i.Is(Uplink):
		qdisc.Why = "the gateway keeps little in it and orders packets before it"
	}
	rows := []Row{mtu, queue, qdisc}
	if !i.Is(TUN) && i.GROMaxSize != 0 {
		most := max(i.GROMaxSize, i.GROMaxIPv4)
		rows = append(rows, Row{Name: "gro_max_size", State: strconv.Itoa(most), Want: strconv.Itoa(legacyMaxSize),
			Good: most <= legacyMaxSize, Why: "a TUN device takes no more: larger superpackets are cut up before it"})
	}
	if i.GSOMaxSize != 0 {
		rows = append(rows, Row{Name: "gso_max_size", State: strconv.Itoa(i.GSOMaxSize), Good: true})
	}
	return rows
}
