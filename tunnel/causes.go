package tunnel

import "vpngw/tunnel/lane"

// addCauses adds what a lane has counted of its sleeps and its trains.
func (s *LaneStatus) addCauses(c *lane.LaneCounters) {
	if s.Wakes == nil {
		s.Wakes, s.TrainEnds = map[string]uint64{}, map[string]uint64{}
	}
	s.Naps += c.Naps.Load()
	w := &c.Wakes
	s.Wakes["socket"] += w.Socket.Load()
	s.Wakes["writable"] += w.Writable.Load()
	s.Wakes["tun"] += w.TUN.Load()
	s.Wakes["timer"] += w.Timer.Load()
	s.Wakes["command"] += w.Command.Load()
	for e := range c.TrainEnds {
		s.TrainEnds[lane.TrainEnd(e).String()] += c.TrainEnds[e].Load()
	}
}
