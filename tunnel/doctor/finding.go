package doctor

import (
	"cmp"
	"slices"
)

// Severity is how much a finding hurts.
type Severity string

// From what breaks tunnels, over what slows or may break them, to what is good to know.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning, Note}, s) }

// Finding is one thing that is not as it should be. Its JSON form is stable.
type Finding struct {
	ID        string   `json:"id"` // the check that found it
	Severity  Severity `json:"severity"`
	Interface string   `json:"interface,omitempty"` // "": the machine as a whole
	What      string   `json:"what"`
	Why       string   `json:"why"`     // it hurts
	Command   string   `json:"command"` // that mends it; "": see Advice
	Advice    string   `json:"advice,omitempty"`
	Undo      string   `json:"undo,omitempty"` // command that takes Command back
	Safe      bool     `json:"safe"`           // may be done without asking: see Change
	Change    *Change  `json:"change,omitempty"`
}

// Key tells findings of two examinations apart: those with the same key are the same.
func (f *Finding) Key() string { return f.ID + "\x00" + f.Interface + "\x00" + f.What }

// mend gives the finding the change that mends it. A safe one changes only how packets are
// carried, not which ones.
func (f Finding) mend(c *Change, safe bool) Finding {
	f.Change, f.Safe = c, safe
	f.Command, f.Undo = c.Command(), c.Inverse().Command()
	return f
}

// Examine finds what is wrong, the worst first.
func Examine(f *Facts) []Finding {
	var all []Finding
	for n := range f.Interfaces {
		i := &f.Interfaces[n]
		all = append(all, receiving(f, i)...)
		all = append(all, sending(f, i)...)
		all = append(all, device(f, i)...)
	}
	all = append(all, sizes(f)...)
	all = append(all, forwarding(f)...)
	all = append(all, reversePath(f)...)
	all = append(all, buffers(f)...)
	all = append(all, port(f)...)
	all = append(all, kernel(f)...)
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(a.Severity.rank(), b.Severity.rank()) })
	return all
}

// Healthy tells whether nothing but notes was found.
func Healthy(findings []Finding) bool {
	return !slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity != Note })
}
