package main

import (
	"encoding/json"
	"fmt"
	"os"
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
	Switches uint64   `json:"switches"`    // away from its threads
	Account  account  `json:"account"`
	Counters counters `json:"counters"`
}

// micros is what a category cost for one unit of traffic, and its standard deviation, in microseconds.
func (g *gateway) micros(c category) (cost, deviation float64) {
	return g.sampled() * g.Account.share(c), g.sampled() * g.Account.deviation(c)
}

// sampled is what all samples stand for, for one unit of traffic, in microseconds.
func (g *gateway) sampled() float64 { return 1e6 * g.Account.Seconds / g.Units }

// total is what all of the gateway cost for one unit of traffic, in microseconds, as the kernel counted.
func (g *gateway) total() float64 { return 1e6 * g.CPU / g.Units }

// unsampled is what the kernel counted beside, for one unit of traffic, in microseconds: the ends of switches between
// tasks, in which no sample can be taken, and what the sampler itself does there.
func (g *gateway) unsampled() float64 { return g.total() - g.sampled() }

// explained tells whether the switches between tasks can be what was not sampled.
func (g *gateway) explained() bool {
	missing, slack := g.CPU-g.Account.Seconds, tolerance*g.CPU+tickSeconds
	return missing >= -slack && missing <= slack+switchSeconds*float64(g.Switches)
}

const (
	// tolerance is by how much the samples may differ from what the kernel counted, but for the switches.
	tolerance = 0.03
	// tickSeconds is the step in which the kernel shows its count.
	tickSeconds = 0.01
	// switchSeconds is the most that a switch takes before and behind what can be sampled, with the setting of the
	// sampler's own timer, for which a virtual machine has to ask its host.
	switchSeconds = 15e-6
)

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
