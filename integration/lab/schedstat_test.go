package lab

import (
	"testing"
	"time"
)

func TestParseSchedstat(t *testing.T) {
	if d, err := parseSchedstat("10352384 2000000 212\n"); err != nil || d != 2*time.Millisecond {
		t.Errorf("%v, %v, want 2 ms", d, err)
	}
	for _, text := range []string{"", "1 2\n", "1 x 3\n", "1 2 3 4\n"} {
		if _, err := parseSchedstat(text); err == nil {
			t.Errorf("%q was read without an error", text)
		}
	}
}
