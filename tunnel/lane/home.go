package lane

import "sync"

// errand is what control wants done at a tunnel's home.
type errand struct {
	mu       sync.Mutex
	moving   bool // between two homes: what is to be done waits
	settling bool // it may not move again yet
	waiting  []func(*Lane)
}

// Home is the lane that handles t's packets; nil before Group.Adopt. While t moves it is
// the one that it moves to. Any goroutine may call it.
func (t *Tunnel) Home() *Lane { return t.home.Load() }

// Index is the lane's place in its group, from 0.
func (l *Lane) Index() int { return l.index }

// Do makes t's home run f between two turns, in the order of the calls, wherever t moves
// meanwhile. It does not wait for it. f may not call Do or Move of t. After Stop it may
// never run. Any goroutine may call it.
func (t *Tunnel) Do(f func(*Lane)) {
	e := &t.errand
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.moving {
		e.waiting = append(e.waiting, f)
		return
	}
	home := t.home.Load()
	home.Do(func() { f(home) })
}
