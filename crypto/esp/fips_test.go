package esp

import (
	"crypto/fips140"
	"errors"
	"os"
	"os/exec"
	"testing"
)

// The FIPS 140-3 mode is fixed when a program starts, so the tests run
// themselves once more in each.
func TestFIPS(t *testing.T) {
	for _, mode := range []string{"on", "only"} {
		t.Run(mode, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self, "-test.run=^TestInFIPSMode$", "-test.v")
			cmd.Env = append(os.Environ(), "GODEBUG=fips140="+mode, "ESP_TEST_FIPS="+mode)
			if output, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("GODEBUG=fips140=%s: %v\n%s", mode, err, output)
			}
		})
	}
}

func TestInFIPSMode(t *testing.T) {
	mode := os.Getenv("ESP_TEST_FIPS")
	if mode == "" {
		t.Skip("run by TestFIPS in a program of its own")
	}
	if !fips140.Enabled() || fips140.Enforced() != (mode == "only") {
		t.Fatalf("mode %s is not in force", mode)
	}
	for _, s := range suites {
		if mode == "on" {
			out, in := newPair(t, s, true)
			packet := pattern(100)
			mustOpen(t, in, mustSeal(t, out, packet, 4), packet, 4)
			dst := make([]byte, SealedLen(len(packet)))
			if n := testing.AllocsPerRun(100, func() { _, _ = out.Seal(dst, packet, 4) }); n != 0 {
				t.Errorf("%v: %v allocations a packet, want 0", s, n)
			}
			continue
		}
		if _, err := NewOutbound(s, testSPI, keymat(s), true); !errors.Is(err, ErrFIPSOnly) {
			t.Errorf("NewOutbound of %v: %v, want ErrFIPSOnly", s, err)
		}
		if _, err := NewInbound(s, testSPI, keymat(s), true); !errors.Is(err, ErrFIPSOnly) {
			t.Errorf("NewInbound of %v: %v, want ErrFIPSOnly", s, err)
		}
	}
}
