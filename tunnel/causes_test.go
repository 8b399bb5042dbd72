package tunnel

import (
	"encoding/json"
	"strings"
	"testing"

	"vpngw/tunnel/lane"
)

// What several lanes have counted is added up, and each cause has its name.
func TestAddCauses(t *testing.T) {
	var c lane.LaneCounters
	c.Naps.Add(7)
	c.Wakes.Socket.Add(1)
	c.Wakes.Writable.Add(2)
	c.Wakes.TUN.Add(3)
	c.Wakes.Timer.Add(4)
	c.Wakes.Command.Add(5)
	for e := range c.TrainEnds {
		c.TrainEnds[e].Add(uint64(10 * (e + 1)))
	}
	for i, e := range []*lane.Edge{&c.TUNRead, &c.UDPSend, &c.UDPReceive, &c.TUNWrite} {
		e.WouldBlock.Add(uint64(100 * (i + 1)))
	}
	var s Status
	s.addCauses(&c)
	s.addCauses(&c)
	e := s.Edges
	if got, want := [4]uint64{e.TUNRead.WouldBlock, e.UDPSend.WouldBlock, e.UDPReceive.WouldBlock, e.TUNWrite.WouldBlock}, [4]uint64{200, 400, 600, 800}; got != want {
		t.Errorf("would block %d times, want %d", got, want)
	}
	text, err := json.Marshal(s.Lane)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"naps":14`,
		`"wakes":{"command":10,"socket":2,"timer":8,"tun":6,"writable":4}`,
		`"train_ends":{"burst":80,"full":20,"shortage":120,"size":40,"tos":60,"turn":100}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}
