package tunnel

import "vpngw/tunnel/lane"

// addCauses adds what a lane has counted of its sleeps, its trains and what it asked for
// in vain.
func (s *Status) addCauses(c *lane.LaneCounters) {
	s.Edges.TUNRead.WouldBlock += c.TUNRead.WouldBlock.Load()
	s.Edges.UDPSend.WouldBlock += c.UDPSend.WouldBlock.Load()
	s.Edges.UDPReceive.WouldBlock += c.UDPReceive.WouldBlock.Load()
	s.Edges.TUNWrite.WouldBlock += c.TUNWrite.WouldBlock.Load()

	l, w := &s.Lane, &c.Wakes
	if l.Wakes == nil {
		l.Wakes, l.TrainEnds = map[string]uint64{}, map[string]uint64{}
	}
	l.Naps += c.Naps.Load()
	l.Wakes["socket"] += w.Socket.Load()
	l.Wakes["writable"] += w.Writable.Load()
	l.Wakes["tun"] += w.TUN.Load()
	l.Wakes["timer"] += w.Timer.Load()
	l.Wakes["command"] += w.Command.Load()
	for e := range c.TrainEnds {
		l.TrainEnds[lane.TrainEnd(e).String()] += c.TrainEnds[e].Load()
	}
}
