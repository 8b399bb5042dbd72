package pmtu

// plausible are MTUs that are met in practice: Ethernet, and what is left of it below
// PPPoE, GRE, IPIP, VXLAN, WireGuard, other IPsec and mobile networks; FDDI, jumbo frames.
var plausible = [...]int{
	576, 1000, 1280, 1300, 1320, 1340, 1358, 1380, 1400, 1420, 1440, 1450, 1460, 1472, 1480, 1492, 1500,
	1600, 2000, 3000, 4352, 6000, 8000, 8950, 9000, 9216,
}

// middle is the size to probe of those between low and high, without these: the middle
// one of the plausible ones, or else just the middle.
func middle(low, high int) int {
	from, to := 0, len(plausible)
	for from < to && plausible[from] <= low {
		from++
	}
	for to > from && plausible[to-1] >= high {
		to--
	}
	if from == to {
		return (low + high) / 2
	}
	return plausible[(from+to)/2]
}

// above is the plausible size next to low, below high. Where there is none it is the
// least that a search would find.
func above(low, high int) int {
	for _, size := range plausible {
		if size > low+precise && size < high {
			return size
		}
	}
	return low + precise
}

// below is what is taken when a size in use has failed and nothing else is known: what
// nearly every path carries, and below that the next smaller plausible size.
func below(size int) int {
	if size > Base {
		return Base
	}
	next := 0
	for _, p := range plausible {
		if p < size {
			next = p
		}
	}
	return next
}
