package main

import (
	"os"
	"testing"
)

func TestParseSwitches(t *testing.T) {
	const text = "Name:\tvpngw\nvoluntary_ctxt_switches:\t120\nnonvoluntary_ctxt_switches:\t3\n"
	if n, err := parseSwitches(text); err != nil || n != 123 {
		t.Errorf("%d, %v, want 123", n, err)
	}
	for _, bad := range []string{"", "voluntary_ctxt_switches:\t1\n", "voluntary_ctxt_switches:\tx\nnonvoluntary_ctxt_switches:\t3\n"} {
		if _, err := parseSwitches(bad); err == nil {
			t.Errorf("%q was read without an error", bad)
		}
	}
	if n, err := switches(os.Getpid()); err != nil || n == 0 {
		t.Errorf("this process has switched %d times, %v", n, err)
	}
}
