package main

import (
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab/command"
)

// seen is a run in which gateway A carried 1,000 units at 20 µs, half of it AEAD.
func seen(aeadSamples int64) run {
	whole := aeadSamples + 1000
	g := func(name string) *gateway {
		g := &gateway{Name: name, Role: "seals", Seconds: 1, CPU: float64(whole) / 100, Units: 1e6, Account: account{
			Samples: whole, Seconds: float64(whole) / 100,
			Costs:     map[category]int64{aead: aeadSamples, tunRead: 1000},
			Functions: []function{{"rep_movs_alternative", tunRead, 900}, {"gcmAesEnc", aead, 500}},
		}}
		g.Counters = counters{
			Edges: edges{
				TUNRead: edge{Calls: 100, Packets: 4500, WouldBlock: 50, Sizes: []uint64{5, 0, 0, 0, 0, 95, 0, 0}},
				UDPSend: edge{Calls: 120, Packets: 4500, Sizes: []uint64{0, 0, 0, 0, 0, 120, 0, 0}},
			},
			Lane:    lane{Turns: 300, Sleeps: 90, Naps: 72, Wakes: map[string]uint64{"tun": 81, "socket": 9, "timer": 0}, TrainEnds: map[string]uint64{"turn": 30, "full": 90}},
			Tunnels: []flow{{BytesOut: 1e9 / 8, PacketsOut: 4500, Fallbacks: 2}},
		}
		return g
	}
	return run{Wire: "default", Traffic: "tcp1", Unit: "64 KiB", Gateways: []*gateway{g("A"), g("B")},
		Path: path{Seconds: 1, CPU: 2, SoftIRQ: 0.25, A: 0.5, B: 1}}
}

func TestWriteRun(t *testing.T) {
	r := seen(1000)
	r.Gateways[0].CPU += 2
	r.Gateways[0].Switches = 1e6
	r.Gateways[1].CPU += 3
	r.Gateways[1].Account.Lost = 7
	var b strings.Builder
	writeRun(&b, "default wire, TCP ×1", &r)
	for _, want := range []string{
		"### default wire, TCP ×1: 1.00 Gbit/s through the tunnel\n",
		"| AEAD                     |   10.00 ± 0.22 |  45.5 |   10.00 ± 0.22 |  43.5 |\n",
		"| the rest                 |    0.00 ± 0.01 |   0.0 |",
		"| task switches, unsampled |           2.00 |   9.1 |           3.00 |  13.0 |\n",
		"| **sum**                  |          22.00 |   100 |          23.00 |   100 |\n",
		"    1000000 switches between tasks a second, of all its threads\n",
		"    TUN read                100            45.0       5    0    0    0    0   95    0    0                 50\n",
		"300 turns and 90 sleeps a second, 80 % of them naps, 50.0 packets a wake-up; woken by tun 90.0 %, socket 10.0 %\n",
		"trains sent because of full 75.0 %, turn 25.0 %; sent one by one after a refusal: 2\n",
		"Whole path: 2.00 processors; gateway A 0.50 (25 %), gateway B 1.00 (50 %), hosts and the kernel's own threads 0.50 (25 %); softirqs of the machine 0.25.\n",
		"The samples of gateway B stand for 20.00 s, the kernel counted 23.00 s",
		"7 samples of gateway B were LOST.",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "The samples of gateway A") {
		t.Error("what the switches explain is said to be unexplained")
	}
}

func TestWriteDifferences(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	before := &result{Version: "old", Started: at, Machine: "m", Runs: []run{seen(1000)}}
	now := &result{Version: "new", Machine: "m", Runs: []run{seen(500), {Wire: "nic", Traffic: "tcp1"}}}
	var b strings.Builder
	writeDifferences(&b, now, before)
	for _, want := range []string{
		"### Differences to old of 2026-01-02 03:04\n",
		"| default, tcp1, A per 64 KiB | **sum** | 20.00 | 15.00 | -5.00 (-25 %) | 0.00 |\n",
		"| default, tcp1, B per 64 KiB | AEAD | 10.00 | 5.00 | -5.00 (-50 %) | 0.29 |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for _, not := range []string{"kernel: TUN read", "nic", "another machine"} {
		if strings.Contains(b.String(), not) {
			t.Errorf("%q in\n%s", not, b.String())
		}
	}
	before.Machine = "n"
	b.Reset()
	writeDifferences(&b, before, now)
	if !strings.Contains(b.String(), "another machine") {
		t.Error("figures of two machines are compared without a word")
	}
}

func TestWriteFunctions(t *testing.T) {
	r := seen(1000)
	var b strings.Builder
	writeFunctions(&b, &r, 1)
	if want := "         9.00   45.0 %   kernel: TUN read         rep_movs_alternative\n"; strings.Count(b.String(), want) != 2 {
		t.Errorf("not twice %q in\n%s", want, b.String())
	}
	if strings.Contains(b.String(), "gcmAesEnc") {
		t.Error("more functions than asked for")
	}
}

// What is written is read back.
func TestResultFile(t *testing.T) {
	file := t.TempDir() + "/out/profile.json"
	r := &result{Version: "v", Runs: []run{seen(10)}}
	if err := command.WriteJSON(file, r); err != nil {
		t.Fatal(err)
	}
	got, err := readResult(file)
	if err != nil {
		t.Fatal(err)
	}
	one := got.find("default", "tcp1")
	if one == nil || one.Gateways[1].Account.Costs[aead] != 10 || got.find("nic", "tcp1") != nil {
		t.Errorf("read %+v", got)
	}
	if _, err := readResult(file + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		text         string
		wires, kinds int
	}{{"", 2, 5}, {"nic", 1, 5}, {"tcp1, udp64", 2, 2}, {"default,bidir", 1, 1}} {
		w, k, err := choose(c.text)
		if err != nil || len(w) != c.wires || len(k) != c.kinds {
			t.Errorf("%q chooses %d wires and %d kinds, %v", c.text, len(w), len(k), err)
		}
	}
	if _, _, err := choose("tcp2"); err == nil || !strings.Contains(err.Error(), "tcp1") {
		t.Errorf("an unknown name gives %v", err)
	}
}
