package lane

import (
	"fmt"
	"sync"
	"time"
)

// MaxLanes is the most lanes that a group may have.
const MaxLanes = 64

// Group is the lanes of one gateway. They have one time, one inbox of events, and rings
// between each two. Any goroutine may call its methods.
type Group struct {
	lanes     []*Lane
	events    chan Event
	strangers chan Event
	started   time.Time
	flows     flowHasher // with the seed of all
	spis      directory

	mu    sync.Mutex // guards moves
	moves map[*move]struct{}
}

// NewGroup returns n lanes, 1 to [MaxLanes], without TUN, sockets and tunnels. Close it
// after all of them have ended.
func NewGroup(c Config, n int) (*Group, error) {
	g := &Group{
		events:    make(chan Event, inboxLen),
		strangers: make(chan Event, inboxLen),
		started:   time.Now(),
		flows:     newFlowHasher(),
		moves:     map[*move]struct{}{},
	}
	if n < 1 || n > MaxLanes {
		return nil, fmt.Errorf("a gateway has 1 to %d lanes, not %d", MaxLanes, n)
	}
	for range n {
		l, err := newLane(c, g)
		if err != nil {
			g.Close()
			return nil, err
		}
		g.lanes = append(g.lanes, l)
	}
	if n > 1 {
		g.linkAll()
	}
	return g, nil
}

// Lanes returns the lanes in their order. Each has its Run to be called.
func (g *Group) Lanes() []*Lane { return g.lanes }

// Adopt makes the first lane t's home.
func (g *Group) Adopt(t *Tunnel) { t.home.Store(g.lanes[0]) }

// Do makes each lane run f, as Lane.Do does.
func (g *Group) Do(f func(*Lane)) {
	for _, l := range g.lanes {
		l.Do(func() { f(l) })
	}
}

// Stop makes all lanes end, as Lane.Stop does.
func (g *Group) Stop() {
	for _, l := range g.lanes {
		l.Stop()
	}
}

// Close closes the sockets of the lanes, and of tunnels between two, but not the TUN.
// Only after all lanes have ended.
func (g *Group) Close() {
	for _, l := range g.lanes {
		l.Close()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for m := range g.moves {
		if m.endpoint != nil {
			m.endpoint.socket.Close()
		}
	}
	clear(g.moves)
}

// Events is what tunnels caused. The channel is never closed.
func (g *Group) Events() <-chan Event { return g.events }

// Strangers is what anybody can cause. The channel is never closed.
func (g *Group) Strangers() <-chan Event { return g.strangers }

// Now is the lanes' time, in nanoseconds.
func (g *Group) Now() int64 { return int64(time.Since(g.started)) }

// Time turns a time stamp of Counters, which follow the monotonic clock, into a
// time; the zero time for 0.
func (g *Group) Time(stamp int64) time.Time {
	if stamp == 0 {
		return time.Time{}
	}
	return g.started.Add(time.Duration(stamp))
}
