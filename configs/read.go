package configs

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// section is a mapping that was read by a table. A nil section is one that the file leaves out.
type section struct {
	entries map[string]*entry // by the name in the table
	named   []*entry          // of a mapping from tunnel names, in the order of the file
	meant   map[string]bool   // names that a misspelt key stands for: these are not missing
}

// entry is one key with its value. The value stands in the field that its row of the table calls for; good says that it
// was read without a mistake.
type entry struct {
	name    string
	path    string
	key     *yaml.Node
	node    *yaml.Node
	good    bool
	value   any
	items   []*entry
	section *section
}

// position is where a mistake of the value is shown: at the key where there is no value to see.
func (e *entry) position() *yaml.Node {
	if e.key != nil && (e.node.Kind == yaml.ScalarNode && e.node.Value == "" && e.node.Style == 0) {
		return e.key
	}
	return e.node
}

// heading is where a mistake of a mapping as a whole is shown.
func (e *entry) heading() *yaml.Node {
	if e.key != nil {
		return e.key
	}
	return e.node
}

// problem notes a mistake at the entry's value.
func (s *source) problem(e *entry, message, hint string) {
	s.at(e.position(), e.path, message, hint)
}

// mapping reads the keys of a table. owner is where a missing key is reported.
func (s *source) mapping(owner *entry, table []key) *section {
	sec := &section{entries: map[string]*entry{}, meant: map[string]bool{}}
	pairs, ok := s.pairs(owner, "remove one of the two")
	if !ok {
		return sec
	}
	for _, e := range pairs {
		row := find(table, e.name)
		if row == nil {
			close := suggest(e.name, rowNames(table))
			sec.meant[close] = true
			s.at(e.key, e.path, "unknown key", unknownKeyHint(e, close, table))
			continue
		}
		if sec.entries[e.name] == nil {
			sec.entries[e.name] = e
		}
		s.read(e, row)
	}
	for _, row := range table {
		if row.required && sec.entries[row.name] == nil && !sec.meant[row.name] {
			s.at(owner.heading(), join(owner.path, row.name), "missing", missingHint(&row))
		}
	}
	return sec
}

// pairs lists the keys of a mapping node, noting those given twice with twiceHint; ok is false where the node is no mapping.
func (s *source) pairs(owner *entry, twiceHint string) (pairs []*entry, ok bool) {
	n := owner.node
	switch {
	case n.Kind == yaml.AliasNode: // noted by plain
		return nil, false
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null": // all keys commented out
		return nil, true
	case n.Kind != yaml.MappingNode:
		s.problem(owner, "want a mapping, got "+describe(n), "write its keys below it, one a line and indented")
		return nil, false
	}
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		if isMerge(name) || name.Kind != yaml.ScalarNode { // noted by plain
			continue
		}
		e := &entry{name: name.Value, path: join(owner.path, name.Value), key: name, node: n.Content[i+1]}
		if before := first[name.Value]; before != nil {
			s.at(name, e.path, fmt.Sprintf("given twice, first in line %d", before.Line), twiceHint)
		} else {
			first[name.Value] = name
		}
		pairs = append(pairs, e)
	}
	return pairs, true
}

// read reads the value of an entry as its row says.
func (s *source) read(e *entry, row *key) {
	switch {
	case row.named != nil:
		e.section = s.namedMapping(e, row)
	case row.kind == nil:
		e.section = s.mapping(e, row.keys)
	case row.list > 0:
		s.list(e, row)
	default:
		s.scalar(e, row.kind)
	}
}

// namedMapping reads the tunnels or the uplinks. Those given twice are read for their mistakes but left out.
func (s *source) namedMapping(owner *entry, row *key) *section {
	sec := &section{entries: map[string]*entry{}}
	pairs, ok := s.pairs(owner, "remove one of the two or give it another name")
	if ok && len(pairs) == 0 {
		s.at(owner.heading(), owner.path, "no "+row.name, "give at least one")
	}
	for _, e := range pairs {
		if _, bad := row.named.parse(e.name); bad != nil {
			s.at(e.key, e.path, bad.message, bad.hint)
		}
		e.section = s.mapping(e, row.keys)
		if sec.entries[e.name] == nil {
			sec.entries[e.name] = e
			sec.named = append(sec.named, e)
		}
	}
	return sec
}

// list reads a list of scalars. Its good items count even where others are bad or too many.
func (s *source) list(e *entry, row *key) {
	n := e.node
	switch {
	case n.Kind == yaml.AliasNode: // noted by plain
		return
	case n.Kind != yaml.SequenceNode:
		hint := ""
		if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
			hint = "did you mean [" + shorten(n.Value) + "]?"
		} else if len(row.examples)+len(row.defaults) > 0 {
			hint = "for example " + exampleText(row)
		}
		s.problem(e, "want a list, got "+describe(n), hint)
		return
	case len(n.Content) == 0:
		s.problem(e, "the list is empty", "give at least one item or remove the key")
		return
	case len(n.Content) > row.list:
		s.problem(e, fmt.Sprintf("the list has %d items", len(n.Content)), fmt.Sprintf("at most %d are allowed", row.list))
	}
	e.good = true
	first := map[any]int{}
	for i, item := range n.Content {
		it := &entry{name: e.name, path: fmt.Sprintf("%s[%d]", e.path, i), node: item}
		s.scalar(it, row.kind)
		if !it.good {
			continue
		}
		if before, twice := first[it.value]; twice {
			s.problem(it, "given twice in this list", fmt.Sprintf("remove it, it stands at [%d] already", before))
			continue
		}
		first[it.value] = i
		if len(e.items) < row.list { // bounds the work of comparing items
			e.items = append(e.items, it)
		}
	}
}

// scalar reads a single value.
func (s *source) scalar(e *entry, k *kind) {
	n := e.node
	if n.Kind == yaml.AliasNode || n.Style&yaml.TaggedStyle != 0 { // noted by plain
		return
	}
	if bad := wrongType(n, k); bad != nil {
		s.problem(e, bad.message, bad.hint)
		return
	}
	v, bad := k.parse(n.Value)
	if bad != nil {
		s.problem(e, bad.message, bad.hint)
		return
	}
	e.value, e.good = v, true
}

// wrongType says how a node fails the syntax of its kind, or nil.
func wrongType(n *yaml.Node, k *kind) *flaw {
	bad := &flaw{message: "got " + describe(n), hint: "want " + k.what}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return bad
	}
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	right := true
	switch k.syntax {
	case boolean:
		right = n.Value == "true" || n.Value == "false"
		switch strings.ToLower(n.Value) {
		case "yes", "on", "true", "1":
			bad.hint = "did you mean true?"
		case "no", "off", "false", "0":
			bad.hint = "did you mean false?"
		}
	case number:
		right = digits.MatchString(n.Value)
	case textual:
		if n.Tag == "!!bool" {
			bad.hint = fmt.Sprintf("want %s; if it is just that, put it in quotes", k.what)
			return bad
		}
		return nil
	}
	if right && quoted {
		bad.hint = "write it without quotes: " + n.Value
	}
	if right && !quoted {
		return nil
	}
	return bad
}

// describe names what a node is, for "want …, got …".
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "no value"
	case n.Tag == "!!bool", n.Tag == "!!int", n.Tag == "!!float":
		return shorten(n.Value)
	}
	return "the text " + quote(n.Value)
}

// moved are the keys that stood elsewhere in earlier versions.
var moved = map[string]string{
	"gateway.buffers.queue":        "gateway.fairness.memory",
	"gateway.buffers.tunnel_queue": "gateway.fairness.tunnel_memory",
}

// unknownKeyHint says what may have been meant.
func unknownKeyHint(e *entry, close string, table []key) string {
	if place := moved[e.path]; place != "" {
		return "it is " + place + " now"
	}
	if close != "" {
		return fmt.Sprintf("did you mean %q?", close)
	}
	if place := elsewhere(root, "", e.name); place != "" {
		return "its place is " + place
	}
	return "the keys here are " + strings.Join(rowNames(table), ", ")
}

func missingHint(row *key) string {
	if row.named != nil {
		return "give at least one"
	}
	if row.kind == nil {
		var needed []string
		for _, k := range row.keys {
			if k.required {
				needed = append(needed, k.name)
			}
		}
		return "give it with at least its " + strings.Join(needed, ", ")
	}
	return fmt.Sprintf("for example `%s: %s`", row.name, exampleText(row))
}

// exampleText gives the first example, or the default, as the file would have it.
func exampleText(row *key) string {
	examples := row.examples
	if len(examples) == 0 {
		examples = row.defaults
	}
	if row.list > 0 {
		return "[" + strings.Join(examples, ", ") + "]"
	}
	return examples[0]
}
