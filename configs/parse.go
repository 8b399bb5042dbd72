package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// maxDepth bounds the nesting of collections; the table needs five.
const maxDepth = 32

// document reads the one YAML document of a file; nil when there is none that can be gone through.
func (s *source) document(data []byte) *yaml.Node {
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		s.syntaxError(err)
		return nil
	}
	var doc yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		s.add(Problem{Line: 1, Column: 1, Message: "the file is empty", Hint: "it needs version, gateway and tunnels"})
		return nil
	case err != nil:
		s.syntaxError(err)
		return nil
	}
	var second yaml.Node
	switch err := loader.Load(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		s.syntaxError(err)
	default:
		s.add(Problem{
			Line: second.Line, Column: second.Column, Message: "a second YAML document begins here",
			Hint: "a tunnel file is one document: remove the --- or ... line",
		})
	}
	if len(doc.Content) != 1 {
		s.add(Problem{Line: 1, Column: 1, Message: "the file is empty", Hint: "it needs version, gateway and tunnels"})
		return nil
	}
	return doc.Content[0]
}

// syntaxError notes what the YAML reader stumbled over. It reads no further, so what comes behind goes unchecked.
func (s *source) syntaxError(err error) {
	p := Problem{Line: 1, Column: 1, Message: "not YAML: " + err.Error()}
	var load *yaml.LoadError
	if errors.As(err, &load) {
		p.Message = "not YAML: " + load.Message
		if load.Mark.Line > 0 {
			p.Line, p.Column = load.Mark.Line, load.Mark.Column
		}
		if load.ContextMsg != "" {
			p.Message += " " + load.ContextMsg
		}
		if load.ContextMark.Line > 0 && load.ContextMark.Line != p.Line {
			p.Message += fmt.Sprintf(" that begins in line %d", load.ContextMark.Line)
		}
	}
	// The end of the file is shown at its last character, for there is nothing to see behind it.
	for last := len(s.lines); p.Line >= last && last > 0; last-- {
		if text := strings.TrimRight(s.lines[last-1], " \t"); text != "" {
			if p.Line > last {
				p.Line, p.Column = last, len([]rune(text))+1
			}
			break
		}
	}
	p.Hint = s.syntaxHint(p)
	s.add(p)
}

// syntaxHint guesses the commonest causes from the line itself.
func (s *source) syntaxHint(p Problem) string {
	if p.Line > len(s.lines) {
		return ""
	}
	line := s.lines[p.Line-1]
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	switch {
	case strings.Contains(indent, "\t"):
		return "indent by spaces, YAML allows no tabs there"
	case strings.Contains(p.Message, "unknown anchor"):
		return "aliases are not allowed; text that begins with * needs quotes"
	case strings.Contains(p.Message, "quoted scalar"):
		return "close the quotes"
	case strings.Contains(p.Message, "flow sequence"), strings.Contains(p.Message, "flow mapping"):
		return "close the bracket, or put a comma between two items"
	case strings.Contains(p.Message, "did not find expected key"):
		return "the keys of one mapping stand in the same column"
	case strings.Contains(p.Message, "mapping values are not allowed"):
		return "the line's indentation does not fit the line above, or a value with a colon and a space in it needs quotes"
	case strings.Contains(p.Message, "could not find expected ':'"):
		return "a key is followed by a colon and a space"
	case strings.Contains(p.Message, "cannot start any token"):
		return "put the value in quotes"
	}
	return ""
}
