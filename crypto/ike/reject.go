package ike

// RejectReason names why a received message was dropped or refused. It indexes
// Counters.Rejected.
type RejectReason uint8

// The reasons for which messages are rejected.
const (
	RejectMalformed     RejectReason = iota // not an IKEv2 message
	RejectVersion                           // a higher major version
	RejectUnknownSPI                        // no IKE SA with these SPIs
	RejectDecrypt                           // SK payload does not authenticate
	RejectMessageID                         // outside the window of one
	RejectExchange                          // exchange or flags do not fit the state
	RejectSyntax                            // a payload missing, doubled or wrong
	RejectCritical                          // unknown critical payload
	RejectProposal                          // no common proposal
	RejectKE                                // public value or group refused
	RejectCookie                            // cookie demanded
	RejectHalfOpenTotal                     // too many half-open SAs
	RejectHalfOpenAddr                      // too many half-open SAs of this address
	RejectAuth                              // identity or AUTH refused
	RejectSelectors                         // no common traffic selectors
	RejectUnprotected                       // a notify without protection: at most a hint
	RejectBusy                              // TEMPORARY_FAILURE was answered
	RejectFragment                          // a fragment that is repeated, too much or does not fit the others
	RejectPort                              // IKE_AUTH on the port of IKE alone
	RejectCount                             // number of reasons
)

var rejectNames = [RejectCount]string{
	"malformed", "version", "unknown-spi", "decrypt", "message-id", "exchange", "syntax", "critical",
	"proposal", "ke", "cookie", "half-open-total", "half-open-addr", "auth", "selectors", "unprotected", "busy", "fragment", "port",
}

// String gives the reason's name for metrics.
func (r RejectReason) String() string {
	if r >= RejectCount {
		return "unknown"
	}
	return rejectNames[r]
}
