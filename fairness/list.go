package fairness

// link puts its owner into a list. An owner has one link for each list that it may be in.
type link[E any] struct {
	next, prev *link[E]
	owner      *E
}

func (l *link[E]) linked() bool { return l.next != nil }

// list is a doubly linked list whose links stand in its elements, so that it allocates
// nothing. Use init before all else.
type list[E any] struct {
	root link[E]
	len  int
}

func (l *list[E]) init() { l.root.next, l.root.prev = &l.root, &l.root }

// front returns the first element of a list that is not empty.
func (l *list[E]) front() *E { return l.root.next.owner }

func (l *list[E]) pushFront(e *link[E]) { l.insert(e, &l.root) }
func (l *list[E]) pushBack(e *link[E])  { l.insert(e, l.root.prev) }

func (l *list[E]) insert(e, after *link[E]) {
	e.prev, e.next = after, after.next
	after.next.prev = e
	after.next = e
	l.len++
}

func (l *list[E]) remove(e *link[E]) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.next, e.prev = nil, nil
	l.len--
}

// rotate makes the first element the last one.
func (l *list[E]) rotate() {
	if l.len > 1 {
		e := l.root.next
		l.remove(e)
		l.pushBack(e)
	}
}
