package offload

// Protocol numbers of upper layers that this package looks into.
const (
	protoTCP  uint8 = 6
	protoUDP  uint8 = 17
	protoSCTP uint8 = 132
)

const (
	ipv4HeaderLen = 20 // without options
	ipv6HeaderLen = 40
	tcpHeaderLen  = 20 // without options
	udpHeaderLen  = 8
)

// maxHeader is the longest IP and TCP header together: IPv4, both with options.
const maxHeader = 60 + 60

// Offsets and bits in the IPv4, IPv6, TCP and UDP headers.
const (
	ipv4LengthAt   = 2
	ipv4IDAt       = 4
	ipv4FragmentAt = 6
	ipv4ChecksumAt = 10
	ipv4AddressAt  = 12
	ipv6LengthAt   = 4
	ipv6AddressAt  = 8

	tcpSequenceAt = 4
	tcpAckAt      = 8
	tcpOffsetAt   = 12 // data offset and reserved bits; the flags are the byte behind
	tcpFlagsAt    = 13
	tcpWindowAt   = 14
	tcpChecksumAt = 16
	tcpUrgentAt   = 18
	udpLengthAt   = 4
	udpChecksumAt = 6

	tcpFIN uint8 = 0x01
	tcpPSH uint8 = 0x08
	tcpACK uint8 = 0x10
	tcpECE uint8 = 0x40
	tcpCWR uint8 = 0x80
)
