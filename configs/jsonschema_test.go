package configs

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// roundTrip gives a value as a JSON reader sees it.
func roundTrip(t *testing.T, value any) any {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// lookup gives the values at a dotted path; a * stands for every name.
func lookup(value any, path string) []any {
	name, rest, more := strings.Cut(path, ".")
	m, _ := value.(map[string]any)
	var found []any
	for k, v := range m {
		if k != name && name != "*" {
			continue
		}
		if more {
			found = append(found, lookup(v, rest)...)
		} else {
			found = append(found, v)
		}
	}
	return found
}

// schemaAt finds the schema of the key at a dotted path, or nil.
func schemaAt(schema map[string]any, path string) map[string]any {
	for name := range strings.SplitSeq(path, ".") {
		if name == "*" {
			schema, _ = schema["additionalProperties"].(map[string]any)
			continue
		}
		properties, _ := schema["properties"].(map[string]any)
		schema, _ = properties[name].(map[string]any)
	}
	return schema
}

// wellFormed checks a schema against the part of draft 2020-12 that ours uses.
func wellFormed(schema map[string]any) error {
	for _, word := range slices.Sorted(maps.Keys(schema)) {
		value := schema[word]
		var err error
		switch word {
		case "$schema", "title", "description":
			err = want[string](value)
		case "type":
			if !slices.Contains([]any{"object", "array", "string", "integer", "boolean"}, value) {
				err = fmt.Errorf("unknown type %v", value)
			}
		case "const", "default":
		case "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties":
			err = want[float64](value)
		case "uniqueItems":
			err = want[bool](value)
		case "enum", "examples":
			err = want[[]any](value)
		case "required":
			err = want[[]any](value)
			properties, _ := schema["properties"].(map[string]any)
			for _, name := range value.([]any) {
				if properties != nil && properties[name.(string)] == nil {
					err = fmt.Errorf("requires %v, which is no property", name)
				}
			}
		case "pattern":
			_, err = regexp.Compile(value.(string))
		case "properties":
			for name, inner := range value.(map[string]any) {
				if e := wellFormed(inner.(map[string]any)); e != nil {
					err = fmt.Errorf("%s: %w", name, e)
				}
			}
		case "additionalProperties":
			if inner, ok := value.(map[string]any); ok {
				err = wellFormed(inner)
			} else {
				err = want[bool](value)
			}
		case "items", "propertyNames":
			err = wellFormed(value.(map[string]any))
		case "anyOf", "oneOf":
			for _, inner := range value.([]any) {
				if e := wellFormed(inner.(map[string]any)); e != nil {
					err = e
				}
			}
		default:
			err = fmt.Errorf("unknown keyword %s", word)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	return nil
}

func want[T any](value any) error {
	if _, ok := value.(T); !ok {
		return fmt.Errorf("%v is no %T", value, *new(T))
	}
	return nil
}

// conform validates a JSON value by a schema that is well-formed. It is written from the specification, apart from the
// generator.
func conform(schemaValue, value any) error {
	schema := schemaValue.(map[string]any)
	number := func(word string) (float64, bool) { n, ok := schema[word].(float64); return n, ok }
	if c, ok := schema["const"]; ok && !equal(c, value) {
		return fmt.Errorf("%v is not %v", value, c)
	}
	if e, ok := schema["enum"].([]any); ok && !slices.Contains(e, value) {
		return fmt.Errorf("%v is none of %v", value, e)
	}
	for word, count := range map[string]func(int, int) bool{
		"anyOf": func(fits, _ int) bool { return fits > 0 },
		"oneOf": func(fits, _ int) bool { return fits == 1 },
	} {
		inner, ok := schema[word].([]any)
		fits := 0
		for _, s := range inner {
			if conform(s, value) == nil {
				fits++
			}
		}
		if ok && !count(fits, len(inner)) {
			return fmt.Errorf("%v fits %d of %s", value, fits, word)
		}
	}
	kind := "object"
	switch v := value.(type) {
	case bool:
		kind = "boolean"
	case nil:
		kind = "null"
	case float64:
		kind = "number"
		if v == float64(int64(v)) {
			kind = "integer"
		}
		if low, ok := number("minimum"); ok && v < low {
			return fmt.Errorf("%v under %v", v, low)
		}
		if high, ok := number("maximum"); ok && v > high {
			return fmt.Errorf("%v over %v", v, high)
		}
	case string:
		kind = "string"
		if p, ok := schema["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			return fmt.Errorf("%q does not match %s", v, p)
		}
		if n, ok := number("maxLength"); ok && float64(len(v)) > n {
			return fmt.Errorf("%q is longer than %v", v, n)
		}
		if n, ok := number("minLength"); ok && float64(len(v)) < n {
			return fmt.Errorf("%q is shorter than %v", v, n)
		}
	case []any:
		kind = "array"
		if err := conformList(schema, v); err != nil {
			return err
		}
	case map[string]any:
		if err := conformObject(schema, v); err != nil {
			return err
		}
	}
	if want, ok := schema["type"]; ok && want != kind {
		return fmt.Errorf("%v is %s, not %v", value, kind, want)
	}
	return nil
}

func conformList(schema map[string]any, list []any) error {
	if n, ok := schema["minItems"].(float64); ok && float64(len(list)) < n {
		return fmt.Errorf("%d items, at least %v", len(list), n)
	}
	if n, ok := schema["maxItems"].(float64); ok && float64(len(list)) > n {
		return fmt.Errorf("%d items, at most %v", len(list), n)
	}
	for i, item := range list {
		if schema["uniqueItems"] == true && slices.Contains(list[:i], item) {
			return fmt.Errorf("%v twice", item)
		}
		if err := conform(schema["items"], item); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func conformObject(schema map[string]any, object map[string]any) error {
	if names, ok := schema["required"].([]any); ok {
		for _, name := range names {
			if _, ok := object[name.(string)]; !ok {
				return fmt.Errorf("%v is missing", name)
			}
		}
	}
	if n, ok := schema["minProperties"].(float64); ok && float64(len(object)) < n {
		return fmt.Errorf("%d keys, at least %v", len(object), n)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, value := range object {
		inner, known := properties[name]
		if names, ok := schema["propertyNames"]; ok {
			if err := conform(names, name); err != nil {
				return err
			}
		}
		if !known {
			inner = schema["additionalProperties"]
		}
		if inner == false {
			return fmt.Errorf("%s is unknown", name)
		}
		if s, ok := inner.(map[string]any); ok {
			if err := conform(s, value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}
