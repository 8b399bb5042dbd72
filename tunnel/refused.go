package tunnel

import (
	"time"

	"vpngw/crypto/ike"
)

// refusal is the last handshake of somebody else's that IKE refused and that seems to
// be about a tunnel.
type refusal struct {
	text string // with who came and what was wrong; "": there was none since the tunnel was up
	at   time.Time
}

// refused notes in the tunnels that it may be about why somebody was turned away.
func (g *Gateway) refused(a ike.Refused) {
	now, text := time.Now(), a.Reason.String()
	about := make([]string, 0, len(a.IDs))
	for _, id := range a.IDs {
		g.tunnels[id].refusal = refusal{text, now}
		about = append(about, g.name(id))
	}
	// One about no tunnel may come from anybody, with another text each time.
	said, key := &g.strangers, "stranger"
	if len(a.IDs) > 0 {
		said, key = &g.tunnels[a.IDs[0]].saidRefused, text
	}
	if unsaid, ok := said.say(key, now); ok {
		g.log.Warn("a peer is refused", "remote", a.Remote, "tunnels", about, "reason", text, "unsaid", unsaid)
	}
}
