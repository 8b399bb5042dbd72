package configs

import (
	"bytes"
	"encoding/json"
	"maps"
)

//go:generate go run ./internal/genschema schema.json

// JSONSchema gives the tunnel file as a JSON Schema (draft 2020-12) for editors. It is made from the table that Load reads
// by, so it knows the same keys; what one value cannot show, such as overlapping subnets, only Load finds.
func JSONSchema() []byte {
	schema := objectSchema(root)
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "vpngw tunnel file"
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		panic(err) // the table holds nothing that JSON cannot, as a test shows
	}
	return b.Bytes()
}

func objectSchema(table []key) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for i := range table {
		properties[table[i].name] = rowSchema(&table[i])
		if table[i].required {
			required = append(required, table[i].name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

func rowSchema(row *key) map[string]any {
	var schema map[string]any
	switch {
	case row.named != nil:
		schema = map[string]any{
			"type":                 "object",
			"minProperties":        1,
			"propertyNames":        row.named.schema,
			"additionalProperties": objectSchema(row.keys),
		}
	case row.kind == nil:
		schema = objectSchema(row.keys)
	case row.list > 0:
		schema = map[string]any{
			"type": "array", "items": row.kind.schema,
			"minItems": 1, "maxItems": row.list, "uniqueItems": true,
		}
	default:
		schema = maps.Clone(row.kind.schema)
	}
	if row.name == "peer" {
		schema["oneOf"] = []any{
			map[string]any{"required": []string{"public_key"}},
			map[string]any{"required": []string{"psk_file"}},
			map[string]any{"required": []string{"ca_file"}},
		}
	}
	schema["description"] = row.doc
	if len(row.defaults) > 0 {
		schema["default"] = row.jsonValues(row.defaults)
	}
	if len(row.examples) > 0 && row.list > 0 {
		schema["examples"] = []any{row.jsonValues(row.examples)}
	} else if len(row.examples) > 0 {
		examples := []any{}
		for _, text := range row.examples {
			examples = append(examples, row.kind.jsonValue(text))
		}
		schema["examples"] = examples
	}
	return schema
}

// jsonValues gives the texts of a row as the one value that they stand for.
func (row *key) jsonValues(texts []string) any {
	if row.list == 0 {
		return row.kind.jsonValue(texts[0])
	}
	values := []any{}
	for _, text := range texts {
		values = append(values, row.kind.jsonValue(text))
	}
	return values
}
