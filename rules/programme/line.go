package programme

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// lineFields are the fields of a line in the order in which messages name them.
//
//nolint:gochecknoglobals // never changed
var lineFields = []string{"sku", "category", "brand", "quantity", "amount", "tags"}

// lineValue is an item of order.lines. It is one pointer, so that making it costs nothing.
type lineValue struct{ line *LineView }

// ConvertToNative implements ref.Val: nothing outside the evaluator reads a line.
func (l lineValue) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("a line cannot become %s", t)
}

// ConvertToType implements ref.Val.
func (l lineValue) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.TypeType:
		return lineType
	case lineType:
		return l
	}
	return types.NewErr("a line cannot become %s", t.TypeName())
}

// Equal implements ref.Val: a line is itself only.
func (l lineValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(lineValue)
	return types.Bool(ok && o.line == l.line)
}

// Type implements ref.Val.
func (l lineValue) Type() ref.Type { return lineType }

// Value implements ref.Val.
func (l lineValue) Value() any { return l }

// provider adds the types of lines and decimals to the evaluator's own types.
type provider struct {
	*types.Registry
	fields map[string]*types.FieldType
}

func newProvider(registry *types.Registry, scale int) *provider {
	p := &provider{registry, map[string]*types.FieldType{}}
	b := &bindings{scale: scale, registry: registry} // its scope is not read
	for _, field := range lineFields {
		v, _ := variableOf("line." + field)
		p.fields[field] = &types.FieldType{
			Type:  v.typ,
			IsSet: func(any) bool { return true },
			GetFrom: func(target any) (any, error) {
				l, ok := target.(lineValue)
				if !ok {
					return nil, fmt.Errorf("%T is no line", target)
				}
				value, _ := b.line(l.line, field)
				return value, nil
			},
		}
	}
	return p
}

// FindStructType implements types.Provider.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	switch name {
	case lineType.TypeName():
		return types.NewTypeTypeWithParam(lineType), true
	case decimalType.TypeName(): // it has no fields, but asking for one is then a plain error
		return types.NewTypeTypeWithParam(decimalType), true
	}
	return p.Registry.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	if name == lineType.TypeName() {
		return lineFields, true
	}
	return p.Registry.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if name == lineType.TypeName() {
		f, ok := p.fields[field]
		return f, ok
	}
	return p.Registry.FindStructFieldType(name, field)
}
