package load

import (
	"testing"
	"time"
)

// Readings grow towards the result, and no delay is given twice.
func TestWatch(t *testing.T) {
	t.Parallel()
	a, b, address := twoHosts(t)
	var readings []Reading
	l := Load{
		Flows:    []Flow{{From: a, To: b, Address: address}},
		Probes:   []Probe{{From: a, To: b, Address: address}},
		Duration: 2*time.Second + time.Second/2,
		Watch:    func(r Reading) { readings = append(readings, r) },
	}
	result, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(readings) != 2 {
		t.Fatalf("%d readings in 2.5 s", len(readings))
	}
	before, arrived := uint64(0), 0
	for i, r := range readings {
		if r.At < time.Duration(i+1)*time.Second || len(r.Received) != 1 || len(r.Delays) != 1 {
			t.Fatalf("reading %d: at %v, %d flows, %d probes", i, r.At, len(r.Received), len(r.Delays))
		}
		if r.Received[0] < before+1<<20 {
			t.Errorf("reading %d: %d bytes received, before it %d", i, r.Received[0], before)
		}
		before = r.Received[0]
		if len(r.Delays[0]) < 50 {
			t.Errorf("reading %d: %d delays in a second", i, len(r.Delays[0]))
		}
		arrived += len(r.Delays[0])
	}
	if last := result.Flows[0].Received; before > last[len(last)-1] {
		t.Errorf("%d bytes in the last reading, %d in the end", before, last[len(last)-1])
	}
	if all := len(result.Probes[0].Delays); arrived > all {
		t.Errorf("%d delays were read of %d", arrived, all)
	}
}
