package fairness

import (
	"flag"
	"os"
	"testing"
)

// TestMain makes rapid's scripts longer, unless the command line says how long.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "400")
	_ = flag.Set("rapid.steps", "60")
	flag.Parse()
	os.Exit(m.Run())
}
