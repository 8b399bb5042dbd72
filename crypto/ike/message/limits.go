package message

// Bounds on what one message may hold. They exceed everything that peers are
// known to send and keep the work and memory per message small.
const (
	// MaxLength is the largest message in bytes. The header has a 32-bit
	// length, but a UDP datagram and the 16-bit length of the Encrypted
	// payload end earlier.
	MaxLength = 65535

	MaxPayloads   = 64   // payloads in one chain
	MaxProposals  = 64   // proposals in one SA payload
	MaxTransforms = 128  // transforms in one proposal
	MaxAttributes = 16   // attributes in one transform
	MaxSelectors  = 255  // selectors in one TS payload; the count is one octet
	MaxDeleteSPIs = 1024 // SPIs in one Delete payload
	MinNonce      = 16   // bytes, RFC 7296 section 3.9
	MaxNonce      = 256  // bytes, RFC 7296 section 3.9
)
