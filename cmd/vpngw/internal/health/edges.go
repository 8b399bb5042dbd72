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

// edgeWidth is for the longest name that an interface may have, under that of an edge.
const edgeWidth = 17

// PrintCrossed shows c for a person to read: each edge, and under it its interfaces.
func PrintCrossed(w io.Writer, c *Crossed) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s%7s%9s%8s", edgeWidth, "", "calls", "packets", "bytes")
	for _, name := range sizeNames {
		fmt.Fprintf(&b, "%7s", name)
	}
	b.WriteByte('\n')
	for _, e := range []struct {
		name string
		of   func(*tunnel.EdgesStatus) *tunnel.EdgeStatus
	}{
		{"TUN read", func(s *tunnel.EdgesStatus) *tunnel.EdgeStatus { return &s.TUNRead }},
		{"UDP send", func(s *tunnel.EdgesStatus) *tunnel.EdgeStatus { return &s.UDPSend }},
		{"UDP receive", func(s *tunnel.EdgesStatus) *tunnel.EdgeStatus { return &s.UDPReceive }},
		{"TUN write", func(s *tunnel.EdgesStatus) *tunnel.EdgeStatus { return &s.TUNWrite }},
	} {
		printEdge(&b, e.name, e.of(&c.Edges))
		for n := range c.Interfaces {
			if s := e.of(&c.Interfaces[n].EdgesStatus); s.Calls > 0 {
				printEdge(&b, "  "+c.Interfaces[n].Name, s)
			}
		}
	}
	printText(&b, "", "glued no further for: "+endsText(c.Edges.MergeEnds))
	for n := range c.Interfaces {
		if ends := endsText(c.Interfaces[n].MergeEnds); ends != nothingGlued {
			printText(&b, "  ", "received by "+c.Interfaces[n].Name+": "+ends)
		}
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

func printEdge(b *strings.Builder, name string, e *tunnel.EdgeStatus) {
	fmt.Fprintf(b, "%-*s%7d%9d%8.0f", edgeWidth, name, e.Calls, e.Packets, e.BytesPerCall)
	for n := range min(len(sizeNames), len(e.Sizes)) {
		fmt.Fprintf(b, "%7d", e.Sizes[n])
	}
	b.WriteByte('\n')
}

const nothingGlued = "nothing was glued"

// endsText says why superpackets did not grow, the most frequent reason first.
func endsText(counts map[string]uint64) string {
	type end struct {
		name  string
		count uint64
	}
	var ends []end
	for name, n := range counts {
		if n > 0 {
			ends = append(ends, end{name, n})
		}
	}
	slices.SortFunc(ends, func(x, y end) int { return cmp.Or(-cmp.Compare(x.count, y.count), strings.Compare(x.name, y.name)) })
	var texts []string
	for _, e := range ends {
		texts = append(texts, fmt.Sprintf("%s %d", e.name, e.count))
	}
	return cmp.Or(strings.Join(texts, ", "), nothingGlued)
}
