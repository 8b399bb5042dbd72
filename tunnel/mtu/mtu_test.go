package mtu

import (
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"testing"
)

func TestInner(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		outer int
		peer  netip.Addr
		want  int
	}{
		{1500, v4, 1438}, {1500, v6, 1418}, {9000, v4, 8938}, {1280, v6, 1198}, {1492, v4, 1430},
		{1500, netip.MustParseAddr("::ffff:192.0.2.1"), 1438},
	} {
		got := Inner(c.outer, c.peer)
		if got != c.want {
			t.Errorf("Inner(%d, %v) = %d, want %d", c.outer, c.peer, got, c.want)
		}
		if fits := Outer(got, c.peer); fits > c.outer {
			t.Errorf("an inner packet of %d bytes has %d on a wire of %d", got, fits, c.outer)
		}
		if over := Outer(got+1, c.peer); over <= c.outer {
			t.Errorf("an inner packet of %d bytes would still fit %d: %d", got+1, c.outer, over)
		}
	}
}

// TestDocument holds the table of docs/mtu.md against the code.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/mtu.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$`)
	rows := row.FindAllStringSubmatch(string(b), -1)
	if len(rows) < 5 {
		t.Fatalf("found %d rows of the table", len(rows))
	}
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	const timestamps = 12
	for _, r := range rows {
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(r[i+1])
		}
		want := [4]int{n[0], Inner(n[0], v4), Inner(n[0], v4) - IPv4Header - TCPHeader - timestamps, Inner(n[0], v6)}
		if n != want {
			t.Errorf("docs/mtu.md says %v, it is %v", n, want)
		}
	}
}
