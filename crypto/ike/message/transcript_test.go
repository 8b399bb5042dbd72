package message

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// transcript reads the captured messages and keys of testdata/strongswan.txt.
func transcript(t testing.TB) map[string][]byte {
	t.Helper()
	f, err := os.Open("testdata/strongswan.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string][]byte{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, digits, _ := strings.Cut(line, " ")
		if out[name], err = hex.DecodeString(digits); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return out
}
