package lane

import (
	"testing"

	"vpngw/tunnel/drop"
)

// TestBudget: one lane alone may hold most of what all may hold together, others keep their
// part, and all is given back. Nothing is lost or counted twice, by any number of lanes.
func TestBudget(t *testing.T) {
	const n = 4
	total := 100 * bigSlot
	gates := newGates(t, n)
	budget := NewBudget(total, n)
	var sites []*site
	for i, g := range gates {
		s := siteOn(gates, i+1, i)
		s.share.Limit = total
		u := g.lane.AddUplink(UplinkConfig{Name: "shared", Budget: budget})
		g.lane.SetUplink(s.Tunnel, u)
		g.uplink = u
		s.block(0)
		sites = append(sites, s)
	}
	routes := gates[0].lane.routes.Clone()
	for _, g := range gates {
		for p, s := range g.lane.routes.All() {
			routes.Insert(p, s)
		}
	}
	for _, g := range gates {
		g.lane.SetRoutes(routes)
	}
	held := func() (sum int) {
		for _, g := range gates {
			sum += g.uplink.queue.Memory()
		}
		return sum
	}
	fill := func(i, packets int) {
		f := tcp4(i+1, 5)
		for range packets {
			gates[i].tun.push(f.super(bytesOf(40000, 1), 1000))
			gates[i].step()
		}
	}
	fill(0, 150)
	alone := gates[0].uplink.queue.Memory()
	if alone < total/2 || alone > total {
		t.Errorf("a lane alone holds %d bytes of %d", alone, total)
	}
	if sites[0].Counters.Drops.Get(drop.QueueFull) == 0 {
		t.Error("nothing was dropped")
	}
	for i := 1; i < n; i++ {
		fill(i, 150)
		if got := gates[i].uplink.queue.Memory(); got < total/(2*n)-bigSlot {
			t.Errorf("lane %d holds %d bytes of %d", i, got, total)
		}
	}
	if got := held(); got > total || got < total*9/10 {
		t.Errorf("%d bytes are held of %d", got, total)
	}
	for i, g := range gates {
		sites[i].free()
		g.settle()
	}
	if got, want := budget.free.Load(), int64(total-n*budget.own); got != want || held() != 0 {
		t.Errorf("%d bytes are free in the end, want %d", got, want)
	}
}

// TestNoAllocationBudget: neither to borrow nor to repay.
func TestNoAllocationBudget(t *testing.T) {
	gates := newGates(t, 2)
	s := siteOn(gates, 1, 0)
	s.socket.discard = true
	l := gates[0].lane
	u := l.AddUplink(UplinkConfig{Name: "shared", Budget: NewBudget(100*bigSlot, 2)})
	l.SetUplink(s.Tunnel, u)
	super := tcp4(1, 5).super(bytesOf(45*1398, 1), 1398)
	if got := testing.AllocsPerRun(200, func() {
		for range 30 {
			gates[0].tun.push(super)
		}
		gates[0].settle()
	}); got != 0 {
		t.Errorf("%v allocations for 30 superpackets", got)
	}
	if u.limit != u.budget.own {
		t.Errorf("%d bytes are not given back", u.limit-u.budget.own)
	}
}
