//go:build linux

package tun

import (
	"strings"

	"golang.org/x/sys/unix"

	"vpngw/offload/ethtool"
)

// Features is what the kernel granted on a device.
type Features struct {
	Checksum bool // packets are read with NEEDS_CSUM instead of a checksum; the condition of all below
	TSO4     bool // TCP over IPv4 is read as superpackets
	TSO6     bool // TCP over IPv6 is read as superpackets
	TSOECN   bool // also TCP segments that carry CWR
	USO      bool // UDP is read as superpackets, IPv4 and IPv6; Linux ≥ 6.2
	MangleID bool // also TCP flows whose IPv4 ID is constant, which otherwise come as single segments
}

// String lists the granted offloads, such as "checksum tso4 tso6", or "none".
func (f Features) String() string {
	var names []string
	for _, x := range []struct {
		on   bool
		name string
	}{
		{f.Checksum, "checksum"},
		{f.TSO4, "tso4"},
		{f.TSO6, "tso6"},
		{f.TSOECN, "tso-ecn"},
		{f.USO, "uso"},
		{f.MangleID, "mangleid"},
	} {
		if x.on {
			names = append(names, x.name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, " ")
}

const usoFlags = unix.TUN_F_USO4 | unix.TUN_F_USO6 // one without the other is EINVAL

// ladder returns the sets of TUNSETOFFLOAD flags to try for o, from all that
// is wanted down to none. What goes first is what kernels learnt last.
func ladder(o Options) []int {
	if o.DisableChecksum {
		return []int{0} // the kernel knows no segmentation without it
	}
	wanted := unix.TUN_F_CSUM
	if !o.DisableTSO {
		wanted |= unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	}
	if !o.DisableUSO {
		wanted |= usoFlags
	}
	sets := []int{wanted}
	for _, drop := range []int{usoFlags, unix.TUN_F_TSO_ECN, unix.TUN_F_TSO6, unix.TUN_F_TSO4, unix.TUN_F_CSUM} {
		if wanted&drop != 0 {
			wanted &^= drop
			sets = append(sets, wanted)
		}
	}
	return sets
}

// negotiate asks for the offloads of o and returns what is in force after it.
func negotiate(fd int, name string, o Options) Features {
	set := 0
	for _, set = range ladder(o) {
		if unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, set) == nil {
			break
		}
	}
	f := featuresOf(set)
	// Without ethtool support the flow that it serves is only slower. With TSO
	// off the kernel must not be asked: the feature cannot be in force then.
	f.MangleID = f.TSO4 && ethtool.Set(name, ethtool.TxTCPMangleID, true) == nil
	return f
}

func featuresOf(set int) Features {
	return Features{
		Checksum: set&unix.TUN_F_CSUM != 0,
		TSO4:     set&unix.TUN_F_TSO4 != 0,
		TSO6:     set&unix.TUN_F_TSO6 != 0,
		TSOECN:   set&unix.TUN_F_TSO_ECN != 0,
		USO:      set&usoFlags == usoFlags,
	}
}
