package message

import "strconv"

// ExchangeType says which exchange a message belongs to (RFC 7296 section 3.1).
type ExchangeType uint8

// Exchange types.
const (
	ExchangeIKESAInit       ExchangeType = 34 // RFC 7296 section 1.2
	ExchangeIKEAuth         ExchangeType = 35 // RFC 7296 section 1.2
	ExchangeCreateChildSA   ExchangeType = 36 // RFC 7296 section 1.3
	ExchangeInformational   ExchangeType = 37 // RFC 7296 section 1.4
	ExchangeIKEIntermediate ExchangeType = 43 // RFC 9242
	ExchangeIKEFollowupKE   ExchangeType = 44 // RFC 9370
)

var exchangeNames = map[ExchangeType]string{
	ExchangeIKESAInit: "IKE_SA_INIT", ExchangeIKEAuth: "IKE_AUTH",
	ExchangeCreateChildSA: "CREATE_CHILD_SA", ExchangeInformational: "INFORMATIONAL",
	ExchangeIKEIntermediate: "IKE_INTERMEDIATE", ExchangeIKEFollowupKE: "IKE_FOLLOWUP_KE",
}

// String gives the name in the RFCs, or "exchange 99".
func (t ExchangeType) String() string {
	if s, ok := exchangeNames[t]; ok {
		return s
	}
	return "exchange " + strconv.Itoa(int(t))
}
