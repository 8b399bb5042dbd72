package main

import (
	"fmt"
	"strconv"
	"time"

	"vpngw/integration/lab/daemon"
)

// rekeyTable shows the rounds.
func rekeyTable(rounds []rekeyRound) [][]string {
	rows := [][]string{{"pair", "rekeying", "Gbit/s", "child", "IKE", "failed", "probe sent", "lost", "reordered", "twice", "longest gap", "congestion", "other drops", "wire"}}
	for _, r := range rounds {
		rows = append(rows, []string{strconv.Itoa(r.Pair + 1), fmt.Sprint(r.Rekeying), fmt.Sprintf("%.2f", r.Gbit),
			strconv.Itoa(r.Child), strconv.Itoa(r.IKE), strconv.Itoa(r.Failed),
			strconv.Itoa(r.Probe.Sent), strconv.Itoa(r.Probe.Lost), strconv.Itoa(r.Probe.Reordered), strconv.Itoa(r.Probe.Duplicates),
			r.Probe.LongestGap.Round(100 * time.Microsecond).String(), fmt.Sprint(r.Congested), daemon.FormatDrops(r.Others), fmt.Sprint(r.Wire)})
	}
	return rows
}

// rekeyBars judges the rounds.
func rekeyBars(s rekeySettings, rounds []rekeyRound) []bar {
	var child, ike, failed int
	var with, without probeResult
	var congested, congestedWithout uint64
	others := map[string]uint64{}
	gbit := map[bool]map[int]float64{true: {}, false: {}}
	for _, r := range rounds {
		gbit[r.Rekeying][r.Pair] = r.Gbit
		if !r.Rekeying {
			without = without.add(r.Probe)
			congestedWithout += r.Congested + r.Wire
			continue
		}
		with = with.add(r.Probe)
		congested += r.Congested + r.Wire
		child, ike, failed = child+r.Child, ike+r.IKE, failed+r.Failed
		others = sum(others, r.Others)
	}
	var ratios []float64
	for pair, rate := range gbit[true] {
		if base := gbit[false][pair]; base > 0 {
			ratios = append(ratios, rate/base)
		}
	}
	ratio := median(ratios)
	bars := []bar{
		{"child rekeys done by both gateways", strconv.Itoa(child), fmt.Sprintf("≥ %d", s.Child), child >= s.Child},
		{"IKE rekeys done by both gateways", strconv.Itoa(ike), fmt.Sprintf("≥ %d", s.IKE), ike >= s.IKE},
		{"rekeys asked for and not done in " + rekeyTimeout.String(), strconv.Itoa(failed), "0", failed == 0},
		{"packets dropped by the gateways, but for full queues", daemon.FormatDrops(others), "none", len(others) == 0},
		{"probe: packets reordered", compared(with.Reordered, without.Reordered), "no more than without", with.Reordered <= without.Reordered},
		{"probe: packets that came twice", compared(with.Duplicates, without.Duplicates), "no more than without", with.Duplicates <= without.Duplicates},
		{"probe: packets lost", fmt.Sprintf("%s; full queues dropped %d (without: %d)", compared(with.Lost, without.Lost), congested, congestedWithout),
			"no more than without", lossOK(with.Lost, without.Lost, congested)},
		{"throughput with rekeys ÷ without, median of the pairs", fmt.Sprintf("%.3f", ratio), fmt.Sprintf("≥ %.2f", sameRate), ratio >= sameRate},
	}
	if s.Lifetime > 0 {
		bars = bars[3:] // as many as the lifetime gives
	}
	return bars
}

func compared(with, without int) string { return fmt.Sprintf("%d (without: %d)", with, without) }

// lossOK tells whether the rekeys lost nothing: a packet of the probe may be missing
// only where full queues dropped as many, and such losses come without rekeys too.
func lossOK(with, without int, congested uint64) bool {
	return with == 0 || uint64(with) <= congested && with <= without
}
