package status

import (
	"fmt"
	"io"
	"text/tabwriter"

	"vpngw/crypto/ike"
	"vpngw/tunnel"
)

// remedies say where to look for each reason that a tunnel is not up.
var remedies = map[ike.ReasonCode]string{
	ike.ReasonConfig:        "mend the tunnel file: `vpngw check FILE` shows where",
	ike.ReasonNoResponse:    "see that the peer runs, that peer.address is right, and that no firewall between drops UDP to that port",
	ike.ReasonDead:          "see that the peer runs and that its address is reached",
	ike.ReasonProposal:      "give both sides a cipher, a group and a PRF in common: crypto in the tunnel file, proposals at a strongSwan",
	ike.ReasonAuth:          "compare id, peer.id and the PSK, keys or certificates of both sides; a refusal by the peer does not say more, but its log does",
	ike.ReasonSelectors:     "what is local_subnets here must be remote_subnets there, and the other way round",
	ike.ReasonInvalidSyntax: "one of the two breaks the protocol: `--log-level trace` shows the messages",
	ike.ReasonDeleted:       "the peer closed it: its log says why",
	ike.ReasonExpired:       "the peer does not give new keys: its log says why",
	ike.ReasonRefused:       "the peer's log says why",
	ike.ReasonLocal:         "the gateway's log has the error",
}

// Why writes what keeps each tunnel of s from carrying packets, both sides' values as far
// as they are known, and where to look.
func Why(out io.Writer, s *tunnel.Status) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for i := range s.Tunnels {
		if i > 0 {
			fmt.Fprintln(w)
		}
		why(w, &s.Tunnels[i])
	}
	return w.Flush()
}

func why(w io.Writer, t *tunnel.TunnelStatus) {
	fmt.Fprintf(w, "%s\tis %s\n", t.Name, t.State)
	if t.Reason != "" {
		fmt.Fprintf(w, "  reason\t%s\n", t.Reason)
	}
	if t.Refused != "" {
		fmt.Fprintf(w, "  refused by us\t%s, %s\n", t.Refused, ago(t.RefusedAgo))
	}
	fmt.Fprintf(w, "  packets flow\t%s\n", t.Flow)
	printCounts(w, "  drops", t.Drops)
	printCounts(w, "  IKE refused", t.Rejected)
	fmt.Fprintf(w, "  IKE messages\t%d in, %d out, %d again\n", t.MessagesIn, t.MessagesOut, t.Retransmits)
	if do := remedy(t); do != "" {
		fmt.Fprintf(w, "  to do\t%s\n", do)
	}
}

// remedy is where to look; "" if nothing is wrong that is known of.
func remedy(t *tunnel.TunnelStatus) string {
	for code, do := range remedies {
		if t.ReasonCode == code.String() {
			return do
		}
	}
	switch {
	case t.State == ike.StateUp.String() || t.State == ike.StateRekeying.String():
		if t.LastOut >= 0 && !t.Flowing && t.Flow != "idle" {
			return "keys are agreed, but nothing comes back: look at the hosts and routes behind the peer, and for a firewall that drops UDP"
		}
		return ""
	case t.PeerAddress == "":
		return "the peer has to come to us: see that it is told our address, or give peer.address"
	case t.Reason != "":
		return "see that the name of the peer is known to the resolver of this machine"
	}
	return "wait: the first attempt is under way"
}
