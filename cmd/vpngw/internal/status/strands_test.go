package status

import (
	"strings"
	"testing"

	"vpngw/tunnel"
)

// TestPrintStrands: a strand in use is shown with its ports, one that is not says why,
// and one that the peer does not have is left out.
func TestPrintStrands(t *testing.T) {
	var b strings.Builder
	printStrands(&b, []tunnel.StrandStatus{
		{Strand: 1, InUse: true, SPIIn: "aa", Local: "192.0.2.1:40123", Remote: "192.0.2.2:4500", BytesIn: 3 << 20, PacketsIn: 7, PacketsOut: 9},
		{Strand: 2, SPIIn: "cc", Reason: "its path is dead", Lost: 2},
		{Strand: 3},
	})
	want := "  strand 1\t192.0.2.1:40123 to 192.0.2.2:4500; in 3.0 MiB, 7 packets, out 0 B, 9 packets\n" +
		"  strand 2\tits path is dead: the tunnel's own SA carries its packets; in 0 B, 0 packets, out 0 B, 0 packets; path lost 2 times\n"
	if b.String() != want {
		t.Errorf("got %q", &b)
	}
}
