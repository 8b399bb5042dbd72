package fairness

import "slices"

// Which heap a class is in, beside others.
const (
	byRelease = iota // throttled classes, by the time of their release
	byArrival        // FIFO: classes that may send, by the arrival of their oldest packet
	byMemory         // all classes, the fattest first
	heaps
)

// classHeap is a binary heap of classes, the least key first. Classes know their place in it.
type classHeap[T any] struct {
	which int
	items []heapItem[T]
}

type heapItem[T any] struct {
	key   int64
	class *Class[T]
}

func (h *classHeap[T]) len() int              { return len(h.items) }
func (h *classHeap[T]) top() *heapItem[T]     { return &h.items[0] }
func (h *classHeap[T]) has(c *Class[T]) bool  { return c.place[h.which] != 0 }
func (h *classHeap[T]) key(c *Class[T]) int64 { return h.items[c.place[h.which]-1].key }

// set gives c a key, and puts it in if it is not.
func (h *classHeap[T]) set(c *Class[T], key int64) {
	i := c.place[h.which] - 1
	if i < 0 {
		i = len(h.items)
		h.items = append(h.items, heapItem[T]{})
	} else if h.items[i].key < key {
		h.down(i, heapItem[T]{key, c})
		return
	}
	h.up(i, heapItem[T]{key, c})
}

func (h *classHeap[T]) remove(c *Class[T]) {
	i := c.place[h.which] - 1
	c.place[h.which] = 0
	last := len(h.items) - 1
	moved := h.items[last]
	h.items[last] = heapItem[T]{}
	h.items = h.items[:last]
	switch {
	case i == last:
	case i > 0 && moved.key < h.items[(i-1)/2].key:
		h.up(i, moved)
	default:
		h.down(i, moved)
	}
}

func (h *classHeap[T]) up(i int, item heapItem[T]) {
	for i > 0 {
		parent := (i - 1) / 2
		if h.items[parent].key <= item.key {
			break
		}
		h.put(i, h.items[parent])
		i = parent
	}
	h.put(i, item)
}

func (h *classHeap[T]) down(i int, item heapItem[T]) {
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			break
		}
		if right := child + 1; right < len(h.items) && h.items[right].key < h.items[child].key {
			child = right
		}
		if item.key <= h.items[child].key {
			break
		}
		h.put(i, h.items[child])
		i = child
	}
	h.put(i, item)
}

func (h *classHeap[T]) put(i int, item heapItem[T]) {
	h.items[i] = item
	item.class.place[h.which] = i + 1
}

// grow makes room for so many classes, so that set allocates nothing.
func (h *classHeap[T]) grow(n int) {
	if n > cap(h.items) {
		h.items = slices.Grow(h.items, 2*n-len(h.items))
	}
}
