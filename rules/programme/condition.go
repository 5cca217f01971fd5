package programme

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// Condition is a compiled condition. It never changes and may be evaluated by many goroutines at once; it must not be
// copied.
type Condition struct {
	Source string // as the programme has it

	native     evaluator[bool] // nil: the condition is interpreted
	program    cel.Program
	references []string
	reach      reach
	scale      int
	registry   *types.Registry
	askOnly    bool      // see bindings
	bindings   sync.Pool // of *bindings: the only allocation that would not depend on what the condition reads
}

// Met evaluates the condition. An error (an overflow, a division by zero, an attribute that is missing) is told in words
// that a decision can show; the condition then counts as not met.
func (c *Condition) Met(s *Scope) (bool, error) {
	if c.native != nil {
		return c.native(view{scope: s})
	}
	return c.interpreted(s)
}

// interpreted evaluates the condition by CEL's interpreter. It defines what the condition means: the closure of native.go
// must agree with it, always.
func (c *Condition) interpreted(s *Scope) (bool, error) {
	b, ok := c.bindings.Get().(*bindings)
	if !ok {
		b = &bindings{scale: c.scale, registry: c.registry, askOnly: c.askOnly}
	}
	b.scope = s
	value, _, err := c.program.Eval(b)
	b.scope = nil
	c.bindings.Put(b)
	if err != nil {
		return false, plainError(err)
	}
	met, ok := value.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the condition gave %s, not true or false", value.Type().TypeName())
	}
	return bool(met), nil
}

// References returns the variables that the condition reads ("order.total", "now"), sorted. The slice must not be changed.
func (c *Condition) References() []string { return c.references }

// The words for what can fail in a condition, whichever way it runs.
const (
	textAbsent   = "the condition reads what this event does not have"
	textNoKey    = "there is no %q"
	textZero     = "division by zero"
	textTooLarge = "a whole number is too large"
)

// plainError puts the evaluator's words into ours.
func plainError(err error) error {
	text := err.Error()
	for _, known := range [][2]string{
		{"no such key: ", textNoKey},
		{"index out of bounds: ", "there is no item %s"},
		{"no such attribute", textAbsent},
		{"division by zero", textZero},
		{"modulus by zero", textZero},
		{"integer overflow", textTooLarge},
		{"unsigned integer overflow", textTooLarge},
		{"timestamp overflow", "a time is out of range"},
		{"duration overflow", "a duration is out of range"},
	} {
		i := strings.Index(text, known[0])
		if i < 0 {
			continue
		}
		if strings.Contains(known[1], "%") {
			return fmt.Errorf(known[1], text[i+len(known[0]):])
		}
		return errors.New(known[1])
	}
	return errors.New(text)
}
