package health

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"vpngw/tunnel"
)

// sizeNames head the columns of EdgeStatus.Sizes.
var sizeNames = []string{"1", "2-3", "4-7", "8-15", "16-31", "32-63", "64-127", "128+"}

// PrintEdges shows what crossed a gateway between two looks at it.
func PrintEdges(w io.Writer, before, now *tunnel.EdgesStatus) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s%8s%9s%8s", "", "calls", "packets", "bytes")
	for _, name := range sizeNames {
		fmt.Fprintf(&b, "%7s", name)
	}
	b.WriteByte('\n')
	for _, e := range []struct {
		name        string
		before, now *tunnel.EdgeStatus
	}{
		{"TUN read", &before.TUNRead, &now.TUNRead},
		{"UDP send", &before.UDPSend, &now.UDPSend},
		{"UDP receive", &before.UDPReceive, &now.UDPReceive},
		{"TUN write", &before.TUNWrite, &now.TUNWrite},
	} {
		calls, size := e.now.Calls-e.before.Calls, uint64(0)
		if calls > 0 {
			size = (e.now.Bytes - e.before.Bytes) / calls
		}
		fmt.Fprintf(&b, "%-12s%8d%9d%8d", e.name, calls, e.now.Packets-e.before.Packets, size)
		for n := range min(len(sizeNames), len(e.now.Sizes), len(e.before.Sizes)) {
			fmt.Fprintf(&b, "%7d", e.now.Sizes[n]-e.before.Sizes[n])
		}
		b.WriteByte('\n')
	}
	type end struct {
		name  string
		count uint64
	}
	var ends []end
	for name, n := range now.MergeEnds {
		if n -= before.MergeEnds[name]; n > 0 {
			ends = append(ends, end{name, n})
		}
	}
	slices.SortFunc(ends, func(x, y end) int { return cmp.Or(-cmp.Compare(x.count, y.count), strings.Compare(x.name, y.name)) })
	text := "nothing was glued"
	for n, e := range ends {
		if n == 0 {
			text = ""
		} else {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", e.name, e.count)
	}
	printText(&b, "", "glued no further for: "+text)
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}
