package configs

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// walk calls visit for every row of the table with its path.
func walk(table []key, path string, visit func(path string, row *key)) {
	for i := range table {
		row := &table[i]
		name := path + row.name
		visit(name, row)
		if row.named != nil {
			name += ".*"
		}
		walk(row.keys, name+".", visit)
	}
}

// TestTable wants every row to be whole and every default and example to be right.
func TestTable(t *testing.T) {
	walk(root, "", func(path string, row *key) {
		if row.doc == "" {
			t.Errorf("%s has no doc", path)
		}
		if (row.kind == nil) == (len(row.keys) == 0) {
			t.Errorf("%s must have either a kind or keys", path)
		}
		if row.kind == nil {
			return
		}
		if row.required && len(row.defaults) > 0 {
			t.Errorf("%s is required and has a default", path)
		}
		if len(row.defaults)+len(row.examples) == 0 {
			t.Errorf("%s has neither default nor example", path)
		}
		for _, text := range append(append([]string{}, row.defaults...), row.examples...) {
			if _, bad := row.kind.parse(text); bad != nil {
				t.Errorf("%s: %q: %s", path, text, bad.message)
			}
			var value any
			if err := yaml.Unmarshal([]byte(text), &value); err != nil && row.kind.syntax != textual {
				t.Errorf("%s: %q: %v", path, text, err)
			}
			schema := roundTrip(t, row.kind.schema)
			if err := conform(schema, roundTrip(t, row.kind.jsonValue(text))); err != nil {
				t.Errorf("%s: %q does not fit its own JSON Schema: %v", path, text, err)
			}
		}
	})
}

// TestFullExample wants every key of the table in full.yaml, and each default to be what its comment says.
func TestFullExample(t *testing.T) {
	data, err := os.ReadFile("examples/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	walk(root, "", func(path string, row *key) {
		if len(lookup(file, path)) == 0 {
			t.Errorf("%s is not in full.yaml", path)
		}
	})
	for _, section := range []string{"gateway.", "defaults."} {
		table := find(root, section[:len(section)-1]).keys
		walk(table, section, func(path string, row *key) {
			if len(row.defaults) == 0 || path == "gateway.uplink.rate" || strings.HasPrefix(path, "gateway.uplinks.") {
				return
			}
			got, want := roundTrip(t, lookup(file, path)[0]), roundTrip(t, row.jsonValues(row.defaults))
			if !equal(got, want) {
				t.Errorf("%s is %v in full.yaml, the default is %v", path, got, want)
			}
		})
	}
}

func TestSchemaIsCurrent(t *testing.T) {
	committed, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, JSONSchema()) {
		t.Error("schema.json is not what the table gives: run go generate ./configs")
	}
}

// TestSchemaStructure wants the schema to use only keywords that we know, with values of the right types, and to have
// every key of the table.
func TestSchemaStructure(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(JSONSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	if err := wellFormed(schema); err != nil {
		t.Error(err)
	}
	walk(root, "", func(path string, row *key) {
		at := schemaAt(schema, path)
		if at == nil {
			t.Errorf("%s is not in the schema", path)
		} else if at["description"] != row.doc {
			t.Errorf("%s: description %q", path, at["description"])
		}
	})
}

// TestSchemaAgrees wants the schema to accept the examples and the good file, and to refuse a few wrong files that Load
// refuses too.
func TestSchemaAgrees(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(JSONSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	check := func(text string) error {
		var value any
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		return conform(schema, roundTrip(t, value))
	}
	for _, name := range examples(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(string(data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := check(good); err != nil {
		t.Errorf("the good file: %v", err)
	}
	for _, edit := range [][]string{
		{"version: 1", "version: 2"},
		{"      address:", "      adress:"},
		{"  id: gw-a.example\n", ""},
		{"port: 4500", "port: 0"},
		{"weight: 1", "weight: 1001"},
		{"rate: 100Mbit", "rate: 100mbit"},
		{"[aes256gcm]", "[3des]"},
		{"[10.2.0.0/16]", "[]"},
		{"  branch-b:", "  Branch:"},
		{"      psk_file: c.psk\n", ""},
		{"      id: gw-b.example", "      id: gw-b.example\n      psk_file: c.psk"},
		{"esn: true", "esn: \"true\""},
		{"interface: vpn0", "interface: vpn-to-the-branch"},
		{"uplink: {rate: 950Mbit}", "uplinks: {eth/0: {rate: 950Mbit}}"},
		{"uplink: {rate: 950Mbit}", "uplinks: {}"},
		{"{memory: 32MiB}", "{queue: red}"},
	} {
		if check(with(t, edit...)) == nil {
			t.Errorf("the schema accepts %q", edit[1])
		}
	}
}
