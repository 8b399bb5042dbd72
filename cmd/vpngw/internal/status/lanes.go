package status

import (
	"fmt"
	"io"

	"vpngw/tunnel"
)

// printLanes writes a line for each lane that has tunnels, if there are several lanes.
func printLanes(w io.Writer, lanes []tunnel.OneLaneStatus) {
	if len(lanes) < 2 {
		return
	}
	for i := range lanes {
		l := &lanes[i]
		if i > 0 && l.Tunnels == 0 && l.HandedOver == 0 {
			continue
		}
		tunnels := "tunnels"
		if l.Tunnels == 1 {
			tunnels = "tunnel"
		}
		fmt.Fprintf(w, "  lane %d\tbusy %.0f %%, %d %s, %d packets handed to other lanes\n", i, 100*l.Busy, l.Tunnels, tunnels, l.HandedOver)
	}
}
