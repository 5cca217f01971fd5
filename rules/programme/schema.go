package programme

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Schema returns the grammar as a JSON Schema (draft 2020-12), for editors that complete and check a programme while it is
// written. It is indented JSON and ends with a line end; its keys stand in the order of the grammar's tables. A schema says less
// than Parse does: nothing about what one key demands of another, and nothing about conditions. A programme may be several
// files, so no key of the programme itself is demanded.
func Schema() ([]byte, error) {
	definitions := object{}
	programmeShape.walk(func(s *shape) { definitions = append(definitions, property{s.name, s.schema()}) })
	whole := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "Accrue programme"},
		{"$ref", reference(&programmeShape)},
		{"$defs", definitions},
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(whole); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return out.Bytes(), nil
}

// object is a JSON object whose members keep their order.
type object []property

type property struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for i, m := range o {
		out.WriteByte("{,"[min(i, 1)])
		if err := encoder.Encode(m.name); err != nil {
			return nil, fmt.Errorf("write a name: %w", err)
		}
		out.WriteByte(':')
		if err := encoder.Encode(m.value); err != nil {
			return nil, fmt.Errorf("write %s: %w", m.name, err)
		}
	}
	if len(o) == 0 {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func reference(s *shape) string { return "#/$defs/" + s.name }

// schema is the schema of a mapping.
func (s *shape) schema() object {
	properties, required := object{}, []string{}
	for _, k := range s.keys {
		of := k.value.schema()
		properties = append(properties, property{k.name, append(object{{"description", k.doc}}, of...)})
		if k.required {
			required = append(required, k.name)
		}
		for _, word := range s.wordsOf(k.name) {
			if _, rest, found := strings.Cut(word, ", "); found {
				properties = append(properties, property{rest, object{
					{"description", fmt.Sprintf("The rest of `%s: %s`, which YAML takes apart in braces.", k.name, word)}, {"type", "null"},
				}})
			}
		}
	}
	out := object{
		{"description", s.doc}, {"type", "object"}, {"properties", properties}, {"additionalProperties", false},
	}
	if len(required) > 0 {
		out = append(out, property{"required", required})
	}
	if len(s.oneOf) > 0 {
		var choices []object
		for _, name := range s.oneOf {
			choices = append(choices, object{{"required", []string{name}}})
		}
		out = append(out, property{"oneOf", choices})
	}
	return out
}

// schema is the schema of what may stand at a key.
func (v *value) schema() object {
	if v.or == nil {
		return v.one()
	}
	var choices []object
	for ; v != nil; v = v.or {
		choices = append(choices, v.one())
	}
	return object{{"anyOf", choices}}
}

// The forms of scalars. Quotes make a number a text in YAML, and the parser takes money and names either way.
const (
	numberPattern   = `^(0|[1-9][0-9]*)(\.[0-9]+)?$`
	percentPattern  = `^(0|[1-9][0-9]*)(\.[0-9]+)? ?%$`
	durationPattern = `^[1-9][0-9]*(m|h| days?| months?| years?)$`
	timePattern     = `^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?$`
	currencyPattern = `^[A-Z]{3}$`
)

// one is the schema of a value, without those that may stand there instead.
func (v *value) one() object {
	pattern := func(p string) object { return object{{"type", "string"}, {"pattern", p}} }
	number := object{{"type", []string{"number", "string"}}, {"minimum", 0}, {"pattern", numberPattern}}
	name := object{{"type", []string{"string", "number"}}, {"minLength", 1}, {"maxLength", longestName}}
	switch v.kind {
	case aText:
		return object{{"type", []string{"string", "number"}}, {"maxLength", longestText}}
	case aName:
		return name
	case aCurrency:
		return pattern(currencyPattern)
	case aWhole:
		return object{{"type", "integer"}, {"minimum", 1}}
	case aNumber:
		return number
	case aPercent:
		return pattern(percentPattern)
	case aDuration:
		return pattern(durationPattern)
	case aTime:
		return pattern(timePattern)
	case aCondition:
		return object{{"type", []string{"string", "boolean"}}, {"maxLength", mostConditionText}}
	case oneWord:
		return object{{"enum", written(v.words)}}
	case yesNo:
		return object{{"type", "boolean"}}
	case aMapping:
		return object{{"$ref", reference(v.shape)}}
	case aList:
		return object{{"type", "array"}, {"items", v.items.schema()}}
	case oneOrMore:
		return object{{"anyOf", []object{v.items.schema(), {{"type", "array"}, {"items", v.items.schema()}}}}}
	case byCurrency:
		return object{
			{"type", "object"}, {"propertyNames", object{{"pattern", currencyPattern}}}, {"additionalProperties", number},
		}
	case byName:
		return object{{"type", "object"}, {"additionalProperties", name}}
	}
	return nil
}

// written are words as YAML reads them: in braces, one with a comma ends before it.
func written(words []string) []string {
	var all []string
	for _, word := range words {
		all = append(all, word)
		if begin, _, found := strings.Cut(word, ", "); found {
			all = append(all, begin)
		}
	}
	return all
}
