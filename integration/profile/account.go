package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// account is where the processor time of one gateway went.
type account struct {
	Samples   int64              `json:"samples"`
	Lost      uint64             `json:"lost_samples"`
	Seconds   float64            `json:"seconds"` // of all samples
	Costs     map[category]int64 `json:"costs"`   // samples
	Functions []function         `json:"functions"`
}

// function is one in which samples were taken: itself, not what it called.
type function struct {
	Name     string   `json:"name"`
	Category category `json:"category"`
	Samples  int64    `json:"samples"`
}

// mostFunctions is how many an account keeps.
const mostFunctions = 100

// take samples a process and makes the account.
func take(pid int, names *symbols, d time.Duration) (a account, err error) {
	s, err := newSampler(pid)
	if err != nil {
		return a, err
	}
	defer s.close()
	type place struct {
		address  uint64
		category category
	}
	places := map[place]int64{}
	err = s.run(d, func(stack []uint64) {
		if len(stack) > 0 {
			places[place{stack[0], names.classify(stack)}]++
		}
	})
	a.Lost, a.Costs = s.lost, map[category]int64{}
	functions := map[function]int64{}
	for p, n := range places {
		a.Samples += n
		a.Costs[p.category] += n
		functions[function{Name: names.name(p.address), Category: p.category}] += n
	}
	a.Seconds = float64(a.Samples) * samplePeriod.Seconds()
	a.Functions = most(functions)
	return a, err
}

// most lists the functions with most samples.
func most(functions map[function]int64) (list []function) {
	for f, n := range functions {
		f.Samples = n
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b function) int {
		return cmp.Or(cmp.Compare(b.Samples, a.Samples), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Category, b.Category))
	})
	return list[:min(len(list), mostFunctions)]
}

// share is a category's part of all samples.
func (a account) share(c category) float64 {
	if a.Samples == 0 {
		return 0
	}
	return float64(a.Costs[c]) / float64(a.Samples)
}

// deviation is the standard deviation of a share. How many samples there are is no chance, but which of them fall into a
// category is: n of N is binomial.
func (a account) deviation(c category) float64 {
	if a.Samples == 0 {
		return 0
	}
	// A category in which no sample fell may still have had one.
	n, whole := float64(max(a.Costs[c], 1)), float64(a.Samples)
	return math.Sqrt(n*max(1-n/whole, 0)) / whole
}
