package main

import (
	"math"

	"github.com/google/pprof/profile"
)

// cost is what one category of an account took.
type cost struct {
	Samples int64   `json:"samples"`
	Seconds float64 `json:"seconds"` // of processor time
}

// account is where the processor time of one gateway went.
type account struct {
	Samples int64             `json:"samples"`
	Seconds float64           `json:"seconds"` // all of it, as the profile counted
	Costs   map[category]cost `json:"costs"`
}

// accountOf sorts a CPU profile's samples into categories.
func accountOf(p *profile.Profile) account {
	a := account{Costs: map[category]cost{}}
	var stack []string
	for _, s := range p.Sample {
		stack = stack[:0]
		for _, l := range s.Location { // the innermost first, and of what was inlined in one place too
			for _, line := range l.Line {
				if line.Function != nil {
					stack = append(stack, line.Function.Name)
				}
			}
		}
		// A CPU profile of Go has two values: samples, and nanoseconds.
		n, seconds := s.Value[0], float64(s.Value[1])/1e9
		a.Samples += n
		a.Seconds += seconds
		category := classify(stack)
		c := a.Costs[category]
		a.Costs[category] = cost{c.Samples + n, c.Seconds + seconds}
	}
	return a
}

// share is a category's part of all samples.
func (a account) share(c category) float64 {
	if a.Samples == 0 {
		return 0
	}
	return float64(a.Costs[c].Samples) / float64(a.Samples)
}

// deviation is the standard deviation of a category's seconds. A sample is taken every 10 ms of processor time, so all
// of them are a measurement, but which of them fall into a category is chance: n of N is binomial.
func (a account) deviation(c category) float64 {
	if a.Samples == 0 {
		return 0
	}
	// A category in which no sample fell may still have had one.
	n := max(float64(a.Costs[c].Samples), 1)
	share := min(n/float64(a.Samples), 1)
	return math.Sqrt(n*(1-share)) * a.Seconds / float64(a.Samples)
}
