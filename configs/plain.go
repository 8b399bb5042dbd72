package configs

import (
	"strconv"

	"go.yaml.in/yaml/v4"
)

// plain refuses what makes YAML hard to read and to bound: anchors, aliases, merge keys, tags, keys that are not plain.
// An alias is looked at but never followed, so that a small file stays small.
func (s *source) plain(n *yaml.Node, path string) {
	const hint = "write the value out, or use `defaults` for what tunnels share"
	if n.Kind == yaml.AliasNode {
		s.at(n, path, "aliases (*"+shorten(n.Value)+") are not allowed", hint)
		return
	}
	if n.Anchor != "" {
		s.at(n, path, "anchors (&"+shorten(n.Anchor)+") are not allowed", hint)
	}
	if n.Style&yaml.TaggedStyle != 0 {
		s.at(n, path, "tags ("+shorten(n.Tag)+") are not allowed", "write the value without the tag")
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for i, item := range n.Content {
			s.plain(item, path+"["+strconv.Itoa(i)+"]")
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i]
			if isMerge(name) {
				s.at(name, path, "merge keys (<<) are not allowed", hint)
			} else if name.Kind != yaml.ScalarNode && name.Kind != yaml.AliasNode {
				s.at(name, path, "a key must be a plain word", "write it as `key: value`")
			}
			s.plain(name, path)
			s.plain(n.Content[i+1], join(path, name.Value))
		}
	}
}

func isMerge(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!merge" }

// join appends a key to a path, in quotes where it would not read as one word.
func join(path, name string) string {
	if !domainID.MatchString(name) || len(name) > longestSuggested {
		name = quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// at notes a mistake at a node.
func (s *source) at(n *yaml.Node, path, message, hint string) {
	s.add(Problem{Line: n.Line, Column: n.Column, Path: path, Message: message, Hint: hint})
}
