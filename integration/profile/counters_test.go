package main

import (
	"encoding/json"
	"testing"
)

func TestCountersSince(t *testing.T) {
	read := func(text string) (c counters) {
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := read(`{"edges":{"tun_read":{"calls":10,"bytes":1000,"packets":20,"would_block":3,"sizes":[1,2]}},
		"lane":{"turns":5,"sleeps":4,"wakes":{"tun":2},"train_ends":{"full":1}},
		"tunnels":[{"bytes_in":7,"bytes_out":8,"packets_in":1,"packets_out":2,"segment_fallbacks":1}]}`)
	after := read(`{"edges":{"tun_read":{"calls":110,"bytes":6000,"packets":320,"would_block":33,"sizes":[11,92]},"udp_send":{"calls":1}},
		"lane":{"turns":15,"sleeps":24,"wakes":{"tun":12,"socket":1},"train_ends":{"full":4}},
		"tunnels":[{"bytes_in":107,"bytes_out":1008,"packets_in":11,"packets_out":22,"segment_fallbacks":3}]}`)
	c := after.since(before)
	if e := c.Edges.TUNRead; e.Calls != 100 || e.Bytes != 5000 || e.Packets != 300 || e.WouldBlock != 30 || e.Sizes[0] != 10 || e.Sizes[1] != 90 {
		t.Errorf("TUN read %+v", e)
	}
	if c.Edges.UDPSend.Calls != 1 {
		t.Errorf("UDP send %+v", c.Edges.UDPSend)
	}
	if l := c.Lane; l.Turns != 10 || l.Sleeps != 20 || l.Wakes["tun"] != 10 || l.Wakes["socket"] != 1 || l.TrainEnds["full"] != 3 {
		t.Errorf("lane %+v", l)
	}
	if bytes, packets, fallbacks := c.carried(); bytes != 1100 || packets != 30 || fallbacks != 2 {
		t.Errorf("carried %d bytes, %d packets, %d fallbacks, want 1100, 30, 2", bytes, packets, fallbacks)
	}
}
