package programme

// lintBounds looks at the limits and the budget of a rule beside what it gives at once.
func (p *programmeParser) lintBounds(read *ruleRead) {
	rule, f := read.rule, read.fields
	if rule.On == OnReferral && len(rule.Limits) > 0 && !p.givesReferrer(rule) {
		p.warn(f.at("limit"), "the limit never binds: limits of a referral bind the referrer's points, and there are none")
		return
	}
	if rule.Boost != nil {
		return // how much it gives depends on other rules
	}
	least := leastGrant(rule)
	if b := rule.Budget; b != nil && b.Points > 0 && least > b.Points {
		p.warn(f.at("budget"), "the budget of %d points is smaller than one grant of %d", b.Points, least)
	}
	limited := least
	if rule.On == OnReferral {
		limited = rule.Earn.Referrer
	}
	for _, limit := range rule.Limits {
		p.grantBeside(limit, limited, f.at("limit"), "the limit")
	}
	if rule.Mode != Live {
		return // its grants count towards its own limits only
	}
	for _, limit := range p.out.Limits {
		p.grantBeside(limit, limited, f.at("earn"), "the programme's limit")
		for _, own := range rule.Limits {
			if sameKind(own, limit) && (own.Per == limit.Per || inside(own.Per, limit.Per)) && own.size() > limit.size() {
				p.warn(f.at("limit"), "the limit of %s never binds: the programme's is %s", own.text(), limit.text())
				break
			}
		}
	}
}

// grantBeside reports a limit of points that not even one grant fits into.
func (p *programmeParser) grantBeside(limit Limit, least int64, at Position, which string) {
	if limit.Points == 0 || least <= limit.Points {
		return
	}
	switch limit.Edge {
	case Drop:
		p.fail(at, "nothing is ever granted: %s of %s drops each grant of %d", which, limit.text(), least)
	case Cut:
		p.warn(at, "%s of %s cuts each grant of %d", which, limit.text(), least)
	case Finish:
	}
}

// leastGrant is the least that a rule grants at once, if it grants anything; to all that it grants to.
func leastGrant(rule *Rule) int64 {
	switch earn := rule.Earn; {
	case rule.On == OnReferral:
		return max(earn.Referrer, earn.Referee)
	case earn.Random.To != 0:
		return earn.Random.From
	case earn.Rate.Den != 0:
		return 1
	default:
		return earn.Points
	}
}

// size is what a limit allows, in times or points.
func (l Limit) size() int64 { return l.Times + l.Points }

// text is a limit in words: "1 time per day", "500 points ever".
func (l Limit) text() string {
	text := counted(int(l.Points), "point")
	if l.Times != 0 {
		text = counted(int(l.Times), "time")
	}
	if l.Per == PerEver {
		return text + " ever"
	}
	return text + " per " + periodWords[l.Per-1]
}

func sameKind(a, b Limit) bool { return (a.Points != 0) == (b.Points != 0) }

// inside says that every period of one kind lies within one of another; a week may lie in two months or years.
func inside(a, b Period) bool { return a < b && (a != PerWeek || b == PerEver) }

// nested warns about limits that another limit of the list makes pointless.
func (p *programmeParser) nested(limits []Limit, at []Position) {
	for i, a := range limits {
		for _, b := range limits {
			if sameKind(a, b) && inside(a.Per, b.Per) && a.size() >= b.size() {
				p.warn(at[i], "the limit of %s never binds: there is one of %s", a.text(), b.text())
				break
			}
		}
	}
}
