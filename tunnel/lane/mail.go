package lane

import "vpngw/tunnel/drop"

// mail is IKE messages that wait until the lane has received what there is: then
// control is woken once for all of them. Waking it costs more than most of them do.
type mail struct{ ofTunnels, ofStrangers []IKE }

// hasRoom tells whether an IKE message can be told to control: one that came to the
// socket of t, or to the listener. Also on a tunnel's socket the sender may be forged:
// what authenticated packets cause must find room beside a flood.
func (l *Lane) hasRoom(t *Tunnel) bool {
	if t == nil {
		return len(l.mail.ofStrangers)+len(l.strangers) < cap(l.strangers)
	}
	return len(l.mail.ofTunnels)+len(l.events) < cap(l.events)/2
}

// hold keeps a message until tellMail.
func (l *Lane) hold(m IKE) {
	if m.Tunnel == nil {
		l.mail.ofStrangers = append(l.mail.ofStrangers, m)
	} else {
		l.mail.ofTunnels = append(l.mail.ofTunnels, m)
	}
}

// tellMail gives control what was held, or loses it if the room is gone meanwhile.
func (l *Lane) tellMail() {
	for _, m := range l.mail.ofTunnels {
		if !l.tell(m) {
			l.dropIn(m.Tunnel, drop.ControlBusy, 1)
		}
	}
	for _, m := range l.mail.ofStrangers {
		if !l.tellStranger(m) {
			l.dropIn(nil, drop.ControlBusy, 1)
		}
	}
	clear(l.mail.ofTunnels)
	clear(l.mail.ofStrangers)
	l.mail.ofTunnels, l.mail.ofStrangers = l.mail.ofTunnels[:0], l.mail.ofStrangers[:0]
}
