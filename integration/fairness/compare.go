package main

// compared are the scenarios in which TCP alone shares a wire or a processor evenly, and goodput can be compared.
var compared = map[string]bool{"even": true, "busy": true}

// besideFIFO judges the subject's goodput by that of the same gateway with its queue switched off.
func besideFIFO(all []*measurement) (bars []bar) {
	for _, m := range all {
		if m.Contestant != subject || m.Variant != "" || !compared[m.Scenario] {
			continue
		}
		for _, o := range all {
			same := o.Scenario == m.Scenario && o.Wire == m.Wire && o.Congestion == m.Congestion && o.Variant == ""
			if !same || o.Contestant != shapedFIFO || o.total() == 0 {
				continue
			}
			b := atLeast(7, "goodput ÷ that of a FIFO", m.total()/o.total(), leastOfFIFO)
			b.Scenario, b.Contestant, b.Rate, b.Congestion = m.Scenario, subject, m.Wire.Rate, m.Congestion
			bars = append(bars, b)
		}
	}
	return bars
}
