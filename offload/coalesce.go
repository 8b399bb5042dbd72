package offload

// maxBatch is how many packets a Coalescer holds between two flushes: five UDP_GRO
// receives of full-size datagrams, four of 64. It is what fits their 8-bit indices.
const maxBatch = 256

// maxUDPSegments is how many datagrams one UDP superpacket holds: what kernels
// before 6.1 take, later ones take 128.
const maxUDPSegments = 64

// minTCPSegment is the least payload, in bytes, of segments that are glued: kernels cut
// TCP superpackets into no smaller ones, whatever the header asks for (seen with Linux
// 6.1.192; TCP_MIN_GSO_SIZE).
const minTCPSegment = 8

// CoalesceOptions says which packets a Coalescer may glue: those whose
// superpackets the TUN device was seen to take. The zero value glues nothing.
type CoalesceOptions struct {
	TCP4, TCP6 bool // the device takes GSOTCPv4, GSOTCPv6
	UDP4, UDP6 bool // the device takes GSOUDPL4
}

// Superpacket is what one write to a TUN device takes: several packets of one
// flow glued together, or one packet as it was. Its slices are borrowed, from
// the packets and from the Coalescer, until the Coalescer's next Add.
type Superpacket struct {
	// Vecs is for one writev: the virtio header with the IP and upper-layer
	// headers, then the payloads. For a packet alone: a zero virtio header, then
	// the packet. Not to be written to.
	Vecs [][]byte
	// Packets are the packets as they came in, each good for a write of its own
	// behind a zero virtio header after Part, should the device refuse the superpacket.
	Packets [][]byte
	// Bytes is the length of Vecs in bytes, virtio header included.
	Bytes int

	unsummed upper // of the Packets, if one or more of them has no checksum
}

// Part gives those Packets that came without checksum theirs.
func (p *Superpacket) Part() {
	for _, pkt := range p.Packets {
		p.unsummed.sum(pkt)
	}
}

// Coalescer glues the packets of one receive batch into superpackets, by a rule
// so strict that cutting with [Segmenter] gives the same bytes back: see
// canFollow. Packets of one flow never overtake one another; superpackets come
// in the order of their first packets. A packet that nothing was glued to is
// passed on with its checksum unchanged and unseen, for the kernel to judge.
// One goroutine at a time may use a Coalescer.
type Coalescer struct {
	options CoalesceOptions

	packets   [maxBatch][]byte
	after     [maxBatch]uint8 // by packet: the next packet of the same group
	count     int             // packets used
	groups    [maxBatch]group // in the order of their first packets
	groupsLen int

	// The open groups, for at most one per flow. hashes stands apart so that the
	// search reads nothing else.
	hashes  [maxBatch]uint32
	open    [maxBatch]uint8
	openLen int

	recent *group // that of the packet added last, if it is open and has two packets or more

	ends [EndCount]uint64 // why superpackets did not grow, since TakeEnds

	zero    [VirtioHeaderLen]byte // before packets alone; never written
	headers [maxBatch / 2][VirtioHeaderLen + maxHeader]byte
	vecs    [2 * maxBatch][]byte
	sorted  [maxBatch][]byte
	out     [maxBatch]Superpacket
}

// NewCoalescer returns an empty Coalescer with all the memory that it will ever use.
func NewCoalescer(o CoalesceOptions) *Coalescer { return &Coalescer{options: o} }

// Full tells that the next Add needs a Flush first.
func (c *Coalescer) Full() bool { return c.count == maxBatch }

// Add takes one packet, which must not change until the result of the Flush that
// returns it has been used; c does not change it either. Any bytes are taken:
// what does not parse is passed on alone. Adding to a full Coalescer is a mistake
// of the caller's and panics.
func (c *Coalescer) Add(pkt []byte) {
	var h Headers
	if ParseHeaders(pkt, &h) != nil {
		c.addGroup(pkt, candidate{})
		return
	}
	c.AddParsed(pkt, &h)
}

// AddParsed is Add for a packet that [ParseHeaders] has already read into h.
func (c *Coalescer) AddParsed(pkt []byte, h *Headers) { c.add(pkt, h, upper{}) }

// AddUnsummed is AddParsed for a segment without TCP or UDP checksum, as
// [Segmenter.NextUnsummed] makes them. In a superpacket the kernel makes it, as it makes
// all others; otherwise c writes it into pkt. Something else than such a segment is
// refused, and then not added.
func (c *Coalescer) AddUnsummed(pkt []byte, h *Headers) bool {
	u := upperOf(pkt, h)
	if u.proto == 0 {
		return false
	}
	c.add(pkt, h, u)
	return true
}

func (c *Coalescer) add(pkt []byte, h *Headers, unsummed upper) {
	c.recent = nil
	if h.Fragment {
		c.closeAddresses(pkt, h.Version)
	}
	if h.Proto != protoTCP && h.Proto != protoUDP {
		c.addGroup(pkt, candidate{})
		return
	}
	hash := flowHash(pkt, h)
	slot := c.find(pkt, h, hash)
	p := c.examine(pkt, h, unsummed.proto != 0)
	if p.version == 0 {
		unsummed.sum(pkt)
	}
	if slot >= 0 {
		g := &c.groups[c.open[slot]]
		if c.join(g, pkt, p) {
			if g.closed {
				c.ends[g.ended(&p)]++
				c.closeSlot(slot)
			} else {
				c.recent = g
			}
			return
		}
		c.ends[g.refusal(c.packets[g.first], pkt, &p)]++
		c.closeSlot(slot)
	}
	index := c.addGroup(pkt, p)
	if p.canLead() {
		c.hashes[c.openLen] = hash
		c.open[c.openLen] = index
		c.openLen++
	}
}

// addGroup starts a group with pkt alone.
func (c *Coalescer) addGroup(pkt []byte, p candidate) (index uint8) {
	at := uint8(c.count)
	c.packets[at] = pkt
	c.count++
	index = uint8(c.groupsLen)
	c.groups[index] = group{candidate: p, first: at, lastPacket: at, packets: 1, length: len(pkt)}
	c.groupsLen++
	return index
}

// find returns the slot of the open group of the flow of pkt, or -1.
func (c *Coalescer) find(pkt []byte, h *Headers, hash uint32) int {
	for slot, other := range c.hashes[:c.openLen] {
		if other == hash && c.sameFlow(&c.groups[c.open[slot]], pkt, h) {
			return slot
		}
	}
	return -1
}

// closeSlot ends a group: later packets of its flow start another.
func (c *Coalescer) closeSlot(slot int) {
	c.openLen--
	c.hashes[slot] = c.hashes[c.openLen]
	c.open[slot] = c.open[c.openLen]
}

// closeAddresses closes the groups of all flows between the addresses of pkt. A
// later fragment has no ports: it may belong to any of them.
func (c *Coalescer) closeAddresses(pkt []byte, version uint8) {
	for slot := c.openLen - 1; slot >= 0; slot-- {
		g := &c.groups[c.open[slot]]
		if g.version == version && sameAddresses(c.packets[g.first], pkt, version) {
			c.ends[EndFragment]++
			c.closeSlot(slot)
		}
	}
}
