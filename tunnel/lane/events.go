package lane

import "net/netip"

// Event is something the control side must hear of.
type Event interface{ laneEvent() }

// IKE is an IKE message as received, without the non-ESP marker. Bytes belong to
// the receiver of the event.
type IKE struct {
	Tunnel        *Tunnel // nil: it came to the listener
	Local, Remote netip.AddrPort
	Bytes         []byte
}

// Heard says that packets authenticated on an inbound SA: given at once for its
// first, and then at most once a second per SA.
type Heard struct {
	Tunnel *Tunnel
	SPI    uint32
}

// SoftLimit says, once, that an SA should be replaced soon.
type SoftLimit struct {
	Tunnel *Tunnel
	SPI    uint32 // inbound SPI that names the child
}

// HardLimit says, once, that an SA can carry no more.
type HardLimit struct {
	Tunnel *Tunnel
	SPI    uint32 // inbound SPI that names the child
}

// Moved says that the newest packet of a tunnel, authenticated, came from another
// address than its socket is connected to.
type Moved struct {
	Tunnel        *Tunnel
	Local, Remote netip.AddrPort
}

// Unanswered says that for two seconds or more packets have left and none that
// authenticates has come. Given again every two seconds for as long as that holds and
// packets leave.
type Unanswered struct{ Tunnel *Tunnel }

// UnknownSPI is an ESP datagram whose SPI no SA has. Anybody can send one.
type UnknownSPI struct {
	Local, Remote netip.AddrPort
	SPI           uint32
}

// TUNFailed says that the TUN device is gone. The lane does not touch its queue again.
type TUNFailed struct {
	TUN TUN // the queue
	Err error
}

// SocketFailed says that sending on the tunnel's socket finds no route, device or
// source address: it may have to be made anew. Given at most once a second.
type SocketFailed struct {
	Tunnel *Tunnel
	Err    error
}

// LargeSent says that datagrams have left that are larger than what any path carries.
// Given for as long as such leave, but not always at once.
type LargeSent struct{ Tunnel *Tunnel }

// PathHint says that a router on the way to the peer, or this machine itself, does not
// forward packets of more than MTU bytes; 0: it is not known how many. Anybody can forge
// what it comes from.
type PathHint struct {
	Tunnel *Tunnel
	MTU    int
}

// PathAnswered says that the peer answered a question by the path that it was asked by.
// Given after Ask and after PathSilent, once.
type PathAnswered struct {
	Tunnel *Tunnel
	Asked  int64 // lane time of the question
}

// PathSilent says that a strand sends and asks, and for a while no answer has come. Given
// again and again for as long as that holds.
type PathSilent struct {
	Tunnel *Tunnel
	Asked  int64 // lane time of the last question
}

func (IKE) laneEvent()          {}
func (Heard) laneEvent()        {}
func (SoftLimit) laneEvent()    {}
func (HardLimit) laneEvent()    {}
func (Moved) laneEvent()        {}
func (Unanswered) laneEvent()   {}
func (UnknownSPI) laneEvent()   {}
func (TUNFailed) laneEvent()    {}
func (SocketFailed) laneEvent() {}
func (LargeSent) laneEvent()    {}
func (PathHint) laneEvent()     {}
func (PathAnswered) laneEvent() {}
func (PathSilent) laneEvent()   {}

const inboxLen = 256

// tell gives the control side an event of a tunnel, or loses it. The events that
// are lost are those whose cause comes again.
func (l *Lane) tell(e Event) bool {
	select {
	case l.events <- e:
		return true
	default:
		l.counters.EventsLost.Add(1)
		return false
	}
}

// tellStranger is tell for what anybody can cause: such events have an inbox of
// their own, so that a flood of them loses none of a tunnel's.
func (l *Lane) tellStranger(e Event) bool {
	select {
	case l.strangers <- e:
		return true
	default:
		return false
	}
}
