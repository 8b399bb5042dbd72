package ike

// ReasonCode is why a tunnel is not up, for programs.
type ReasonCode uint8

// The reasons. Their texts are String's.
const (
	ReasonNone          ReasonCode = iota
	ReasonConfig                   // the peer's configuration is refused
	ReasonNoResponse               // silence during the handshake
	ReasonDead                     // silence of a peer that was up
	ReasonProposal                 // no common cipher suite
	ReasonAuth                     // AUTH or identity refused, by us or by the peer
	ReasonSelectors                // no common traffic selectors
	ReasonInvalidSyntax            // a message that breaks RFC 7296
	ReasonDeleted                  // the peer deleted the IKE SA
	ReasonRemoved                  // we did: RemovePeer or Shutdown
	ReasonReplaced                 // another IKE SA with the same peer took over
	ReasonRefused                  // the peer refused for another reason
	ReasonLocal                    // our side failed: randomness, SPI supply
	ReasonExpired                  // the keys grew too old: no rekey succeeded
	reasonCount
)

var reasonNames = [reasonCount]string{
	"", "configuration refused", "no response", "peer is dead", "no common proposal",
	"authentication failed", "no common traffic selectors", "invalid message",
	"deleted by the peer", "removed", "replaced", "refused by the peer", "local failure", "expired",
}

// String gives the reason in words.
func (c ReasonCode) String() string {
	if c >= reasonCount {
		return "unknown"
	}
	return reasonNames[c]
}

// Reason is why a tunnel is not up: a code for programs and, in words, both sides'
// values as far as they are known.
type Reason struct {
	Code   ReasonCode
	Detail string
}

// String gives the code's text and the detail.
func (r Reason) String() string {
	if r.Detail == "" {
		return r.Code.String()
	}
	return r.Code.String() + ": " + r.Detail
}

// Error makes a Reason usable as an error.
func (r Reason) Error() string { return r.String() }
