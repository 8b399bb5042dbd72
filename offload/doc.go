// Package offload works on superpackets as pure bytes: it reads the headers of
// a packet, cuts a superpacket into the packets that its sender would have sent
// without segmentation offload, and glues received packets into superpackets
// that Linux takes in one write.
//
// Terms. A superpacket is one IP packet of up to 64 KiB that stands for a run
// of packets of one flow; a struct virtio_net_hdr in front of it says how to
// cut it. A segment is one packet of that run. To coalesce is to build a
// superpacket out of received packets. The partial checksum of a packet is the
// folded, not inverted sum of its pseudo-header; it waits in the checksum field
// until somebody adds the rest.
//
// The two halves are exact inverses: what a [Coalescer] glued, a [Segmenter]
// cuts back into the same bytes. Nothing here does I/O, keeps time, starts
// goroutines, takes locks or, once constructed, allocates.
package offload
