package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// This file is about what looks back: when a member joined, and the birthday. What falls due of them is granted at its own
// time, wherever the profile that tells of them has its place.

// birthday is a month and day, and the year of birth, as 10000·year + 100·month + day; 0: not known.
type birthday int32

// in is the instant at which the birthday of a year begins, in a zone: 29 February is the 28th in common years.
func (b birthday) in(year int, zone *time.Location) int64 {
	month, day := time.Month(b/100%100), int(b%100)
	if month == time.February && day == 29 && time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Month() != month {
		day = 28
	}
	return programme.Instant(year, month, day, 0, 0, 0, 0, zone).UnixMilli()
}

func (b birthday) year() int { return int(b / 10000) }

// text is the date; empty: none is known.
func (b birthday) text() string {
	if b == 0 {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", b.year(), b/100%100, b%100)
}

// birthdayOf reads a date; false: it is none.
func birthdayOf(text string) (birthday, bool) {
	if text == "" {
		return 0, true
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1 {
		return 0, false
	}
	return birthday(t.Year()*10000 + int(t.Month())*100 + t.Day()), true
}

// person is what the newest profile that is no end says for all of the past. It never changes: an account gets a new one.
type person struct {
	at        int64  // occurred_at of the profile
	event     string // its event_id
	topic     string
	partition int32
	offset    int64
	joinedAt  int64 // 0: not known
	birthday  birthday

	earliest int64 // occurred_at of the member's earliest fact or profile
	here     int64 // since when the member is one: no birthday lies before
	// from is up to when what fell due stays as it is: the facts of that time are folded away, so that nobody can say any more what
	// rules would have seen then.
	from int64
}

// looksBack says whether anything of the person is asked of the past.
func (p *person) looksBack() bool { return p != nil && (p.joinedAt != 0 || p.birthday != 0) }

// learn takes over what a new fact says of the person: a newer profile, or that the member was here earlier than was known.
// It says whether what falls due may change by it; the facts of the window are in memory then.
func (a *Account) learn(f *fact) (bool, error) {
	if f.award != nil {
		return false, nil // it was done by somebody else
	}
	was, occurred := a.person, f.occurredAt()
	next := person{earliest: math.MaxInt64, from: math.MinInt64}
	if was != nil {
		next = *was
	}
	newer := f.profile != nil && !f.profile.ends && (was == nil || was.at < occurred || was.at == occurred && was.event < f.key.event)
	if newer {
		next.at, next.event, next.topic, next.partition, next.offset = occurred, f.key.event, f.topic, f.partition, f.offset
		next.joinedAt, next.birthday = f.profile.joinedAt, f.profile.birthday
	} else if !was.looksBack() || occurred >= was.earliest {
		return false, nil
	}
	if !next.looksBack() && !was.looksBack() {
		a.person = &next
		return false, nil
	}
	if !was.looksBack() {
		earliest, err := a.earliest()
		if err != nil {
			return false, err
		}
		next.earliest = earliest
	}
	next.earliest = min(next.earliest, occurred)
	changed := !was.looksBack() || was.joinedAt != next.joinedAt || was.birthday != next.birthday || was.earliest != next.earliest
	if changed {
		if next.from = math.MinInt64; a.folded != 0 {
			next.from = a.folded
		}
	}
	a.person = &next
	return changed, a.load()
}

// earliest is when the member was first heard of, the newest fact aside.
func (a *Account) earliest() (int64, error) {
	if err := a.load(); err != nil {
		return 0, err
	}
	first := int64(math.MaxInt64)
	if a.first != 0 {
		first = a.first
	}
	if i := slices.IndexFunc(a.facts, func(f *fact) bool { return f.award == nil }); i >= 0 {
		first = min(first, a.facts[i].key.at)
	}
	for _, f := range a.profiles {
		first = min(first, f.profile.at)
	}
	return first, nil
}

// coming is what falls due of a person after a standing, and what has: part of the standing.
type coming struct {
	joined   int64 // when the member joins; 0: never, or it has happened
	birthday int64 // the next birthday; 0: none
	year     int32 // of the next birthday
	last     int32 // year of the last birthday; 0: there was none
	welcomed bool  // the member has joined
}

// reschedule works out what is to come after the base, for another person than before. It says what comes too late.
func (a *Account) reschedule() (tooLate string) {
	p, c := a.person, &a.base.profile.coming
	c.joined, c.birthday = 0, 0
	a.snapshots, a.rebased, a.touched = nil, true, true
	if p == nil {
		return ""
	}
	// Who joined long before anything was heard of was imported. That is no welcome, and brings no birthdays of years ago.
	v := a.ledger.at(p.earliest).programme
	imported := p.joinedAt <= v.ReturnWindow.SubFrom(time.UnixMilli(p.earliest), a.zoneWithin(p.earliest, v)).UnixMilli()
	if imported {
		p.here = p.earliest
	} else {
		p.here = p.joinedAt
	}
	if !c.welcomed {
		for _, f := range a.kept {
			if f.key.kind == joinedFact && f.due > 0 && f.due <= p.from {
				c.joined = f.due // it stays as it was
			}
		}
		switch {
		case c.joined != 0 || imported:
		case p.joinedAt > p.from:
			c.joined = p.joinedAt
		case len(a.ledger.at(p.joinedAt).joined) > 0:
			tooLate = a.tooLate("joined", p.joinedAt)
		}
	}
	zone := a.base.zone(a.ledger.at(a.folded).programme)
	c.next(p, a.kept, p.here, zone)
	// Whether there was a birthday since the member is one that the base knows nothing of.
	missed := coming{last: c.last}
	missed.next(&person{birthday: p.birthday, from: math.MinInt64}, nil, p.here, zone)
	if at := missed.birthday; at != 0 && at <= p.from && (c.birthday == 0 || c.birthday > p.from) && len(a.ledger.at(at).birthdays) > 0 {
		tooLate += a.tooLate("birthday", at)
	}
	return tooLate
}

// tooLate says that what time made of a person is learnt of when nothing can come of it any more.
func (a *Account) tooLate(what string, at int64) string {
	p := a.ledger.at(at).programme
	return fmt.Sprintf("; no rule on %s is asked about %s: the member's events up to %s are folded away, and what happened then is not decided again",
		what, instantUTC(at).In(a.zoneWithin(at, p)).Format(time.DateOnly), instantUTC(a.folded).Format(time.RFC3339))
}

// next finds the next birthday: the first that is not before an instant, in a year after the last one's. Up to person.from
// what has happened stays as it was, as the facts that are due say it.
func (c *coming) next(p *person, kept []*fact, notBefore int64, zone *time.Location) {
	c.birthday = 0
	if p == nil {
		return
	}
	if notBefore <= p.from {
		for _, f := range kept {
			year := yearOf(f.key)
			if f.key.kind == birthdayFact && f.due > 0 && f.due <= p.from && year > c.last && (c.birthday == 0 || f.due < c.birthday) {
				c.birthday, c.year = f.due, year
			}
		}
		if c.birthday != 0 {
			return
		}
		notBefore = p.from + 1
	}
	if p.birthday == 0 {
		return
	}
	year := max(int(c.last), p.birthday.year()) + 1
	if notBefore > 0 {
		year = max(year, time.UnixMilli(notBefore).In(zone).Year())
	}
	for p.birthday.in(year, zone) < notBefore {
		year++
	}
	if year > 9999 {
		return
	}
	c.birthday, c.year = p.birthday.in(year, zone), int32(year)
}

// profileChanged looks at what is to come when another profile holds. After the end of a profile nothing is; in another zone
// a birthday begins with the midnight there, unless that has passed.
func (c *coming) profileChanged(p *person, kept []*fact, f *fact, zone *time.Location) {
	switch {
	case f.profile.ends:
		c.joined, c.birthday = 0, 0
	case p == nil:
	default:
		if !c.welcomed && c.joined == 0 && p.joinedAt >= f.key.at {
			c.joined = p.joinedAt
		}
		if c.birthday == 0 {
			c.next(p, kept, max(f.key.at, p.here), zone)
		} else if p.birthday != 0 && c.birthday > p.from {
			if moved := p.birthday.in(int(c.year), zone); moved >= f.key.at {
				c.birthday = moved
			}
		}
	}
}

// Names of the facts that time makes of a person. They are part of grant ids.
const (
	joinedEvent    = "joined"
	birthdayEvents = "birthday-" // with the year behind it
)

func yearOf(key factKey) int32 {
	year, _ := strconv.Atoi(strings.TrimPrefix(key.event, birthdayEvents))
	return int32(year) //nolint:gosec // four digits, as it was made
}

// has says whether what is due of a person has happened before the standing.
func (c *coming) has(f *fact) bool {
	if f.key.kind == joinedFact {
		return c.welcomed
	}
	return yearOf(f.key) <= c.last
}

// join lets a member join.
func (r *run) join(at int64) error {
	c := &r.s.profile.coming
	c.joined, c.welcomed = 0, true
	return r.happen(at, factKey{kind: joinedFact, event: joinedEvent}, func(v *version) []int { return v.joined })
}

// celebrate lets a birthday happen.
func (r *run) celebrate(at int64) error {
	p, c := r.account.person, &r.s.profile.coming
	key := factKey{kind: birthdayFact, event: birthdayEvents + strconv.Itoa(int(c.year))}
	c.last = c.year
	c.next(p, r.account.kept, at+1, r.s.zone(r.account.ledger.at(at).programme))
	return r.happen(at, key, func(v *version) []int { return v.birthdays })
}

// happen asks the rules about what time has brought. What passes 64 bits cannot be refused, so nothing is granted then.
func (r *run) happen(at int64, key factKey, listening func(*version) []int) error {
	v := r.account.ledger.at(at)
	if len(listening(v)) == 0 {
		return nil
	}
	f, err := r.account.dueFact(key, at, r.silent)
	if err != nil {
		return err
	}
	from, before := r.begin(f), *r.s.clone()
	now := r.s.local(at, v.programme)
	err = r.see(v, now)
	if err == nil {
		err = r.ask(v, listening(v), f, now, remains{})
	}
	if err == nil {
		err = r.look(v, at, f.key)
	}
	if err == nil {
		err = r.keepRest(f, from)
	}
	if isOverflow(err) {
		*r.s, r.wants, err = before, r.wants[:from], nil
	}
	if err != nil {
		return err
	}
	f.want = r.wants[from:len(r.wants):len(r.wants)]
	return nil
}

// dueFact finds or makes the fact that time makes of a person.
func (a *Account) dueFact(key factKey, at int64, silent bool) (*fact, error) {
	f, err := a.keptAt(key)
	if err != nil {
		return nil, err
	}
	if f == nil {
		f = &fact{key: key, semantics: semantics, topic: schemas.TopicProfiles, kept: true}
		if !silent {
			a.keep(f)
		}
	}
	if f.due != at {
		f.due, f.memo = at, nil
		if p := a.person; p != nil {
			f.topic, f.partition, f.offset = p.topic, p.partition, p.offset
		}
		if !silent {
			a.change(f)
		}
	}
	return f, nil
}

// undone are the facts that time made behind a standing: unless they happen again, nothing of them stays.
func (a *Account) undone(s *standing) []*fact {
	var list []*fact
	for _, f := range a.kept {
		if f.byTime() && f.due > 0 && !s.profile.coming.has(f) {
			list = append(list, f)
		}
	}
	return list
}

// undo takes back those of them that did not happen again. They stay, as what was written of them does.
func (r *run) undo(list []*fact) {
	for _, f := range list {
		if !f.decided {
			r.begin(f)
			f.want, f.due = nil, -f.due
			r.account.change(f)
		}
	}
}

// dueText says what a fact is that time made.
func dueText(f *fact, zone *time.Location) string {
	day := time.UnixMilli(f.at()).In(zone).Format(time.DateOnly)
	if f.key.kind == joinedFact {
		return fmt.Sprintf("joined on %s", day)
	}
	return fmt.Sprintf("the birthday of %s", day)
}

func (c *coming) flags() byte {
	flags := byte(0)
	if c.joined != 0 {
		flags |= hasJoined
	}
	if c.birthday != 0 {
		flags |= hasBirthday
	}
	if c.last != 0 {
		flags |= hasYear
	}
	if c.welcomed {
		flags |= wasWelcomed
	}
	return flags
}

func (c *coming) save(w *writer, flags byte) {
	if flags&hasJoined != 0 {
		w.varint(c.joined)
	}
	if flags&hasBirthday != 0 {
		w.varint(c.birthday)
		w.varint(int64(c.year))
	}
	if flags&hasYear != 0 {
		w.varint(int64(c.last))
	}
}

func loadComing(r *reader, flags byte) coming {
	c := coming{welcomed: flags&wasWelcomed != 0}
	if flags&hasJoined != 0 {
		c.joined = r.varint()
	}
	if flags&hasBirthday != 0 {
		c.birthday, c.year = r.varint(), int32(r.varint())
	}
	if flags&hasYear != 0 {
		c.last = int32(r.varint())
	}
	return c
}

// save writes the person; a single byte where there is none.
func (p *person) save(w *writer) {
	if p == nil {
		w.byte(0)
		return
	}
	w.byte(1)
	w.varint(p.at)
	w.string(p.event)
	if p.topic == schemas.TopicProfiles {
		w.string("")
	} else {
		w.string(p.topic)
	}
	w.varint(int64(p.partition))
	w.varint(p.offset)
	w.varint(p.joinedAt)
	w.varint(int64(p.birthday))
	w.varint(p.earliest)
	w.varint(p.here)
	w.varint(p.from)
}

func loadPerson(r *reader) *person {
	if r.byte() == 0 {
		return nil
	}
	p := &person{
		at: r.varint(), event: r.string(), topic: r.string(), partition: int32(r.varint()), offset: r.varint(), joinedAt: r.varint(),
		birthday: birthday(r.varint()), earliest: r.varint(), here: r.varint(), from: r.varint(),
	}
	if p.topic == "" {
		p.topic = schemas.TopicProfiles
	}
	return p
}

// profilesOf are the profiles among facts.
func profilesOf(facts []*fact) []*fact {
	var list []*fact
	for _, f := range facts {
		if f.profile != nil {
			list = append(list, f)
		}
	}
	return list
}
