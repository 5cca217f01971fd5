package rules

import (
	"math"
	"time"

	"accrue/rules/programme"
)

// This file is about profiles: what they say of a member, from when on it holds, and what looks back. Zone, segments and
// attributes hold from the profile's occurred_at on and are part of a standing. When the member joined and the birthday are
// those of the newest profile and hold for all of the past, so they are the account's.

// profileEvent is what decisions need of a profile.
type profileEvent struct {
	// at is the profile's occurred_at. Its place among the facts is later where it came in when that had been folded away.
	at         int64
	ends       bool // from here on nothing is known of the member
	joinedAt   int64
	birthday   birthday
	zone       string // empty: the programme's
	segments   []string
	attributes []attribute

	named map[string]string // attributes as conditions read them; made when they are first asked for
}

// profileStanding is the profile in force, with what falls due of what is known of the member.
type profileStanding struct {
	place  factKey // of the profile in force; the zero key: there was none
	at     int64   // its occurred_at
	ended  bool    // it was the end of one
	named  string  // name of zone
	zone   *time.Location
	holds  *profileEvent // what it says; nil: not read yet. In a base it always is
	coming coming
}

// profileOf is the profile of an event, with its place.
func profileOf(e *Event) (factKey, *profileEvent) {
	m := e.Profile
	born, _ := birthdayOf(m.Birthday) // it was checked
	p := &profileEvent{
		at: m.OccurredAt.UnixMilli(), ends: e.ProfileEnds, birthday: born, zone: m.TimeZone, segments: m.Segments,
		attributes: attributesOf(m.Attributes),
	}
	if !m.JoinedAt.IsZero() {
		p.joinedAt = m.JoinedAt.UnixMilli()
	}
	return factKey{p.at, profileFact, m.EventID}, p
}

// asksProfile says whether a rule reads of the profile what is not in the head.
func asksProfile(rule *programme.Rule) bool {
	for _, c := range [...]*programme.Condition{rule.When, rule.Lines} {
		if c == nil {
			continue
		}
		for _, name := range c.References() {
			if name == "member.segments" || name == "member.attributes" {
				return true
			}
		}
	}
	return false
}

// comesBefore is the order of profiles: (occurred_at, event_id).
func (s *profileStanding) comesBefore(f *fact) bool {
	if s.place.event == "" || s.at != f.profile.at {
		return s.place.event == "" || s.at < f.profile.at
	}
	return s.place.event < f.key.event
}

// zone is the member's time zone, else the programme's: what is local to the member is counted in it.
func (s *standing) zone(p *programme.Programme) *time.Location {
	if s.profile.zone != nil {
		return s.profile.zone
	}
	return p.Zone
}

// local is an instant in the member's zone.
func (s *standing) local(at int64, p *programme.Programme) time.Time {
	return time.UnixMilli(at).In(s.zone(p))
}

// passProfile lets a profile take the place of the one in force, if it is newer.
func (r *run) passProfile(f *fact) error {
	s, p := r.s, r.account.ledger.at(f.key.at).programme
	if !s.profile.comesBefore(f) {
		r.unasked(f, "a newer profile holds already")
		return nil
	}
	s.profile.place, s.profile.at, s.profile.ended, s.profile.holds = f.key, f.profile.at, f.profile.ends, f.profile
	s.profile.named, s.profile.zone = f.profile.zone, zoneNamed(f.profile.zone)
	s.profile.coming.profileChanged(r.account.person, r.account.kept, f, s.zone(p))
	if f.profile.ends {
		r.unasked(f, "the profile ends here: from now on what the programme says holds")
	} else {
		r.unasked(f, "the profile holds from here on")
	}
	return nil
}

// zoneNamed is the zone of a name that was checked when the profile came in; nil: the programme's.
func zoneNamed(name string) *time.Location {
	if name == "" {
		return nil
	}
	zone, err := programme.LoadZone(name)
	if err != nil { // the tables have lost it since
		return nil
	}
	return zone
}

// profile is what the profile in force says; nil: there is none. It is read when a condition asks for it.
func (r *run) profile() (*profileEvent, error) {
	s := &r.s.profile
	if s.place.event == "" || s.ended {
		return nil, nil
	}
	if s.holds != nil {
		return s.holds, nil
	}
	a := r.account
	f, err := a.factAt(s.place)
	if err != nil {
		return nil, err
	}
	if f != nil {
		s.holds = f.profile
		return s.holds, nil
	}
	if err := a.loadBase(); err != nil {
		return nil, err
	}
	s.holds = a.base.profile.holds // folded away it is the base's
	return s.holds, nil
}

// seeProfile sets what conditions see of the profile.
func (r *run) seeProfile(v *version) error {
	m := &r.scope.Member
	if person := r.account.person; person != nil && person.joinedAt != 0 && !r.s.profile.ended {
		m.JoinedAt = time.UnixMilli(person.joinedAt).UTC()
	}
	if !v.asksProfile {
		return nil
	}
	profile, err := r.profile()
	if err != nil || profile == nil {
		return err
	}
	if profile.named == nil && len(profile.attributes) > 0 {
		profile.named = attributeMap(profile.attributes)
	}
	m.Segments, m.Attributes = profile.segments, profile.named
	return nil
}

// zoneAt is the member's zone at an instant. It needs the facts of the window where a profile may lie behind the instant.
func (a *Account) zoneAt(at int64, p *programme.Programme) (*time.Location, error) {
	if newest := &a.head.profile; newest.place.event == "" || newest.place.at <= at {
		return a.head.zone(p), nil
	}
	if err := a.load(); err != nil {
		return nil, err
	}
	return a.zoneWithin(at, p), nil
}

// zoneWithin is zoneAt of an account whose facts are in memory.
func (a *Account) zoneWithin(at int64, p *programme.Programme) *time.Location {
	start := a.start()
	if len(a.profiles) == 0 {
		if start != nil {
			return start.zone(p)
		}
		return p.Zone
	}
	s := start.profile
	for _, f := range a.profiles {
		if f.key.at <= at && s.comesBefore(f) {
			s.place, s.at, s.named = f.key, f.profile.at, f.profile.zone
		}
	}
	if zone := zoneNamed(s.named); zone != nil {
		return zone
	}
	return p.Zone
}

// horizon is how far back a profile reaches: as far as facts are kept. One that is older holds from there on, so that what it
// says does not depend on whether what lies there was folded away already.
func (a *Account) horizon() int64 {
	if a.newest == 0 && a.folded == 0 {
		return math.MinInt64
	}
	return max(a.foldable(a.newest), a.folded)
}

// profileFrom is the first fact that a new profile changes, as changesFrom says it.
func (a *Account) profileFrom(f *fact, head bool) (int, error) {
	if head {
		return atHead, nil
	}
	if err := a.load(); err != nil {
		return 0, err
	}
	for _, x := range a.kept {
		x.memo = nil // `now` may show another time
	}
	from := a.place(f.key)
	for _, x := range a.facts[from:] {
		x.memo = nil
		if !x.refunds() {
			continue
		}
		// Whether a refund is near enough to its order is counted in the zone of the later of the two.
		if stands := a.standsFor(x.order.id); stands != nil {
			from = min(from, a.place(stands.key))
		}
	}
	return from, nil
}

func (e *profileEvent) encode(w *writer) {
	w.varint(e.at)
	flags := byte(0)
	if e.ends {
		flags = 1
	}
	w.byte(flags)
	w.varint(e.joinedAt)
	w.varint(int64(e.birthday))
	w.string(e.zone)
	w.strings(e.segments)
	encodeAttributes(w, e.attributes)
}

func decodeProfile(r *reader) *profileEvent {
	return &profileEvent{
		at: r.varint(), ends: r.byte() == 1, joinedAt: r.varint(), birthday: birthday(r.varint()), zone: r.string(), segments: r.strings(),
		attributes: decodeAttributes(r),
	}
}

// What a stored profileStanding has, as the bits of its first byte: most members have none of it.
const (
	hasProfile = 1 << iota
	profileEnded
	hasZone
	hasContent
	hasJoined
	hasBirthday
	hasYear
	wasWelcomed
)

// save writes the profile in force. Of a base, whose profile may be folded away, what it says is written as well.
func (s *profileStanding) save(w *writer, ofBase bool) {
	flags := s.coming.flags()
	if s.place.event != "" {
		flags |= hasProfile
	}
	if s.ended {
		flags |= profileEnded
	}
	if s.named != "" {
		flags |= hasZone
	}
	if ofBase && s.holds != nil {
		flags |= hasContent
	}
	w.byte(flags)
	if flags&hasProfile != 0 {
		w.varint(s.place.at)
		w.string(s.place.event)
		w.varint(s.at)
	}
	if flags&hasZone != 0 {
		w.string(s.named)
	}
	if flags&hasContent != 0 {
		s.holds.encode(w)
	}
	s.coming.save(w, flags)
}

func loadProfileStanding(r *reader) profileStanding {
	var s profileStanding
	flags := r.byte()
	if flags&hasProfile != 0 {
		s.place = factKey{at: r.varint(), kind: profileFact, event: r.string()}
		s.at = r.varint()
	}
	s.ended = flags&profileEnded != 0
	if flags&hasZone != 0 {
		s.named = r.string()
		s.zone = zoneNamed(s.named)
	}
	if flags&hasContent != 0 {
		s.holds = decodeProfile(r)
	}
	s.coming = loadComing(r, flags)
	return s
}
