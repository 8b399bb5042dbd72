package lane

import "vpngw/offload"

// decapsulated is what becomes of the ECN field of a packet when its outer header is
// taken off.
type decapsulated struct {
	ecn     uint8 // what the packet goes on with
	drop    bool
	anomaly bool // no tunnel and no router makes this pair
}

// ecnTable is RFC 6040 §4.2, figure 4, by the ECN fields inside and outside: the more
// severe of the two, in the order Not-ECT, ECT(0), ECT(1), CE. A packet whose transport
// does not speak ECN keeps saying so, and understands congestion only as a loss.
var ecnTable = [4][4]decapsulated{
	offload.NotECT: {
		offload.NotECT: {ecn: offload.NotECT},
		offload.ECT0:   {ecn: offload.NotECT, anomaly: true},
		offload.ECT1:   {ecn: offload.NotECT, anomaly: true},
		offload.CE:     {drop: true, anomaly: true},
	},
	offload.ECT0: {
		offload.NotECT: {ecn: offload.ECT0},
		offload.ECT0:   {ecn: offload.ECT0},
		offload.ECT1:   {ecn: offload.ECT1},
		offload.CE:     {ecn: offload.CE},
	},
	offload.ECT1: {
		offload.NotECT: {ecn: offload.ECT1},
		offload.ECT0:   {ecn: offload.ECT1, anomaly: true},
		offload.ECT1:   {ecn: offload.ECT1},
		offload.CE:     {ecn: offload.CE},
	},
	offload.CE: {
		offload.NotECT: {ecn: offload.CE},
		offload.ECT0:   {ecn: offload.CE},
		offload.ECT1:   {ecn: offload.CE, anomaly: true},
		offload.CE:     {ecn: offload.CE},
	},
}

// decapsulateECN gives packet, of TOS inner, the ECN field that it should have after
// its way under an outer header of TOS outer, unless it must be dropped, and returns what
// became of it. The DSCP stays what it was.
func (t *Tunnel) decapsulateECN(packet []byte, outer, inner uint8) *decapsulated {
	inner &= offload.ECNMask
	d := &ecnTable[inner][outer&offload.ECNMask]
	if d.anomaly {
		t.Counters.ECNAnomaliesIn.Add(1)
	}
	if !d.drop && d.ecn != inner {
		offload.SetECN(packet, d.ecn)
		if d.ecn == offload.CE {
			t.Counters.CongestionIn.Add(1)
		}
	}
	return d
}
