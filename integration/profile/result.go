package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// result is everything that was seen, and the form of the JSON file.
type result struct {
	Started time.Time `json:"started"`
	Machine string    `json:"machine"`
	Version string    `json:"version"` // of the program
	Pin     bool      `json:"pin"`
	Source  string    `json:"cpu_source"` // of path.CPU: lab.CPUGroup or lab.CPUMachine
	Runs    []run     `json:"runs"`
}

// run is one kind of traffic on one wire.
type run struct {
	Wire     string     `json:"wire"`
	Traffic  string     `json:"traffic"`
	Unit     string     `json:"unit"` // of traffic, that costs are given for
	Path     path       `json:"path"`
	Gateways []*gateway `json:"gateways"` // A, B
}

// path is the processor time of all that the traffic needed: hosts, kernel, gateways.
type path struct {
	Seconds float64 `json:"seconds"`         // of the clock
	CPU     float64 `json:"cpu_seconds"`     // of all
	SoftIRQ float64 `json:"softirq_seconds"` // of the machine, as its clock tick sampled
	A       float64 `json:"gateway_a_seconds"`
	B       float64 `json:"gateway_b_seconds"`
}

// gateway is one gateway's account, and what it counted meanwhile.
type gateway struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	Seconds  float64  `json:"seconds"`     // of the clock
	CPU      float64  `json:"cpu_seconds"` // of the process, as the kernel counted
	Units    float64  `json:"units"`       // carried
	Account  account  `json:"account"`
	Counters counters `json:"counters"`
}

// micros is what a category cost for one unit of traffic, and its standard deviation, in microseconds: its share of what
// the kernel counted.
func (g *gateway) micros(c category) (cost, deviation float64) {
	return g.Account.share(c) * g.total(), g.Account.deviation(c) * g.total()
}

// total is what all of the gateway cost for one unit of traffic, in microseconds.
func (g *gateway) total() float64 { return 1e6 * g.CPU / g.Units }

// gap is by how much the time of all samples differs from what the kernel counted, as a part of that.
func (g *gateway) gap() float64 {
	if g.CPU == 0 {
		return 0
	}
	return g.Account.Seconds/g.CPU - 1
}

// gigabits is what the gateway carried in a second, both ways.
func (g *gateway) gigabits() float64 {
	bytes, _, _ := g.Counters.carried()
	return float64(bytes) * 8 / 1e9 / g.Seconds
}

// find returns the same run of another result; nil: it has none.
func (r *result) find(wire, traffic string) *run {
	for i := range r.Runs {
		if r.Runs[i].Wire == wire && r.Runs[i].Traffic == traffic {
			return &r.Runs[i]
		}
	}
	return nil
}

func (r *result) write(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func readResult(file string) (*result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}
