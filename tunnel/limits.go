package tunnel

import (
	"math/rand/v2"

	"vpngw/tunnel/lane"
)

// The limits of an SA, as shares of the configured one, which is never exceeded by more
// than a quarter:
//
//	0.9–1.0  we ask for new keys because of what we have sent
//	1.1      we ask because of what we have received: the peer should have, and some never do
//	1.25     nothing more is sent or taken on the old keys

// outboundLimits are those of what we send. Bytes or packets that are 0 are not limited.
func outboundLimits(t *TunnelConfig, esn bool) lane.Limits {
	bytes, packets := t.RekeyBytes, softPackets(t.RekeyPackets, esn)
	return lane.Limits{
		SoftBytes: jittered(bytes), SoftPackets: jittered(packets),
		HardBytes: hard(bytes), HardPackets: hard(packets),
	}
}

// inboundLimits are those of what we receive.
func inboundLimits(t *TunnelConfig, esn bool) lane.Limits {
	bytes, packets := t.RekeyBytes, softPackets(t.RekeyPackets, esn)
	return lane.Limits{
		SoftBytes: bytes + bytes/10, SoftPackets: packets + packets/10,
		HardBytes: hard(bytes), HardPackets: hard(packets),
	}
}

func hard(limit uint64) uint64 { return limit + limit/4 }

// softPackets is the configured limit, and at most half of the sequence numbers
// there are before esp's hard limit.
func softPackets(limit uint64, esn bool) uint64 {
	most := uint64(1) << 31
	if esn {
		most = 1 << 33
	}
	if limit == 0 {
		return most
	}
	return min(limit, most)
}

// jittered takes up to a tenth off a limit, so that the two ends and the tunnels of
// a gateway do not rekey all at once.
func jittered(limit uint64) uint64 {
	return limit - uint64(rand.Float64()*float64(limit)/10)
}
