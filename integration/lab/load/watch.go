package load

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Reading is what a load has come to while it runs.
type Reading struct {
	At       time.Duration     // from the start
	Received []uint64          // bytes in order at the receiver so far, of each flow
	Delays   [][]time.Duration // of the datagrams that arrived since the last reading, of each probe
}

// watchInterval is the time between readings.
const watchInterval = time.Second

// watcher shows a load to somebody while it runs.
type watcher struct {
	flows  []*flow
	probes []*probe
	show   func(Reading)
	closed chan struct{}
	stop   func()
}

func newWatcher(flows []*flow, probes []*probe, show func(Reading)) *watcher {
	w := &watcher{flows: flows, probes: probes, show: show, closed: make(chan struct{})}
	w.stop = sync.OnceFunc(func() { close(w.closed) })
	return w
}

func (w *watcher) close() { w.stop() }

func (w *watcher) run(start, end time.Time) error {
	arrived := make([]int, len(w.probes))
	for due := start.Add(watchInterval); !due.After(end); due = due.Add(watchInterval) {
		select {
		case <-time.After(time.Until(due)):
		case <-w.closed:
			return nil
		}
		r := Reading{At: time.Since(start)}
		for i, f := range w.flows {
			info, err := tcpInfo(f.receiver)
			if err != nil {
				return fmt.Errorf("flow %d: %w", i, err)
			}
			r.Received = append(r.Received, info.Bytes_received)
		}
		for i, p := range w.probes {
			delays := p.delaysFrom(arrived[i])
			arrived[i] += len(delays)
			r.Delays = append(r.Delays, delays)
		}
		w.show(r)
	}
	return nil
}

// delaysFrom are those that have been noted since there were n.
func (p *probe) delaysFrom(n int) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.delays[n:])
}
