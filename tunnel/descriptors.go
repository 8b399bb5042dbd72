package tunnel

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// descriptorsBeside are the file descriptors that a gateway has beside one for each
// tunnel's socket: listeners, devices, netlink, the control socket and who asks there.
const descriptorsBeside = 64

// checkDescriptors says so if this process may not open a socket for every tunnel. Go has
// raised the soft limit to the hard one already.
func (g *Gateway) checkDescriptors() {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return
	}
	if short := shortOfDescriptors(len(g.tunnels), limit.Cur); short > 0 {
		g.log.Error("the limit of open files is too low: some tunnels will have no socket",
			"limit", limit.Cur, "tunnels", len(g.tunnels), "missing", short,
			"hint", fmt.Sprintf("raise it to %d or more: LimitNOFILE= in the systemd unit, or ulimit -Hn", len(g.tunnels)+descriptorsBeside))
	}
}

// shortOfDescriptors is how many descriptors are missing.
func shortOfDescriptors(tunnels int, limit uint64) int {
	need := uint64(tunnels + descriptorsBeside)
	return int(need - min(need, limit))
}
