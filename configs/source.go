package configs

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxFileSize bounds what Load reads; 5,000 tunnels with some subnets each need a fraction of it.
const maxFileSize = 16 << 20

// source is the text of a tunnel file and the mistakes found in it so far.
type source struct {
	file     string
	lines    []string
	problems Problems
}

// newSource splits the text into lines as a YAML reader does. Characters that YAML forbids, or that it takes for line ends
// where an editor does not, are mistakes: every position after them would be off.
func newSource(file string, data []byte) (*source, bool) {
	text := string(bytes.TrimPrefix(data, []byte("\ufeff")))
	s := &source{file: file, lines: strings.Split(text, "\n")}
	for i := range s.lines {
		s.lines[i] = strings.TrimSuffix(s.lines[i], "\r")
	}
	for i, line := range s.lines {
		if column, what := forbidden(line); what != "" {
			s.add(Problem{Line: i + 1, Column: column, Message: what, Hint: "a tunnel file is plain text in UTF-8"})
		}
	}
	return s, len(s.problems) == 0
}

// forbidden finds the first character of a line that may not stand there.
func forbidden(line string) (column int, what string) {
	for i, r := range line {
		column++
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(line[i:], string(utf8.RuneError)):
			return column, fmt.Sprintf("byte 0x%02x is not UTF-8", line[i])
		case r < ' ' && r != '\t', r >= 0x7f && r <= 0x9f, r == '\u2028', r == '\u2029', r == '\ufeff', r >= 0xfffe && r <= 0xffff:
			return column, fmt.Sprintf("control character U+%04X", r)
		}
	}
	return 0, ""
}

// add notes a mistake; file and source line are filled in.
func (s *source) add(p Problem) {
	p.File = s.file
	if p.Line > 0 && p.Line <= len(s.lines) {
		p.Source = s.lines[p.Line-1]
	}
	s.problems = append(s.problems, p)
}
