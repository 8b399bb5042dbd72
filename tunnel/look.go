package tunnel

import "time"

// After a change of the network every tunnel is looked at, which costs some questions to
// the kernel for each: of thousands of tunnels a few at a time, so that messages and
// timers have their turn between them.

// lookBatch is how many tunnels are looked at in a row: about a millisecond's work.
const lookBatch = 16

// look is a look at all tunnels under way.
type look struct {
	next int // index of the tunnel that is next
	left int // tunnels that have not been looked at since the last change
}

// networkChanged brings everything in line after links, addresses or routes changed:
// what all tunnels share at once, and then one after another.
func (g *Gateway) networkChanged() {
	g.looked = time.Now()
	if g.tun != nil {
		if err := g.net.Ensure(); err != nil {
			g.log.Warn("routes are not complete", "interface", g.cfg.Interface, "error", err)
			g.settle = time.Now().Add(lookInterval)
		}
	}
	g.paths.Forget()
	g.lansChanged()
	g.look.left = len(g.tunnels) // from where it stands: no tunnel waits for changes to end
	g.chooseErrorSource()
	g.lookOn()
}

// lookOn looks at the next few tunnels.
func (g *Gateway) lookOn() {
	for range min(lookBatch, g.look.left) {
		t := g.tunnels[g.look.next]
		g.look.next = (g.look.next + 1) % len(g.tunnels)
		g.look.left--
		g.checkSocket(t)
		g.measure(t)
	}
	if g.look.left == 0 {
		g.adjustMTU()
	}
}
