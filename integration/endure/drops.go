package main

import (
	"slices"

	"vpngw/integration/lab"
)

// congestion are the reasons for which a gateway, or the kernel in front of it,
// drops a packet because more came than a queue holds. TCP at full rate fills queues
// until that happens, with or without rekeys; it is how TCP finds its rate. All
// other reasons say that something was wrong with a packet or with an SA.
var congestion = []string{"queue_full", "tun_ring_full", "receive_buffer_full", "tun_full"}

// split parts drops into those by congestion and all others.
func split(drops map[string]uint64) (congested uint64, others map[string]uint64) {
	others = map[string]uint64{}
	for reason, n := range drops {
		if slices.Contains(congestion, reason) {
			congested += n
		} else if n > 0 {
			others[reason] = n
		}
	}
	return congested, others
}

// since is what was counted between two readings, without the zeros.
func since(before, after map[string]uint64) map[string]uint64 {
	d := map[string]uint64{}
	for reason, n := range after {
		if n > before[reason] {
			d[reason] = n - before[reason]
		}
	}
	return d
}

// sum adds counts by reason.
func sum(all ...map[string]uint64) map[string]uint64 {
	s := map[string]uint64{}
	for _, m := range all {
		for reason, n := range m {
			s[reason] += n
		}
	}
	return s
}

// wireDrops counts what the kernel dropped on the wires of the lab, hosts and
// gateways: the backlog of a processor that is busy, for example. It is no
// gateway's doing.
func wireDrops(s *lab.Sites) (n uint64, err error) {
	for _, site := range []lab.Site{s.A, s.B} {
		for _, end := range []struct {
			at     *lab.Namespace
			device string
		}{{site.Host, lab.HostDevice}, {site.Gateway, lab.LAN}, {site.Gateway, lab.WAN}} {
			c, err := end.at.Counters(end.device)
			if err != nil {
				return 0, err
			}
			n += c.RxDropped + c.TxDropped
		}
	}
	return n, nil
}
