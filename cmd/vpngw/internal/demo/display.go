package demo

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab/load"
)

// display shows one second after another: on a terminal each in the place of the one before, elsewhere a line each.
type display struct {
	out      io.Writer
	terminal bool
	shown    int // lines on the terminal
}

func newDisplay(out io.Writer) *display { return &display{out: out, terminal: isTerminal(out)} }

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Lengths of bars, in characters, for what the whole wire carries.
const (
	shortBar = 6
	longBar  = 48
)

func (d *display) show(m moment, heading string) {
	if !d.terminal {
		fmt.Fprintln(d.out, m.line(heading))
		return
	}
	// Up to where the last one began, and each line anew.
	var b strings.Builder
	if d.shown > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", d.shown)
	}
	lines := m.block(heading)
	for _, l := range lines {
		b.WriteString("\r\x1b[K" + l + "\n")
	}
	d.shown = len(lines)
	io.WriteString(d.out, b.String())
}

// line is the moment in one line of at most [screenWidth] characters.
func (m moment) line(heading string) string {
	var b strings.Builder
	b.WriteString(heading)
	for _, mbit := range m.mbit {
		fmt.Fprintf(&b, "  %s %4.1f", bar(mbit, shortBar), mbit)
	}
	fmt.Fprintf(&b, "  Jain %.2f  probe %9s", load.Jain(m.mbit), delay(m.probe, 50))
	return b.String()
}

// block is the moment in a line for each tunnel and two more, all short enough for a terminal of 80 characters.
func (m moment) block(heading string) []string {
	lines := []string{heading}
	for i, mbit := range m.mbit {
		flows := "1 TCP flow "
		if n := flowsIn(i); n > 1 {
			flows = fmt.Sprintf("%d TCP flows", n)
		}
		lines = append(lines, fmt.Sprintf("  tunnel %d, %s %s %4.1f", i+1, flows, bar(mbit, longBar), mbit))
	}
	return append(lines, fmt.Sprintf("  Mbit/s; Jain's index %.2f; probe in tunnel %d: %s", load.Jain(m.mbit), len(m.mbit), delay(m.probe, 50)))
}

// bar is a rate in Mbit/s as a bar in a field of a length that stands for the whole wire, to an eighth of a character.
func bar(mbit float64, length int) string {
	eighths := min(max(int(mbit*1e6/wireRate*float64(length)*8+0.5), 0), length*8)
	b := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		b += string("▏▎▍▌▋▊▉"[3*(rest-1) : 3*rest])
	}
	return b + strings.Repeat(" ", length-(eighths+7)/8)
}
