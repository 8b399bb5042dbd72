package integration

import "testing"

// three are the numbers of three switches.
type three [3]int

// states of the three in a row of bits: a number below 8.
func (x three) states(row uint) uint {
	return row>>x[0]&1 | row>>x[1]&1<<1 | row>>x[2]&1<<2
}

// threes lists every three of so many switches.
func threes(switches int) (list []three) {
	for i := range switches {
		for j := range i {
			for k := range j {
				list = append(list, three{i, j, k})
			}
		}
	}
	return list
}

// covering lists states of so many switches, a bit for each, such that every combination of states of any three of them
// occurs: most faults that need a combination need no more than three. The first row is 0. It takes, again and again, the row
// that has most combinations not yet seen, and the first of several.
func covering(switches int) (rows []uint) {
	list := threes(switches)
	seen := make([]uint8, len(list)) // of each three, a bit for each of its 8 states
	fresh := func(row uint) (n int) {
		for i, x := range list {
			n += int(^seen[i] >> x.states(row) & 1)
		}
		return n
	}
	for best := uint(0); fresh(best) > 0; {
		rows = append(rows, best)
		for i, x := range list {
			seen[i] |= 1 << x.states(best)
		}
		most := 0
		for row := range uint(1) << switches {
			if n := fresh(row); n > most {
				best, most = row, n
			}
		}
	}
	return rows
}

func TestCovering(t *testing.T) {
	const switches = 12
	rows := covering(switches)
	t.Logf("%d rows of %d switches", len(rows), switches)
	if rows[0] != 0 || len(rows) > 40 {
		t.Errorf("%d rows, the first is %b", len(rows), rows[0])
	}
	for _, x := range threes(switches) {
		states := map[uint]bool{}
		for _, row := range rows {
			states[row>>x[0]&1|row>>x[1]&1<<1|row>>x[2]&1<<2] = true
		}
		if len(states) != 8 {
			t.Errorf("of the switches %v only %d combinations occur", x, len(states))
		}
	}
}
