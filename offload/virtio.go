package offload

import "encoding/binary"

// VirtioHeaderLen is the length in bytes of struct virtio_net_hdr, which a TUN
// device opened with IFF_VNET_HDR puts before every packet.
const VirtioHeaderLen = 10

// MaxPacket is the largest IP packet, in bytes, that this package builds.
const MaxPacket = 65535

// Bits of [VirtioHeader.Flags].
const (
	FlagNeedsCsum uint8 = 1 // the checksum field holds the partial checksum: finish it
	FlagDataValid uint8 = 2 // the checksum was verified; a TUN write ignores this bit
)

// Values of [VirtioHeader.GSOType].
const (
	GSONone  uint8 = 0    // a plain packet
	GSOTCPv4 uint8 = 1    // TCP over IPv4
	GSOUDP   uint8 = 3    // legacy UDP fragmentation (UFO), always refused
	GSOTCPv6 uint8 = 4    // TCP over IPv6
	GSOUDPL4 uint8 = 5    // UDP datagrams of equal size (USO)
	GSOECN   uint8 = 0x80 // bit beside the TCP types: CWR is set on the first segment
)

// VirtioHeader is struct virtio_net_hdr of linux/virtio_net.h. All lengths are
// in bytes, all offsets count from the first byte of the IP packet.
type VirtioHeader struct {
	Flags      uint8  // FlagNeedsCsum, FlagDataValid
	GSOType    uint8  // one of the GSO constants, perhaps with GSOECN
	HdrLen     uint16 // length of all headers: a hint, not to be trusted in what is read
	GSOSize    uint16 // payload of every segment but the last
	CsumStart  uint16 // where the checksummed bytes begin
	CsumOffset uint16 // where the checksum field lies, from CsumStart
}

// Decode reads h from the first VirtioHeaderLen bytes of b, which must be there.
func (h *VirtioHeader) Decode(b []byte) {
	b = b[:VirtioHeaderLen]
	h.Flags = b[0]
	h.GSOType = b[1]
	h.HdrLen = binary.NativeEndian.Uint16(b[2:])
	h.GSOSize = binary.NativeEndian.Uint16(b[4:])
	h.CsumStart = binary.NativeEndian.Uint16(b[6:])
	h.CsumOffset = binary.NativeEndian.Uint16(b[8:])
}

// Encode writes h to the first VirtioHeaderLen bytes of b, which must be there.
func (h *VirtioHeader) Encode(b []byte) {
	b = b[:VirtioHeaderLen]
	b[0] = h.Flags
	b[1] = h.GSOType
	binary.NativeEndian.PutUint16(b[2:], h.HdrLen)
	binary.NativeEndian.PutUint16(b[4:], h.GSOSize)
	binary.NativeEndian.PutUint16(b[6:], h.CsumStart)
	binary.NativeEndian.PutUint16(b[8:], h.CsumOffset)
}
