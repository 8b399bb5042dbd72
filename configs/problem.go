package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Problem is one mistake in a tunnel file.
type Problem struct {
	// File is the name as it was given to Load.
	File string
	// Line and Column count from 1, columns in characters. Line 0: the file as a whole.
	Line, Column int
	// Path names the key, such as tunnels.branch-b.remote_subnets[1]; empty for the file as a whole.
	Path string
	// Message says what is wrong.
	Message string
	// Hint says what to do; may be empty.
	Hint string
	// Source is the text of the line; empty when Line is 0.
	Source string
}

// Error gives the first line of [Problem.String].
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// String gives the mistake in up to four lines without a final newline: file:line:column: path: what is wrong,
// the source line, a caret under the column, the hint.
func (p Problem) String() string {
	s := p.Error()
	if p.Line > 0 && strings.TrimSpace(p.Source) != "" {
		text, caret := excerpt(p.Source, p.Column)
		s += "\n    " + text + "\n    " + caret
	}
	if p.Hint != "" {
		s += "\n    hint: " + p.Hint
	}
	return s
}

// Problems are all the mistakes of one file in the order of their positions; the error of [Load].
type Problems []Problem

// Error gives every mistake in full, with an empty line between two.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.String()
	}
	return strings.Join(texts, "\n\n")
}

// sort brings the problems into the order of their positions, those found first staying first at one position.
func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// excerptWidth is how many characters of a source line are shown at most.
const excerptWidth = 120

// excerpt cuts a long line around the column and gives it with the line that carries the caret.
// Tabs stand in both, so that the caret falls right; what could move a terminal's cursor stands in neither.
func excerpt(source string, column int) (text, caret string) {
	line := []rune(strings.TrimRightFunc(source, unicode.IsSpace))
	at := min(max(column-1, 0), len(line))
	if len(line) > excerptWidth {
		from := min(max(at-excerptWidth/2, 0), len(line)-excerptWidth)
		line, at = line[from:from+excerptWidth], at-from
	}
	var pad strings.Builder
	for i, r := range line {
		if r != '\t' && !unicode.IsPrint(r) {
			line[i] = unicode.ReplacementChar
		}
		if i < at && r == '\t' {
			pad.WriteByte('\t')
		} else if i < at {
			pad.WriteByte(' ')
		}
	}
	return string(line), pad.String() + "^"
}

// quoteWidth is how many characters of a wrong value a message repeats at most.
const quoteWidth = 60

// quote gives text of the file for a message: in quotes, escaped, not too long.
func quote(text string) string {
	return fmt.Sprintf("%q", shorten(text))
}

func shorten(text string) string {
	if len(text) <= quoteWidth {
		return text
	}
	if runes := []rune(text[:min(len(text), 4*quoteWidth+4)]); len(runes) > quoteWidth {
		return string(runes[:quoteWidth]) + "…"
	}
	return text
}
