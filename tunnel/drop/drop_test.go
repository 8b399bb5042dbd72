package drop

import "testing"

func TestEveryReasonHasItsOwnName(t *testing.T) {
	seen := map[string]Reason{}
	for r := range Count {
		name := r.String()
		if name == "unknown" {
			t.Errorf("reason %d has no name", r)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("reasons %d and %d are both called %q", other, r, name)
		}
		seen[name] = r
	}
}

func TestMapShowsEveryCounter(t *testing.T) {
	var c Counters
	c.Add(Replayed, 3)
	m := c.Map()
	if m["replayed"] != 3 || c.Get(Replayed) != 3 {
		t.Errorf("replayed counts %d, want 3", m["replayed"])
	}
	if len(m) != int(Count) {
		t.Errorf("%d reasons are shown of %d", len(m), Count)
	}
}
