package doctor

// Names of features, as the kernel spells them (net/ethtool/common.c).
const (
	rxChecksum      = "rx-checksum"
	txChecksum      = "tx-checksum-ip-generic"
	txChecksum4     = "tx-checksum-ipv4"
	txChecksum6     = "tx-checksum-ipv6"
	scatterGather   = "tx-scatter-gather"
	tso4            = "tx-tcp-segmentation"
	tso6            = "tx-tcp6-segmentation"
	tsoECN          = "tx-tcp-ecn-segmentation"
	tsoMangle       = "tx-tcp-mangleid-segmentation"
	uso             = "tx-udp-segmentation"
	gso             = "tx-generic-segmentation"
	gro             = "rx-gro"
	lro             = "rx-lro"
	groHW           = "rx-gro-hw"
	groList         = "rx-gro-list"
	groUDPForward   = "rx-udp-gro-forwarding"
	legacyMaxSize   = 65536 // bytes of the largest superpacket without BIG TCP
	tunQueueLen     = 128   // superpackets; offload/tun sets it
	ipv6MinimumMTU  = 1280  // RFC 8200 §5
	shortestAnswers = 100   // bytes of the echo that only asks whether there are answers
)

// group is a heading of `ethtool -k` and the features under it.
type group struct {
	heading string // as the program calls it
	feature string // whose state the heading shows; "": on if one of the rest is
	rest    []string
}

// groups are the features that matter to a gateway, in the order of `ethtool -k`.
var groups = []group{
	{"rx-checksumming", rxChecksum, nil},
	{"tx-checksumming", "", []string{txChecksum4, txChecksum, txChecksum6}},
	{"scatter-gather", "", []string{scatterGather}},
	{"tcp-segmentation-offload", "", []string{tso4, tsoECN, tsoMangle, tso6}},
	{"generic-segmentation-offload", gso, nil},
	{"generic-receive-offload", gro, nil},
	{"large-receive-offload", lro, nil},
	{"tx-udp-segmentation", uso, nil},
	{"rx-gro-hw", groHW, nil},
	{"rx-gro-list", groList, nil},
	{"rx-udp-gro-forwarding", groUDPForward, nil},
}

// State is a feature in the words of `ethtool -k`: on, off, with [fixed] or [requested on].
func (f Feature) State() string {
	s := "off"
	if f.On {
		s = "on"
	}
	switch {
	case f.Fixed:
		s += " [fixed]"
	case f.Requested && !f.On:
		s += " [requested on]"
	case !f.Requested && f.On:
		s += " [requested off]"
	}
	return s
}

// advice is what is best for a feature of an interface: "on", "off", or "" where it does not
// matter, and why.
func advice(f *Facts, i *Interface, name string) (want, why string) {
	if i.Is(TUN) {
		return adviceTUN(f, name)
	}
	lan := i.Is(LAN)
	switch name {
	case rxChecksum:
		return "on", "GRO glues what the device has checked without summing it again"
	case txChecksum, txChecksum4, txChecksum6:
		if lan {
			return "on", "superpackets out of the tunnel carry no checksums yet: the device adds them"
		}
		return "on", "the gateway's trains of datagrams (UDP_SEGMENT) are summed by the device"
	case scatterGather:
		return "on", "segmentation offloads need it"
	case tso4, tso6:
		if lan {
			return "on", "TCP superpackets out of the tunnel are cut by the device, at the last moment"
		}
		return "on", "what is forwarded beside the tunnels is cut by the device"
	case tsoECN:
		return "on", "superpackets with CWR stay whole until the device"
	case uso:
		if lan {
			return "on", "UDP and QUIC superpackets out of the tunnel are cut by the device"
		}
		return "on", "trains of ESP datagrams are cut by the device, not by the processor"
	case gso:
		return "on", "what the device cannot cut crosses the kernel whole and is cut last"
	case lro:
		return "off", "it glues packets so that they cannot be cut as they were, which forwarding needs"
	case groHW:
		return "", "as GRO, in the device: what it glues can be cut again exactly"
	}
	if i.stacked() {
		return "", "the interfaces under it decide"
	}
	switch name {
	case gro:
		if i.Kind == "veth" {
			return "", "a veth hands on whole what its other end sent whole; on helps if that end cuts"
		}
		if lan {
			return "on", "packets of one flow enter the tunnel as one superpacket"
		}
		return "on", "ESP datagrams come to the gateway many at a time"
	case groList:
		return "off", "what it chains together falls apart again before the TUN device"
	case groUDPForward:
		if i.Kind == "veth" && !i.Features[gro].On {
			return "", "it needs GRO"
		}
		if lan {
			return "on", "UDP and QUIC of the hosts enter the tunnel as superpackets, too"
		}
		return "", "only UDP that is forwarded needs it, not that of the gateway itself"
	}
	return "", ""
}

func adviceTUN(f *Facts, name string) (want, why string) {
	w := &f.Offload
	wanted := func(on bool, why string) (string, string) {
		if !on {
			return "off", "the tunnel file switches it off"
		}
		return "on", why
	}
	switch name {
	case txChecksum:
		return wanted(w.Checksum, "condition of all superpackets: the gateway sums each segment when it cuts it")
	case scatterGather, gso:
		return "on", "superpackets need it"
	case tso4, tso6:
		return wanted(w.TSO && w.Checksum, "the gateway reads TCP superpackets whole, and cuts and seals them itself")
	case tsoECN:
		return wanted(w.TSO && w.Checksum, "also those that carry CWR")
	case tsoMangle:
		return wanted(w.TSO && w.Checksum, "also flows whose IPv4 ID does not count up")
	case uso:
		return wanted(w.USO && w.Checksum, "the gateway reads UDP and QUIC superpackets whole")
	}
	return "", ""
}
