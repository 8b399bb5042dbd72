package lane

import (
	"errors"

	"golang.org/x/sys/unix"
)

// What control hears of the paths, at most so often.
const (
	largePause = second / 5
	hintPause  = second / 20
)

// alwaysCarried is the UDP payload of what every IPv4 path carries.
const alwaysCarried = 576 - 20 - 8

// watchLarge is called when datagrams of up to size bytes have left.
func (l *Lane) watchLarge(t *Tunnel, size int) {
	if size <= alwaysCarried || !t.PathEvents || t.largeAt != 0 && l.now-t.largeAt < largePause {
		return
	}
	if l.tell(LargeSent{Tunnel: t}) {
		t.largeAt = l.now
	}
}

// watchHints is called with errors of t's socket. EMSGSIZE is what an ICMP message about
// the size of an earlier datagram turns into, or a device that is too narrow.
func (l *Lane) watchHints(t *Tunnel, err error) {
	if !t.PathEvents || t.socket == nil || t.hintAt != 0 && l.now-t.hintAt < hintPause || !errors.Is(err, unix.EMSGSIZE) {
		return
	}
	if l.tell(PathHint{Tunnel: t, MTU: t.socket.socket.PathMTU()}) {
		t.hintAt = l.now
	}
}
