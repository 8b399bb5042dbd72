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
		ports := s.Local + " to " + s.Remote
		if !s.InUse {
			ports = s.Reason + ": the tunnel's own SA carries its packets"
		}
		fmt.Fprintf(w, "  strand %d\t%s; in %s, %d packets, out %s, %d packets", s.Strand, ports,
			size(s.BytesIn), s.PacketsIn, size(s.BytesOut), s.PacketsOut)
		if s.Lost > 0 {
			fmt.Fprintf(w, "; path lost %d times", s.Lost)
		}
		fmt.Fprintln(w)
	}
}
