package lab

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestPinThread: a goroutine of this process runs where the namespace's programs do, and anywhere if these do.
func TestPinThread(t *testing.T) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	first := 0
	for !all.IsSet(first) {
		first++
	}
	for _, cpus := range [][]int{nil, {first}} {
		want := 1
		if cpus == nil {
			want = all.Count()
		}
		done := make(chan struct{})
		go func() { // its thread ends with it
			defer close(done)
			n := &Namespace{cpus: cpus}
			var got unix.CPUSet
			if err := n.PinThread(); err != nil {
				t.Error(err)
			} else if err := unix.SchedGetaffinity(0, &got); err != nil || got.Count() != want {
				t.Errorf("pinned to %v: %d processors, want %d, %v", cpus, got.Count(), want, err)
			}
		}()
		<-done
	}
}
