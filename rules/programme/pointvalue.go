package programme

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// PointValue is what a point is worth, an exact decimal in major units of the programme's currency. The zero PointValue is none. It is no part
// of a programme: what a point costs is the business of who pays for it.
type PointValue struct {
	coefficient int64
	decimals    int
}

// pointValueForm is what people write: few enough digits for exact arithmetic.
var pointValueForm = regexp.MustCompile(`^(\d{1,9})(?:\.(\d{1,9}))?$`)

// ParsePointValue reads a decimal such as 0.01, above 0, with at most nine digits on each side of the point.
func ParsePointValue(text string) (PointValue, error) {
	parts := pointValueForm.FindStringSubmatch(text)
	if parts == nil {
		return PointValue{}, fmt.Errorf("%q is not a decimal such as 0.01", text)
	}
	n, err := strconv.ParseInt(parts[1]+parts[2], 10, 64)
	if err != nil || n == 0 {
		return PointValue{}, fmt.Errorf("%q is not above 0", text)
	}
	return PointValue{n, len(parts[2])}, nil
}

// IsZero reports whether there is none.
func (v PointValue) IsZero() bool { return v.coefficient == 0 }

// Worth is what points are worth, exact.
func (v PointValue) Worth(points int64) *big.Rat {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(v.decimals)), nil)
	worth := new(big.Int).Mul(big.NewInt(points), big.NewInt(v.coefficient))
	return new(big.Rat).SetFrac(worth, scale)
}

// Text is what points are worth, as an exact decimal with at least some decimals; empty without a value.
func (v PointValue) Text(points int64, atLeast int) string {
	if v.IsZero() {
		return ""
	}
	text := v.Worth(points).FloatString(max(v.decimals, atLeast))
	for n := v.decimals; n > atLeast && strings.HasSuffix(text, "0"); n-- {
		text = text[:len(text)-1]
	}
	return strings.TrimSuffix(text, ".")
}
