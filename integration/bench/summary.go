package main

// summary is one row of the table: one figure of one case on one wire, with
// the spread of every contestant over the rounds.
type summary struct {
	Wire   string            `json:"wire"`
	Case   string            `json:"case"`
	Metric string            `json:"metric"`
	Spread map[string]spread `json:"spread"` // by contestant
	// Ratios has vpngw's figure divided by each other contestant's,
	// computed in each round and then summarised.
	Ratios map[string]spread `json:"ratios,omitempty"`

	title  string
	digits int
}

// summarise makes the rows from the samples, in the order of wires, cases and
// metrics.
func summarise(samples []sample, wires []wireKind, cases []benchCase) []summary {
	rows := []summary{}
	for _, w := range wires {
		for _, c := range cases {
			for _, m := range metrics {
				by := collect(samples, w.Name, c.Name, m.Key)
				if len(by) == 0 {
					continue
				}
				rows = append(rows, makeSummary(w.Name, c.Name, m.Key, m.Title, m.Digits, by))
				plain, ok := by[plainName]
				if !m.Added || !ok {
					continue
				}
				added := map[string]series{}
				for name, s := range by {
					if name != plainName {
						added[name] = difference(s, plain)
					}
				}
				if len(added) > 0 {
					rows = append(rows, makeSummary(w.Name, c.Name, addedPrefix+m.Key, "… added to plain", m.Digits, added))
				}
			}
		}
	}
	return rows
}

// collect picks one figure out of the samples, by contestant and round.
func collect(samples []sample, wire, name, key string) map[string]series {
	by := map[string]series{}
	for _, s := range samples {
		v, ok := s.Values[key]
		if !ok || s.Wire != wire || s.Case != name {
			continue
		}
		if by[s.Contestant] == nil {
			by[s.Contestant] = series{}
		}
		by[s.Contestant][s.Round] = v
	}
	return by
}

func makeSummary(wire, name, key, title string, digits int, by map[string]series) summary {
	row := summary{
		Wire: wire, Case: name, Metric: key, title: title, digits: digits,
		Spread: map[string]spread{}, Ratios: map[string]spread{},
	}
	for other, s := range by {
		if v, ok := spreadOf(s.values()); ok {
			row.Spread[other] = v
		}
		if other == subjectName {
			continue
		}
		if v, ok := spreadOf(ratio(by[subjectName], s).values()); ok {
			row.Ratios[other] = v
		}
	}
	return row
}
