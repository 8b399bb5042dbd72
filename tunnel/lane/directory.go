package lane

import (
	"maps"
	"sync"
	"sync/atomic"
)

// directory knows the tunnel of each inbound SPI of a group, for datagrams that come to
// another lane than their SA's. Readers take no lock: each shard is a map that is not
// changed but replaced.
type directory struct {
	mu     sync.Mutex // of those who change it
	shards [256]atomic.Pointer[map[uint32]*Tunnel]
}

func (d *directory) find(spi uint32) *Tunnel {
	if m := d.shards[uint8(spi)].Load(); m != nil {
		return (*m)[spi]
	}
	return nil
}

// set notes the tunnel of an SPI; nil: it has none any more.
func (d *directory) set(spi uint32, t *Tunnel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	shard := &d.shards[uint8(spi)]
	next := map[uint32]*Tunnel{}
	if m := shard.Load(); m != nil {
		next = maps.Clone(*m)
	}
	if t == nil {
		delete(next, spi)
	} else {
		next[spi] = t
	}
	shard.Store(&next)
}
