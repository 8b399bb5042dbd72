package lab

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestShortSlicesAreGivenBack: the thread serves others after a ping.
func TestShortSlicesAreGivenBack(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slice := func() uint64 {
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return attr.Runtime
	}
	before := slice()
	if before == 0 {
		t.Skip("threads of this kernel have no slices of their own: that came with Linux 6.12")
	}
	restore := shortSlices()
	if got := slice(); got != 100_000 {
		t.Errorf("a slice of %d ns", got)
	}
	restore()
	if got := slice(); got != before {
		t.Errorf("a slice of %d ns afterwards, it was %d", got, before)
	}
}
