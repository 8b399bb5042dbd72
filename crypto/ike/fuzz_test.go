package ike

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// FuzzMachine gives arbitrary bytes to machines in every state, logging at trace
// level: as a datagram, as a message with the right SPIs, and sealed with the right
// keys, whole or as a fragment.
func FuzzMachine(f *testing.F) {
	for state := range byte(8) {
		for how := range byte(4) {
			f.Add(state, how, byte(37), uint32(0), []byte{0, 0, 0, 4})
			f.Add(state, how, byte(36), uint32(2), []byte{41, 0, 0, 0, 0, 12, 3, 4, 0x40, 9, 1, 2, 3, 4})
			f.Add(state, how, byte(35), uint32(1), bytes.Repeat([]byte{0, 0, 0, 8}, 8))
			f.Add(state, how, byte(34), uint32(0), bytes.Repeat([]byte{0xff}, 60))
			f.Add(state, how, byte(35), uint32(1), []byte{41, 1, 1, 0, 0, 0, 8, 0, 0, 0x40, 0})
			f.Add(state, how, byte(37), uint32(2), []byte{0, 2, 3, 0, 0, 0, 8})
		}
	}
	f.Fuzz(func(t *testing.T, state, how, exchange byte, id uint32, data []byte) {
		st := fuzzState(t, state%8)
		for _, n := range []*node{st.a, st.b} {
			other := st.a
			if n == st.a {
				other = st.b
			}
			n.step(Datagram{Local: n.addr, Remote: other.addr, Bytes: fuzzMessage(t, other, how, exchange, id, data)})
		}
		st.w.run(3 * time.Second)
		for _, n := range []*node{st.a, st.b} {
			if len(n.m.sas) > 8 || len(n.children) > 8 {
				t.Fatalf("%d SAs, %d children", len(n.m.sas), len(n.children))
			}
			n.m.Status(n.peers[0].ID)
		}
	})
}

func fuzzState(t *testing.T, state byte) *stage {
	switch state {
	case 0:
		return hold(t, message.ExchangeIKESAInit, false, false)
	case 1:
		return hold(t, message.ExchangeIKESAInit, true, false)
	case 2:
		return hold(t, message.ExchangeIKEAuth, false, true)
	case 3:
		return hold(t, message.ExchangeIKEAuth, true, false)
	case 6:
		return holdHybrid(t, message.ExchangeIKEIntermediate, false)
	case 7:
		return holdHybrid(t, message.ExchangeIKEIntermediate, true)
	}
	w := newWorld(t, 1)
	st := &stage{w: w}
	st.a, st.b = pair(w, nil)
	st.a.log, st.b.log = traceLogger(), traceLogger()
	st.a.boot()
	st.b.boot()
	st.a.connect()
	w.run(time.Second)
	if state == 5 {
		st.a.soft()
		st.b.soft()
	}
	return st
}

// fuzzMessage makes a message of n out of data.
func fuzzMessage(t *testing.T, n *node, how, exchange byte, id uint32, data []byte) []byte {
	s := only(n)
	if how%4 == 0 || s == nil || len(data) == 0 {
		return data
	}
	h := s.header(message.ExchangeType(exchange), how&0x40 != 0, id)
	if how%4 == 1 || s.state == saInit {
		raw, err := message.Marshal(&message.Message{Header: h})
		if err != nil {
			t.Fatal(err)
		}
		raw[16] = data[0]
		raw = append(raw, data[1:]...)
		binary.BigEndian.PutUint32(raw[24:], uint32(len(raw)))
		return raw
	}
	if len(data) > 60000 {
		data = data[:60000]
	}
	if how%4 == 2 || len(data) < 3 || data[1] == 0 || data[1] > data[2] {
		return sealAs(t, n, h, message.PayloadType(data[0]), data[1:])
	}
	first := message.PayloadNone
	if data[1] == 1 {
		first = message.PayloadType(data[0])
	}
	return resealed(t, n, h.Exchange, id, first, uint16(data[1]), uint16(data[2]), data[3:])
}
