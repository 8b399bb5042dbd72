// Package health shows what packages survey and doctor say of the machine around a gateway.
package health

import (
	"fmt"
	"io"
	"strings"

	"vpngw/tunnel"
	"vpngw/tunnel/doctor"
)

// Interface is one interface as `vpngw offloads --json` shows it. Its fields are stable.
type Interface struct {
	Name    string        `json:"name"`
	Kind    string        `json:"kind"`
	Under   string        `json:"under,omitempty"` // the interface above, where only that one has a role
	Roles   []doctor.Role `json:"roles"`
	Towards []string      `json:"towards"` // peers and local subnets
	Rows    []doctor.Row  `json:"rows"`

	Edges *tunnel.EdgesStatus `json:"edges,omitempty"` // what a running gateway took from and gave to it since it began
}

// Offloads is the whole of `vpngw offloads --json`.
type Offloads struct {
	Interfaces []Interface `json:"interfaces"`
	Unseen     []string    `json:"unseen"` // what could not be looked at, and why
}

// OffloadsOf makes a sheet of each interface.
func OffloadsOf(f *doctor.Facts) Offloads {
	o := Offloads{Interfaces: []Interface{}, Unseen: append([]string{}, f.Unseen...)}
	for n := range f.Interfaces {
		i := &f.Interfaces[n]
		o.Interfaces = append(o.Interfaces, Interface{
			Name: i.Name, Kind: i.Kind, Under: i.Under, Roles: i.Roles,
			Towards: append([]string{}, i.Towards...), Rows: doctor.Sheet(f, i),
		})
	}
	return o
}

// Count adds what a running gateway has counted of the interfaces.
func (o *Offloads) Count(s *tunnel.Status) {
	for n := range o.Interfaces {
		for _, i := range s.Interfaces {
			if i.Name == o.Interfaces[n].Name {
				o.Interfaces[n].Edges = &i.EdgesStatus
			}
		}
	}
}

// Widths of the columns, for 100 in all.
const (
	nameWidth  = 32
	stateWidth = 19
	wantWidth  = 8
	whyWidth   = 100 - nameWidth - stateWidth - wantWidth - 1
)

// PrintOffloads writes o for a person to read.
func PrintOffloads(w io.Writer, o Offloads) error {
	var b strings.Builder
	for n := range o.Interfaces {
		if n > 0 {
			b.WriteByte('\n')
		}
		printInterface(&b, &o.Interfaces[n])
	}
	for n, u := range o.Unseen {
		if n == 0 {
			b.WriteString("\nnot seen\n")
		}
		fmt.Fprintf(&b, "  %s\n", u)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printInterface(b *strings.Builder, i *Interface) {
	fmt.Fprintf(b, "%s: %s\n", i.Name, describe(i))
	printRow(b, "", "state", "best", "why")
	for _, r := range i.Rows {
		name := "  " + r.Name
		if r.Under != "" {
			name = "    " + r.Name
		}
		want := r.Want
		if want != "" && !r.Good {
			want = "! " + want
		}
		printRow(b, name, r.State, want, r.Why)
	}
}

// describe says what the interface is for.
func describe(i *Interface) string {
	var roles []string
	for _, r := range i.Roles {
		roles = append(roles, string(r))
	}
	s := i.Kind + ", " + strings.Join(roles, " and ")
	if i.Under != "" {
		return s + ", under " + i.Under
	}
	if len(i.Towards) > 0 {
		const most = 4
		towards := i.Towards
		if len(towards) > most {
			towards = append(towards[:most:most], fmt.Sprintf("%d more", len(i.Towards)-most))
		}
		s += " towards " + strings.Join(towards, ", ")
	}
	return s
}

func printRow(b *strings.Builder, name, state, want, why string) {
	lines := wrap(why, whyWidth)
	line := fmt.Sprintf("%-*s %-*s%-*s%s", nameWidth, name, stateWidth, state, wantWidth, want, lines[0])
	fmt.Fprintln(b, strings.TrimRight(line, " "))
	for _, more := range lines[1:] {
		fmt.Fprintf(b, "%*s%s\n", nameWidth+1+stateWidth+wantWidth, "", more)
	}
}

// wrap breaks a text into lines of at most width characters, at least one line.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
