package programme

import (
	"fmt"
	"slices"
)

// Refusals says why a version cannot be put beside these, a reason each, with what to do instead; none: it can. Versions that
// come after it are looked at as well. A version with the same From as one of these takes its place.
func (v Versions) Refusals(next Version) []string {
	if len(v) == 0 {
		return nil
	}
	var why []string
	first, p := v[0].Programme, next.Programme
	refuse := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	if p.ID != first.ID {
		refuse("it is programme %s, this app runs %s: give another programme an app of its own", p.ID, first.ID)
	}
	if p.Currency.Code != first.Currency.Code {
		refuse("its currency is %s, what members have spent is counted in %s: give a programme of another currency an app of its own",
			p.Currency.Code, first.Currency.Code)
	} else if p.Scale != first.Scale {
		refuse("with its currencies amounts are counted with %d decimals, what is stored is counted with %d: keep the currencies, and rates of as many decimals",
			p.Scale, first.Scale)
	}
	if p.Redemptions != first.Redemptions {
		refuse("`redemptions` is %t, it was %t: who has followed what is spent cannot change while points are out; give the programme an app of its own",
			p.Redemptions, first.Redemptions)
	}
	for _, other := range v {
		switch {
		case other.From.Before(next.From):
			why = append(why, leftBehind(other.Programme, p)...)
		case next.From.Before(other.From):
			why = append(why, leftBehind(p, other.Programme)...)
		}
	}
	slices.Sort(why)
	return slices.Compact(why)
}

// With returns the versions with another one at its place, which it takes from one with the same From.
func (v Versions) With(next Version) Versions {
	i, same := slices.BinarySearchFunc(v, next, func(a, b Version) int { return a.From.Compare(b.From) })
	all := slices.Clone(v[:i])
	all = append(all, next)
	if same {
		i++
	}
	return append(all, v[i:]...)
}

// leftBehind says of which tiers of an earlier version a later one would not know what has become. Whoever has the first
// level has nothing that could be lost.
func leftBehind(earlier, later *Programme) []string {
	if earlier.Tiers == nil {
		return nil
	}
	var why []string
	if later.Tiers == nil {
		if len(earlier.Tiers.Levels) > 1 {
			why = append(why, fmt.Sprintf("%s has no `tiers`, members may hold those of %s: keep one level, and say with `becomes` what they have then",
				later.Version, earlier.Version))
		}
		return why
	}
	for _, level := range earlier.Tiers.Levels[1:] {
		known := slices.ContainsFunc(later.Tiers.Levels, func(l Level) bool { return l.ID == level.ID })
		if _, becomes := later.Tiers.Becomes[level.ID]; !known && !becomes {
			why = append(why, fmt.Sprintf("%s has no level %s, which members may hold from %s: say which one they have then, with `tiers: becomes: {%s: ...}`",
				later.Version, level.ID, earlier.Version, level.ID))
		}
	}
	return why
}
