package main

import (
	"fmt"
	"strconv"

	"vpngw/integration/lab/daemon"
	"vpngw/integration/lab/load"
)

const (
	// enough is the bar: TCP beside a flood that vpngw must refuse ÷ TCP beside the
	// same flood to a port where nobody listens.
	enough = 0.90
	// mostMemory is the bar: resident memory under flood above that before it.
	mostMemory = 16 << 20
	// mostReplies is the bar: bytes of replies ÷ bytes of the flood. However much comes,
	// only so much is answered.
	mostReplies = 0.10
)

// floodVerdict is what the rounds of a case come to.
type floodVerdict struct {
	name             string
	with, without    float64 // Gbit/s, medians
	ratio            float64 // median of the rounds
	each             float64 // µs
	rate             float64 // datagrams a second, the slowest round
	grown            int64
	length           int
	longest, replies int
	replyShare       float64 // bytes of replies ÷ bytes of requests, the worst round
	drops            map[string]uint64
}

func judgeFloods(cases []floodCase, rounds []floodRound) (verdicts []floodVerdict) {
	for _, fc := range cases {
		v := floodVerdict{name: fc.String(), drops: map[string]uint64{}}
		with, without := map[int]float64{}, map[int]float64{}
		var all [2][]float64
		var each []float64
		for _, r := range rounds {
			if r.Case != v.name {
				continue
			}
			if v.rate == 0 || r.Sent < v.rate {
				v.rate = r.Sent
			}
			if !r.Listening {
				without[r.Round] = r.Gbit
				all[0] = append(all[0], r.Gbit)
				continue
			}
			with[r.Round] = r.Gbit
			if r.Each > 0 {
				each = append(each, r.Each)
			}
			all[1] = append(all[1], r.Gbit)
			v.grown, v.length = max(v.grown, r.Grown), r.Length
			v.longest, v.replies = max(v.longest, r.Replies.Longest), v.replies+r.Replies.Count
			v.replyShare = max(v.replyShare, float64(r.Replies.Bytes)/float64(max(r.Length*r.Datagrams, 1)))
			v.drops = sum(v.drops, r.Drops)
		}
		var ratios []float64 // a pair of measurements each, seconds apart
		for round, gbit := range with {
			if base := without[round]; base > 0 {
				ratios = append(ratios, gbit/base)
			}
		}
		v.without, v.with, v.ratio, v.each = load.Median(all[0]), load.Median(all[1]), load.Median(ratios), load.Median(each)
		verdicts = append(verdicts, v)
	}
	return verdicts
}

func floodTable(verdicts []floodVerdict) [][]string {
	rows := [][]string{{"flood", "bytes", "sent/s ≥", "Gbit/s", "nobody listens", "ratio", "µs each", "memory", "replies", "longest", "drops"}}
	for _, v := range verdicts {
		rows = append(rows, []string{v.name, strconv.Itoa(v.length), fmt.Sprintf("%.0f", v.rate), fmt.Sprintf("%.2f", v.with), fmt.Sprintf("%.2f", v.without),
			fmt.Sprintf("%.3f", v.ratio), fmt.Sprintf("%.1f", v.each), fmt.Sprintf("%+.1f MiB", float64(v.grown)/(1<<20)), strconv.Itoa(v.replies), strconv.Itoa(v.longest), daemon.FormatDrops(v.drops)})
	}
	return rows
}

// floodBars judges the throughput of every case, and the rest of all of them.
func floodBars(verdicts []floodVerdict) []bar {
	var bars []bar
	var grown int64
	share, tooLong := 0.0, "none"
	for _, v := range verdicts {
		bars = append(bars, bar{v.name + ": TCP ÷ TCP where nobody listens", fmt.Sprintf("%.3f", v.ratio), fmt.Sprintf("≥ %.2f", enough), v.ratio >= enough})
		grown, share = max(grown, v.grown), max(share, v.replyShare)
		if v.longest > v.length {
			tooLong = fmt.Sprintf("%d bytes to %d of %s", v.longest, v.length, v.name)
		}
	}
	return append(bars,
		bar{"memory above that before the floods", fmt.Sprintf("%+.1f MiB", float64(grown)/(1<<20)), fmt.Sprintf("≤ +%d MiB", mostMemory>>20), grown <= mostMemory},
		bar{"replies longer than their requests", tooLong, "none", tooLong == "none"},
		bar{"bytes of replies ÷ bytes of requests, the worst", fmt.Sprintf("%.3f", share), fmt.Sprintf("≤ %.2f", mostReplies), share <= mostReplies})
}
