package ike

import (
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// script is two gateways that are up, ESP both ways, and a wire whose IKE messages have
// names: "a rekey" is the request of a, "b re rekey" the answer to it. Others are
// create, extra (an additional child), delete (of a child), rekey-ike, delete-ike and probe.
type script struct {
	*world
	a, b    *node
	kinds   map[string]string // message → its name
	asked   map[string]string // request → its kind
	sealed  map[string]string // node → outline of what it sealed last
	rules   []*rule
	held    map[string]*packet
	seen    int            // IKE messages, retransmissions included
	esp     map[string]int // packets sent to each
	errors  map[string]int // "b NO_PROPOSAL_CHOSEN" → how often it was sealed
	names   []string       // of the messages sent, retransmissions left out
	early   int            // seen when the collision has long been settled
	touch   int            // the message to be touched, counted by seen
	how     string         // "lost", "late" or "doubled"
	started bool
	gap     bool // ESP may be lost: see noChild
}

const touchNone = -1

// rule is what is done with the next messages of a name.
type rule struct {
	name  string
	times int
	do    func(*packet)
}

// outlines is the handler of a node's log: it keeps what each sealed message is.
type outlines struct {
	s    *script
	node string
}

func (o outlines) Enabled(context.Context, slog.Level) bool { return true }
func (o outlines) WithAttrs([]slog.Attr) slog.Handler       { return o }
func (o outlines) WithGroup(string) slog.Handler            { return o }
func (o outlines) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "sealed" {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "payloads" {
				o.s.sealed[o.node] = a.Value.String()
			}
			return true
		})
	}
	return nil
}

func newScript(t testing.TB, seed uint64, change func(a, b *Peer)) *script {
	w := newWorld(t, seed)
	w.delayMin, w.delayMax = 10*time.Millisecond, 10*time.Millisecond
	s := &script{world: w, kinds: map[string]string{}, asked: map[string]string{}, sealed: map[string]string{},
		held: map[string]*packet{}, esp: map[string]int{}, errors: map[string]int{}, touch: touchNone}
	w.filter = s.see
	s.a, s.b = pair(w, change)
	s.a.log, s.b.log = slog.New(outlines{s, "a"}), slog.New(outlines{s, "b"})
	s.a.boot()
	s.b.boot()
	s.a.connect()
	s.run(5 * time.Second)
	s.quiet()
	s.strict, s.started = true, true
	clear(s.delivered)
	s.a.traffic, s.b.traffic = true, true
	s.run(100 * time.Millisecond)
	return s
}

// name gives a message its name, at the first sight of it.
func (s *script) name(p *packet) (name string, again bool) {
	if name, ok := s.kinds[string(p.ike)]; ok {
		return name, true
	}
	n := s.nodeAt(p.from)
	text := s.sealed[n.name]
	delete(s.sealed, n.name)
	response := p.ike[19]&0x20 != 0
	fromInitiator := (p.ike[19]&0x08 != 0) != response // of the request
	key := fmt.Sprintf("%x %x %v", p.ike[:16], p.ike[20:24], fromInitiator)
	if response {
		name = n.name + " re " + s.asked[key]
	} else {
		kind := "probe"
		switch x := p.ike[18]; {
		case x == 34:
			kind = "init"
		case x == 35:
			kind = "auth"
		case x == 36 && strings.Contains(text, "REKEY_SA"):
			kind = "rekey"
		case x == 36 && strings.Contains(text, "SA_RESOURCE_INFO"):
			kind = "extra"
		case x == 36 && strings.Contains(text, "TSi"):
			kind = "create"
		case x == 36:
			kind = "rekey-ike"
		case strings.Contains(text, "D(IKE"):
			kind = "delete-ike"
		case strings.Contains(text, "D("):
			kind = "delete"
		}
		s.asked[key] = kind
		name = n.name + " " + kind
	}
	s.kinds[string(p.ike)] = name
	s.names = append(s.names, name)
	for _, e := range []string{"TEMPORARY_FAILURE", "CHILD_SA_NOT_FOUND", "INVALID_KE_PAYLOAD", "NO_PROPOSAL_CHOSEN",
		"NO_ADDITIONAL_SAS", "INVALID_SYNTAX", "TS_UNACCEPTABLE", "TS_MAX_QUEUE"} {
		if strings.Contains(text, e) {
			s.errors[n.name+" "+e]++
		}
	}
	return name, false
}

// see is the wire's filter.
func (s *script) see(p *packet) bool {
	if !s.started {
		return true
	}
	if p.ike == nil {
		s.esp[s.partnerOf(p.from).name]++
		return true
	}
	if len(p.ike) > 16 && p.ike[16] == 41 {
		return true // an unprotected hint
	}
	name, again := s.name(p)
	s.logf("  it is %q%s", name, map[bool]string{true: ", again"}[again])
	s.seen++
	if s.seen-1 == s.touch {
		switch s.how {
		case "lost":
			return false
		case "late":
			s.later(p, 2*time.Second)
			return false
		case "doubled":
			s.later(p, 15*time.Millisecond)
		}
	}
	for _, r := range s.rules {
		if r.name == name && r.times > 0 {
			r.times--
			s.logf("  which does not arrive yet")
			r.do(p)
			return false
		}
	}
	return true
}

func (s *script) partnerOf(addr fmt.Stringer) *node {
	if addr.String() == s.a.addr.String() {
		return s.b
	}
	return s.a
}

func (s *script) later(p *packet, d time.Duration) {
	q := *p
	s.order++
	q.order, q.at = s.order, s.now.Add(d)
	heap.Push(&s.wire, &q)
}

// lose loses the next messages of a name.
func (s *script) lose(name string, times int) {
	s.rules = append(s.rules, &rule{name, times, func(*packet) {}})
}

// late delivers the next message of a name only after d; its retransmissions are lost.
func (s *script) late(name string, d time.Duration) {
	s.rules = append(s.rules, &rule{name, 1, func(p *packet) { s.later(p, d) }})
}

// hold keeps back every message of the name until release.
func (s *script) hold(names ...string) {
	for _, name := range names {
		s.rules = append(s.rules, &rule{name, 1 << 20, func(p *packet) { s.held[name] = p }})
	}
}

// release delivers what was held, at once, and lets time pass for what follows from it
// to arrive.
func (s *script) release(names ...string) {
	s.t.Helper()
	for _, name := range names {
		p := s.held[name]
		if p == nil && s.touch == touchNone {
			s.failf("nothing of the name %q was held", name)
		}
		s.rules = slices.DeleteFunc(s.rules, func(r *rule) bool { return r.name == name })
		if p != nil {
			s.deliver(p)
		}
		s.run(30 * time.Millisecond)
	}
}

// wait lets the messages on the wire arrive.
func (s *script) wait() { s.run(30 * time.Millisecond) }

func (s *script) child(n *node) *child { return n.m.peers[n.peers[0].ID].using }

func (s *script) sa(n *node) *sa { return n.m.peers[n.peers[0].ID].current() }

// noChild says that there is to be nothing to send on for a while: who answers with a
// new child then uses it at once, and what it sends may overtake the answer.
func (s *script) noChild() { s.strict, s.gap = false, true }

// deleteChild closes the child in use.
func (s *script) deleteChild(n *node) {
	s.noChild()
	n.closeChild()
}

// deleteIKE closes the IKE SA.
func (s *script) deleteIKE(n *node) {
	s.noChild()
	n.closeIKE()
}

// create asks for a child where there is none.
func (s *script) create(n *node) {
	s.logf("%s makes a child", n.name)
	n.inside(func() { s.sa(n).enqueue(task{kind: taskNewChild}) })
}

// finish lets all settle and checks what must hold then.
func (s *script) finish() {
	s.t.Helper()
	s.run(10 * time.Second)
	if s.gap {
		clear(s.delivered)
		clear(s.esp)
		s.strict = true
		for _, p := range s.wire {
			if p.esp != nil {
				s.esp[s.nodeAt(p.to).name]++
			}
		}
		s.run(time.Second)
	}
	s.early = s.seen
	s.a.traffic, s.b.traffic = false, false
	s.run(60 * time.Second)
	s.quiet()
	for _, n := range s.nodes {
		if got := s.delivered[n.name]; got != s.esp[n.name] {
			s.failf("%d of %d ESP packets came to %s", got, s.esp[n.name], n.name)
		}
	}
}

// said are the errors that the two told one another, in order.
func (s *script) said() string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(s.errors)) {
		list = append(list, fmt.Sprintf("%s ×%d", k, s.errors[k]))
	}
	return strings.Join(list, ", ")
}
