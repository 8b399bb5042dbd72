package main

import (
	"fmt"
	"strconv"
	"time"

	"vpngw/integration/lab/daemon"
	"vpngw/integration/lab/load"
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
	ratio := load.Median(ratios)
	return []bar{
		{"child rekeys done by both gateways", strconv.Itoa(child), fmt.Sprintf("≥ %d", s.Child), child >= s.Child},
		{"IKE rekeys done by both gateways", strconv.Itoa(ike), fmt.Sprintf("≥ %d", s.IKE), ike >= s.IKE},
		{"rekeys asked for and not done in " + rekeyTimeout.String(), strconv.Itoa(failed), "0", failed == 0},
		{"packets dropped by the gateways, but for full queues", daemon.FormatDrops(others), "none", len(others) == 0},
		{"probe: packets reordered", compared(with.Reordered, without.Reordered), "no more than without", with.Reordered <= without.Reordered},
		{"probe: packets that came twice", compared(with.Duplicates, without.Duplicates), "no more than without", with.Duplicates <= without.Duplicates},
		{"probe: packets lost", fmt.Sprintf("%s; full queues dropped %d (without: %d)", compared(with.Lost, without.Lost), congested, congestedWithout),
			"none but by full queues, as without", lossOK(with, without, congested)},
		{"throughput with rekeys ÷ without, median of the pairs", fmt.Sprintf("%.3f", ratio), fmt.Sprintf("≥ %.2f", sameRate), ratio >= sameRate},
	}
}

func compared(with, without int) string { return fmt.Sprintf("%d (without: %d)", with, without) }

// mostMore is what may be lost of the probe beyond what was lost without rekeys: the
// scheduler stalls a gateway now and then, and the ring in front of it overflows.
const mostMore = 1e-3

// lossOK tells whether the rekeys lost nothing: each packet of the probe that is
// missing must be among those that a full queue was seen to drop, and such losses must
// be as rare as without rekeys.
func lossOK(with, without probeResult, congested uint64) bool {
	return uint64(with.Lost) <= congested && with.share() <= without.share()+mostMore
}
