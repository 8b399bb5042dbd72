package main

import (
	"fmt"
	"slices"
	"strings"
)

// choice is what a run consists of.
type choice struct {
	contestants []contestant
	cases       []benchCase
	wires       []wireKind
}

// choose picks by the names in only, separated by commas. A kind of which only
// names none is taken whole. An unknown name is an error, so that a misspelt
// contestant is not silently left out.
func choose(only string) (choice, error) {
	all := choice{usualContestants(), allCases(), usualWires()}
	if strings.TrimSpace(only) == "" {
		return all, nil
	}
	names := strings.Split(only, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
		if known := allNames(); !slices.Contains(known, names[i]) {
			return choice{}, fmt.Errorf("-only: no contestant, case or wire is called %q; there are %s", names[i], strings.Join(known, ", "))
		}
	}
	return choice{
		contestants: named(all.contestants, allContestants(), names, contestant.Name),
		cases:       named(all.cases, all.cases, names, func(c benchCase) string { return c.Name }),
		wires:       named(all.wires, allWires(), names, func(w wireKind) string { return w.Name }),
	}, nil
}

// named returns the items whose names are listed, or the usual ones if none is.
func named[T any](usual, items []T, names []string, name func(T) string) []T {
	var out []T
	for _, item := range items {
		if slices.Contains(names, name(item)) {
			out = append(out, item)
		}
	}
	if len(out) == 0 {
		return usual
	}
	return out
}

// allNames lists the names that -only knows.
func allNames() []string {
	var names []string
	for _, c := range allContestants() {
		names = append(names, c.Name())
	}
	for _, c := range allCases() {
		names = append(names, c.Name)
	}
	for _, w := range allWires() {
		names = append(names, w.Name)
	}
	return names
}
