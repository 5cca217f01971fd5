package imports

import (
	"fmt"
	"math/big"
	"strings"
)

// decimal is an exact number: coefficient / 10^scale.
type decimal struct {
	coefficient *big.Int
	scale       int
}

// maxNumber bounds the text of a number.
const maxNumber = 40

// number reads a number with the separators of the mapping.
func (m *Mapping) number(text string) (decimal, error) {
	bad := func(why string, args ...any) (decimal, error) {
		return decimal{}, refuse("number cannot be read", "%q is no number: %s", text, fmt.Sprintf(why, args...))
	}
	rest := strings.TrimSpace(text)
	if len(rest) > maxNumber {
		return bad("it is too long")
	}
	negative := false
	switch {
	case strings.HasPrefix(rest, "-"), strings.HasPrefix(rest, "\u2212"):
		negative, rest = true, strings.TrimPrefix(strings.TrimPrefix(rest, "\u2212"), "-")
	case strings.HasPrefix(rest, "("), strings.HasSuffix(rest, ")"): // as accountants write it
		if len(rest) < 2 || rest[0] != '(' || rest[len(rest)-1] != ')' {
			return bad("a bracket is missing")
		}
		negative, rest = true, rest[1:len(rest)-1]
	}
	rest = strings.TrimPrefix(rest, "+")
	whole, fraction, pointed := strings.Cut(rest, m.Decimal)
	if m.Thousands != "" {
		groups := strings.Split(whole, m.Thousands)
		for i, g := range groups {
			if len(groups) > 1 && (i > 0 && len(g) != 3 || i == 0 && (g == "" || len(g) > 3)) {
				return bad("%q does not stand before every third digit; the mapping says `decimal: %q`, `thousands: %q`", m.Thousands, m.Decimal, m.Thousands)
			}
		}
		whole = strings.Join(groups, "")
	}
	digits := whole + fraction
	if whole == "" || pointed && fraction == "" || strings.Trim(digits, "0123456789") != "" {
		return bad("the mapping says `decimal: %q`, `thousands: %q`", m.Decimal, m.Thousands)
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return bad("its digits cannot be read")
	}
	if negative {
		n.Neg(n)
	}
	return decimal{n, len(fraction)}, nil
}

// pieces reads a number of pieces.
func (m *Mapping) pieces(text string) (int64, error) {
	d, err := m.number(text)
	if err != nil {
		return 0, err
	}
	n, exact := d.scaled(0)
	if !exact || !n.IsInt64() || n.CmpAbs(big.NewInt(maxPieces)) > 0 {
		return 0, refuse("quantity is not whole", "quantity %q is no whole number of pieces up to %d; for goods by weight write `quantity: {value: 1}` and map `amount`", text, maxPieces)
	}
	return n.Int64(), nil
}

// maxPieces bounds a quantity.
const maxPieces = 1_000_000_000_000

// scaled is the number times 10^digits, cut to a whole number, and whether nothing was cut off.
func (d decimal) scaled(digits int) (*big.Int, bool) {
	if digits >= d.scale {
		return new(big.Int).Mul(d.coefficient, tenTo(digits-d.scale)), true
	}
	whole, rest := new(big.Int).QuoRem(d.coefficient, tenTo(d.scale-digits), new(big.Int))
	return whole, rest.Sign() == 0
}

func tenTo(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// maxAmount bounds an amount, so that the lines of an order cannot overflow a sum.
const maxAmount = 1_000_000_000_000_000

// minor is a price times a number of pieces in minor units of a currency with so many digits.
func (m *Mapping) minor(price decimal, pieces int64, digits int, text, currency string) (int64, error) {
	total := decimal{new(big.Int).Mul(price.coefficient, big.NewInt(pieces)), price.scale}
	if m.MinorUnits {
		digits = 0
	}
	n, exact := total.scaled(digits)
	if !exact {
		switch m.Rounding {
		case "down": // towards 0
		case "half_up": // half a unit goes away from 0
			twice, _ := decimal{new(big.Int).Mul(total.coefficient, big.NewInt(2)), total.scale}.scaled(digits)
			n = new(big.Int).Quo(new(big.Int).Add(twice, big.NewInt(int64(twice.Sign()))), big.NewInt(2))
		default:
			return 0, refuse("amount is no whole minor unit", "%d × %s %s is no whole number of minor units; `rounding: half_up` under `numbers` rounds", pieces, text, currency)
		}
	}
	if n.CmpAbs(big.NewInt(maxAmount)) > 0 {
		return 0, refuse("amount is too large", "%d × %s %s is more than can be counted", pieces, text, currency)
	}
	return n.Int64(), nil
}
