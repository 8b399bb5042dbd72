package status

import (
	"fmt"
	"io"

	"vpngw/tunnel"
)

// printStrands writes a line for each strand that the peer has as well. In and out of the
// tunnel have them in them.
func printStrands(w io.Writer, strands []tunnel.StrandStatus) {
	for i := range strands {
		s := &strands[i]
		if s.SPIIn == "" && s.PacketsIn+s.PacketsOut == 0 {
			continue
		}
		ports := "not heard: the tunnel's own SA carries its packets"
		if s.InUse {
			ports = s.Local + " to " + s.Remote
		}
		fmt.Fprintf(w, "  strand %d\t%s; in %s, %d packets, out %s, %d packets\n", s.Strand, ports,
			size(s.BytesIn), s.PacketsIn, size(s.BytesOut), s.PacketsOut)
	}
}
