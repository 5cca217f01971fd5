package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"accrue/schemas"
)

// expect compares what a step expects with what is.
func (r *runner) expect(st step) error {
	before := len(*r.problems)
	keys := r.keys(st.what, "an expectation", expectKeys()...)
	id := r.text(keys["member"], "member")
	if id == "" {
		id = r.member
	}
	if id == "" {
		id = r.last
	}
	if id == "" {
		r.problems.add(st.pos, "whose is it? name the `member`")
	}
	at := r.instant(keys["at"], "at")
	if len(*r.problems) > before {
		return nil
	}
	m, err := r.open(id)
	if err != nil {
		return err
	}
	if !at.IsZero() {
		m.notices = nil
		if err := r.advance(m, at); err != nil {
			return err
		}
		m.after = "at " + r.instantText(at)
		r.report.Moments = append(r.report.Moments, Moment{Member: id, At: at})
	}
	e := expectation{r, m, id}
	e.numbers(keys)
	e.tier(keys)
	e.decision(keys)
	e.word(keys["alerts"], "alerts", listOf(m.alerts), "has the alerts %s, expected %s")
	e.word(keys["notices"], "notices", listOf(m.notices), "was told ahead %s, expected %s")
	if v := keys["points"]; v != nil {
		e.points(v)
	}
	e.last(keys["expires"], "expires", func(entry *schemas.PointGrant) string {
		if entry.ExpiresAt.IsZero() {
			return "never"
		}
		return e.instantText(entry.ExpiresAt)
	})
	e.last(keys["entry"], "entry", func(entry *schemas.PointGrant) string { return string(entry.Entry) })
	e.last(keys["campaign"], "campaign", func(entry *schemas.PointGrant) string {
		if entry.Campaign == "" {
			return "none"
		}
		return entry.Campaign
	})
	e.last(keys["why"], "why", func(entry *schemas.PointGrant) string { return entry.Reason })
	return nil
}

// listOf is a list as a scenario writes it.
func listOf(texts []string) string {
	if len(texts) == 0 {
		return "none"
	}
	return strings.Join(texts, ", ")
}

// expectation compares the values of one member.
type expectation struct {
	*runner
	m  *member
	id string
}

// differs reports a value that is not as expected, and notes how the file would have it.
func (e *expectation) differs(v *value, is, format string, args ...any) {
	e.report.Differences.add(v.pos, "%s %s %s", e.m.after, e.id, fmt.Sprintf(format, args...))
	e.rewrites = append(e.rewrites, rewriting{v, is})
}

func (e *expectation) number(v *value, what string, is int64, format string) {
	if v == nil {
		return
	}
	before := len(*e.problems)
	want := e.whole(v, what, 0)
	e.report.Expectations++
	if is != want && len(*e.problems) == before {
		e.differs(v, strconv.FormatInt(is, 10), format, is, want)
	}
}

func (e *expectation) numbers(keys map[string]*value) {
	e.number(keys["balance"], "balance", e.m.balance, "has %d points to spend, expected %d")
	e.number(keys["pending"], "pending", e.m.pending, "has %d points pending, expected %d")
}

func (e *expectation) points(v *value) {
	if v.kind != mapping {
		e.problems.add(v.pos, "`points` is a mapping of rules to points: {spend: 37}")
		return
	}
	for _, f := range v.fields {
		if !e.knows(f.key.text) {
			e.problems.add(f.key.pos, "the programme has no rule %q", f.key.text)
			continue
		}
		e.number(f.value, f.key.text, e.m.points(f.key.text), "has %d points of rule "+strings.ReplaceAll(f.key.text, "%", "%%")+", expected %d")
	}
}

// last compares what the last entries of rules say.
func (e *expectation) last(v *value, what string, says func(entry *schemas.PointGrant) string) {
	if v == nil {
		return
	}
	if v.kind != mapping {
		e.problems.add(v.pos, "`%s` is a mapping of rules", what)
		return
	}
	for _, f := range v.fields {
		entry := e.m.entries[f.key.text]
		if entry == nil {
			e.problems.add(f.key.pos, "there is no entry of a rule %q yet", f.key.text)
			continue
		}
		is, want := says(entry), e.text(f.value, f.key.text)
		if at := e.quietInstant(want); !at.IsZero() {
			want = e.instantText(at)
		}
		e.report.Expectations++
		if what == "why" && strings.Contains(is, want) {
			continue
		}
		if is != want {
			e.differs(f.value, is, "has %s as `%s` of the last entry of rule %s, expected %s", is, what, f.key.text, want)
		}
	}
}

// quietInstant reads a time where the text is one.
func (e *expectation) quietInstant(text string) time.Time {
	reader := reader{problems: &Problems{}, zone: e.zone}
	at := reader.instant(&value{kind: scalar, text: text}, "")
	if len(*reader.problems) > 0 {
		return time.Time{}
	}
	return at
}

func (e *expectation) knows(rule string) bool {
	if rule == "by hand" { // what commands grant
		return true
	}
	for _, v := range e.versions {
		for _, have := range v.Programme.Rules {
			if have.ID == rule {
				return true
			}
		}
	}
	return false
}

func (e *expectation) word(v *value, what, is, format string) {
	if v == nil {
		return
	}
	want := e.text(v, what)
	e.report.Expectations++
	if is != want {
		e.differs(v, is, format, is, want)
	}
}

func (e *expectation) tier(keys map[string]*value) {
	e.word(keys["tier"], "tier", e.m.tier, "is %s, expected %s")
	change := "none"
	if e.m.change != nil {
		change = string(e.m.change.Direction)
	}
	e.word(keys["change"], "change", change, "has %s as the last change of the tier, expected %s")
	v := keys["until"]
	if v == nil {
		return
	}
	is := "never"
	if e.m.change != nil && !e.m.change.ValidUntil.IsZero() {
		is = e.instantText(e.m.change.ValidUntil)
	}
	want := e.text(v, "until")
	if want != "never" {
		want = e.instantText(e.instant(v, "until"))
	}
	e.report.Expectations++
	if is != want {
		e.differs(v, is, "has the tier until %s, expected %s", is, want)
	}
}

func (e *expectation) decision(keys map[string]*value) {
	d := e.m.decision
	if d == nil {
		if v := keys["decision"]; v != nil {
			e.problems.add(v.pos, "nothing was decided for %s yet", e.id)
		}
		return
	}
	e.word(keys["decision"], "decision", string(d.Outcome), "is answered %s, expected %s")
	v := keys["reason"]
	if v == nil {
		return
	}
	e.report.Expectations++
	want := e.text(v, "reason")
	if strings.Contains(d.Reason, want) {
		return
	}
	for _, verdict := range d.Verdicts {
		if strings.Contains(verdict.Reason, want) {
			return
		}
	}
	e.differs(v, d.Reason, "is told %q, expected %q in it", d.Reason, want)
}
