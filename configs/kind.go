package configs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flaw is what is wrong with one value, before it is known where it stands.
type flaw struct{ message, hint string }

// syntax is what YAML may make of a value's plain text.
type syntax uint8

const (
	textual syntax = iota // anything but true, false and null; a number is taken by its text
	number                // digits without quotes
	boolean               // true or false without quotes
)

// kind is a sort of scalar value: what it looks like, how it is read, how JSON Schema describes it.
type kind struct {
	// what completes "want …".
	what   string
	syntax syntax
	// parse gives the typed value. It is handed text of the right syntax.
	parse func(text string) (any, *flaw)
	// schema is the JSON Schema of the value, without description and default.
	schema map[string]any
}

// jsonValue gives a default or example of the table as JSON.
func (k *kind) jsonValue(text string) any {
	if k.syntax != textual || text == "0" {
		return json.RawMessage(text)
	}
	return text
}

func booleans() *kind {
	return &kind{
		what: "true or false", syntax: boolean,
		parse:  func(text string) (any, *flaw) { return text == "true", nil },
		schema: map[string]any{"type": "boolean"},
	}
}

// integers reads decimal numbers in a range; also, where zeroToo, 0.
func integers(low, high uint64, zeroToo bool) *kind {
	what := fmt.Sprintf("a whole number from %d to %d", low, high)
	schema := map[string]any{"type": "integer", "minimum": low, "maximum": high}
	if zeroToo {
		what += ", or 0"
		schema = map[string]any{"anyOf": []any{map[string]any{"const": 0}, schema}}
	}
	return &kind{
		what: what, syntax: number, schema: schema,
		parse: func(text string) (any, *flaw) {
			v, err := strconv.ParseUint(text, 10, 64)
			if err != nil || (v < low || v > high) && (v != 0 || !zeroToo) {
				return nil, &flaw{message: fmt.Sprintf("%s is out of range", shorten(text)), hint: "want " + what}
			}
			return v, nil
		},
	}
}

// autoOr reads auto, as 0, or decimal numbers in a range that begins above 0.
func autoOr(low, high uint64) *kind {
	what := fmt.Sprintf("auto, or a whole number from %d to %d", low, high)
	return &kind{
		what:   what,
		schema: map[string]any{"anyOf": []any{map[string]any{"const": "auto"}, map[string]any{"type": "integer", "minimum": low, "maximum": high}}},
		parse: func(text string) (any, *flaw) {
			if text == "auto" {
				return uint64(0), nil
			}
			v, err := strconv.ParseUint(text, 10, 64)
			if err != nil || v < low || v > high {
				return nil, &flaw{message: fmt.Sprintf("%s is not possible", shorten(text)), hint: "want " + what}
			}
			return v, nil
		},
	}
}

// versions reads the version of the file's format.
func versions() *kind {
	return &kind{
		what: "the number 1", syntax: number,
		schema: map[string]any{"const": 1},
		parse: func(text string) (any, *flaw) {
			if text != "1" {
				return nil, &flaw{message: "version " + shorten(text) + " is not known", hint: "this vpngw reads version 1"}
			}
			return uint64(1), nil
		},
	}
}

// scaled is the common part of rates and sizes; 0 is in range where zeroToo.
func scaled[T Rate | ByteSize](example string, low, high T, zeroToo bool, units []unit) *kind {
	var suffixes []string
	for _, u := range units {
		suffixes = append(suffixes, u.suffix)
	}
	bounds := fmt.Sprintf("from %v to %v", low, high)
	schema := map[string]any{"type": "string", "pattern": `^[0-9]+(\.[0-9]+)?(` + strings.Join(suffixes, "|") + ")$"}
	if zeroToo {
		bounds += ", or 0"
		schema = map[string]any{"anyOf": []any{map[string]any{"const": 0}, schema}}
	}
	return &kind{
		what: example + ", " + bounds, schema: schema,
		parse: func(text string) (any, *flaw) {
			v, bad := parseScaled(text, units)
			if bad != nil {
				return nil, bad
			}
			if size := T(v); (size < low || size > high) && (v != 0 || !zeroToo) {
				return nil, &flaw{message: fmt.Sprintf("%s is out of range", shorten(text)), hint: "want " + example + ", " + bounds}
			}
			return T(v), nil
		},
	}
}

func rates() *kind {
	return scaled("a rate such as 100Mbit", Rate(8e3), Rate(1e12), true, rateUnits)
}

func sizes(low, high ByteSize, zeroToo bool) *kind {
	return scaled("a size such as 4MiB", low, high, zeroToo, sizeUnits)
}

func durations(low, high time.Duration) *kind {
	const example = "a duration such as 90s or 1h30m"
	bounds := fmt.Sprintf("from %s to %s", shortDuration(low), shortDuration(high))
	return &kind{
		what:   example + ", " + bounds,
		schema: map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$`},
		parse: func(text string) (any, *flaw) {
			d, err := time.ParseDuration(text)
			if err != nil || strings.Trim(text, "hms.0123456789") != "" {
				return nil, &flaw{message: "no duration in " + quote(text), hint: "want " + example}
			}
			if d < low || d > high {
				return nil, &flaw{message: text + " is out of range", hint: "want " + example + ", " + bounds}
			}
			return d, nil
		},
	}
}

// shortDuration writes 1h for 1h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// names reads one of the words.
func names(words ...string) *kind {
	return &kind{
		what:   "one of " + strings.Join(words, ", "),
		schema: map[string]any{"enum": words},
		parse: func(text string) (any, *flaw) {
			if slices.Contains(words, text) {
				return text, nil
			}
			bad := &flaw{message: "unknown name " + quote(text), hint: "want one of " + strings.Join(words, ", ")}
			// Other tools write aes-256-gcm or aes256gcm16 for what is aes256gcm here.
			plain := strings.TrimSuffix(strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(text)), "16")
			if close := suggest(plain, words); close != "" {
				bad.hint = fmt.Sprintf("did you mean %q?", close)
			}
			return nil, bad
		},
	}
}

// paths reads the name of a file.
func paths() *kind {
	return &kind{
		what:   "the name of a file",
		schema: map[string]any{"type": "string", "minLength": 1},
		parse: func(text string) (any, *flaw) {
			if strings.TrimSpace(text) == "" {
				return nil, &flaw{message: "no file name", hint: "give the name of a file"}
			}
			return text, nil
		},
	}
}

// maxSocketPath is what fits sockaddr_un with its final zero (unix(7)).
const maxSocketPath = 107

func socketPaths() *kind {
	const what = "the absolute path of a Unix socket"
	return &kind{
		what:   what,
		schema: map[string]any{"type": "string", "pattern": "^/", "maxLength": maxSocketPath},
		parse: func(text string) (any, *flaw) {
			switch {
			case !strings.HasPrefix(text, "/") || strings.HasSuffix(text, "/"):
				return nil, &flaw{message: quote(text) + " is not an absolute path of a file", hint: "for example /run/vpngw/vpngw0.sock"}
			case len(text) > maxSocketPath:
				return nil, &flaw{message: fmt.Sprintf("the path has %d bytes", len(text)), hint: fmt.Sprintf("a Unix socket's path has at most %d", maxSocketPath)}
			}
			return text, nil
		},
	}
}
