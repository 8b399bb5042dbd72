package lane

// silence is how long packets leave without one that comes, until control hears of it,
// and then between two times that it does.
const silence = 2 * second

// watchSilence is called when datagrams of t have left.
func (l *Lane) watchSilence(t *Tunnel) {
	if t.silentFrom == 0 {
		t.silentFrom = l.now
		return
	}
	if l.now-t.silentFrom >= silence && (t.unansweredAt == 0 || l.now-t.unansweredAt >= silence) && l.tell(Unanswered{Tunnel: t}) {
		t.unansweredAt = l.now
	}
}
