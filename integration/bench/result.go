package main

import (
	"fmt"
	"time"
)

// resultFormat counts up when a key of the JSON changes its meaning or name.
const resultFormat = 1

// result is the whole run: everything measured, and the summary made from it.
type result struct {
	Format      int              `json:"format"`
	Started     time.Time        `json:"started"`
	Machine     machine          `json:"machine"`
	Settings    settings         `json:"settings"`
	Contestants []contestantInfo `json:"contestants"`
	Samples     []sample         `json:"samples"`
	Summary     []summary        `json:"summary"`
	Failures    []failure        `json:"failures"`
}

// settings are the flags that shape the figures.
type settings struct {
	Rounds    int    `json:"rounds"`
	Seconds   int    `json:"seconds"` // of each measurement
	Pin       bool   `json:"pin"`
	UDPMbit   int    `json:"udp_mbit_per_s"` // payload of the 64-byte case
	CPUSource string `json:"cpu_source"`     // lab.CPUGroup or lab.CPUMachine
}

// contestantInfo says what exactly ran.
type contestantInfo struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// sample is one measurement: one contestant, one case, one round.
type sample struct {
	Wire       string             `json:"wire"`
	Case       string             `json:"case"`
	Round      int                `json:"round"`    // from 0
	Position   int                `json:"position"` // turn within the round, from 0
	Contestant string             `json:"contestant"`
	Values     map[string]float64 `json:"values"`
}

// failure says why something is missing from the samples. Case is empty when
// the contestant did not come up at all.
type failure struct {
	Wire       string `json:"wire,omitempty"`
	Case       string `json:"case,omitempty"`
	Round      int    `json:"round"`
	Contestant string `json:"contestant"`
	Error      string `json:"error"`
}

func (f failure) String() string {
	if f.Case == "" {
		return fmt.Sprintf("%s could not run%s: %s", f.Contestant, onWire(f.Wire), f.Error)
	}
	return fmt.Sprintf("%s, %s%s, round %d: %s", f.Contestant, f.Case, onWire(f.Wire), f.Round+1, f.Error)
}

func onWire(name string) string {
	if name == "" {
		return ""
	}
	return " on the " + name + " wire"
}
