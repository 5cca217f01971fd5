package rules

import (
	"fmt"
	"slices"

	"accrue/rules/programme"
)

// standing is where a member stands after all facts up to a place: all that later decisions depend on. It is a value;
// clone makes one that changes on its own.
type standing struct {
	last    factKey // the last fact that was decided; the zero key: none yet
	due     int64   // the last instant at which something fell due
	points  int64   // what can be spent; below 0 is a debt
	pending int64   // what is held, in points that can be spent once released
	orders  int64   // orders that are not gone, over the lifetime
	spend   programme.Money

	checkInDay    int32 // local day of the last check-in
	checkInStreak int32 // days in a row up to it

	tier  tierStanding
	fraud fraudStanding
	// metrics are what the tiers of any version go by, one of each kind, so that another version finds its own counted.
	metrics []metricStanding
	held    series[heldAt]
	// heldTier is the sum of held in tier points. It is not stored.
	heldTier int64
	limits   []counter // of the programme's limits
	counted  uint64    // counting.mark with which limits were counted
	rules    []ruleUse // ascending by id; only rules that have something to remember
	profile  profileStanding
	expiring series[expiringAt] // when the end of points is to be told; empty where nothing is
	lots     *lots              // nil: the programme does not follow what is spent
	invited  *invitation        // the one that counts; nil: there was none. It never changes
}

// tierStanding is the tier that a member holds.
type tierStanding struct {
	id         string // empty: the first level
	validUntil int64  // the end of the validity; 0: none
	graceUntil int64  // set while the validity has ended and the fall has not come
	since      int64  // when it was given; 0: the member has it from the beginning
	value      int64  // of the metric when it was given
	floor      string // the highest level held that never falls; empty: none
	notice     int64  // when its fall is to be told next; 0: it is not
}

// metricStanding is what a tier metric is made of.
type metricStanding struct {
	kind    metricKind
	total   int64            // over the lifetime, or of the instants in rolling
	rolling series[amountAt] // with a rolling span
	fresh   amountAt         // counted and not in rolling yet; of no amount once a pass has ended
	year    int32            // with calendar years: the year of current
	current int64
	before  int64 // the sum of the year before
}

// ruleUse is what a rule remembers of a member.
type ruleUse struct {
	id       string
	counters []counter
	orders   series[amountAt] // each orders: qualifying orders not yet used
	spend    series[amountAt] // each spend with within: what is not yet used of amounts
	total    int64            // each spend without within: the unused sum
	day      int32            // each streak: the last local day that counted
	run      int32            // each streak: days in a row up to it, since the last grant
}

func (s *standing) clone() *standing {
	c := *s
	c.held = s.held.clone()
	c.metrics = slices.Clone(s.metrics)
	for i := range c.metrics {
		s.metrics[i].rolling.freeze()
		c.metrics[i].rolling = s.metrics[i].rolling.clone()
	}
	c.limits = append([]counter(nil), s.limits...)
	c.rules = make([]ruleUse, len(s.rules))
	for i := range s.rules {
		u := s.rules[i]
		u.counters = append([]counter(nil), u.counters...)
		u.orders, u.spend = u.orders.clone(), u.spend.clone()
		c.rules[i] = u
	}
	c.lots = s.lots.clone()
	c.expiring = s.expiring.clone()
	return &c
}

// adopt takes over the rows in which the series of head are stored, for a standing that becomes the head in its place.
func (s *standing) adopt(head *standing) {
	s.held.adopt(&head.held)
	for i := range head.metrics {
		s.metricOf(head.metrics[i].kind) // its pages are to be deleted even where nothing goes by it
	}
	for i := range s.metrics {
		s.metrics[i].rolling.adopt(&head.metricOf(s.metrics[i].kind).rolling)
	}
	for i := range head.rules {
		if old := &head.rules[i]; old.orders.hasPages() || old.spend.hasPages() {
			s.use(old.id) // its pages are to be deleted even where it has nothing left to remember
		}
	}
	for i := range s.rules {
		u := &s.rules[i]
		old := &ruleUse{}
		if j, found := findUse(head.rules, u.id); found {
			old = &head.rules[j]
		}
		u.orders.adopt(&old.orders)
		u.spend.adopt(&old.spend)
	}
	s.lots.adopt(head.lots)
	s.expiring.adopt(&head.expiring)
}

// use finds or makes what a rule remembers. The pointer holds until the next call.
func (s *standing) use(id string) *ruleUse {
	i, found := findUse(s.rules, id)
	if !found {
		s.rules = append(s.rules, ruleUse{})
		copy(s.rules[i+1:], s.rules[i:])
		s.rules[i] = ruleUse{id: id}
	}
	return &s.rules[i]
}

// findUse finds what a rule remembers in an ascending list, or where it would stand.
func findUse(uses []ruleUse, id string) (int, bool) {
	low, high := 0, len(uses)
	for low < high {
		if middle := (low + high) / 2; uses[middle].id < id {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(uses) && uses[low].id == id
}

// next is the next instant at which something falls due.
func (s *standing) next() (int64, bool) {
	var at int64
	set := false
	for _, due := range [...]int64{s.tier.fallsDue(), s.firstRelease(), s.lots.due(), s.profile.coming.joined, s.profile.coming.birthday, s.tier.notice, s.firstExpiring()} {
		if due != 0 && (!set || due < at) {
			at, set = due, true
		}
	}
	return at, set
}

// releasable fails where a release of all that is held would pass 64 bits: the event that holds it can be refused, a release
// cannot.
func (s *standing) releasable() error {
	if _, err := addInt(s.points, s.pending); err != nil {
		return err
	}
	for i := range s.metrics {
		if m := &s.metrics[i]; m.kind.by() == programme.ByPoints {
			if _, err := addInt(m.total, s.heldTier); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *standing) firstRelease() int64 {
	if s.held.len() == 0 || s.held.items[0].due == noDue {
		return 0
	}
	return s.held.items[0].due
}

func (s *standing) save(w *writer, owner string, rows *rowWriter) {
	w.varint(s.last.at)
	w.byte(byte(s.last.kind))
	w.string(s.last.event)
	w.varint(s.due)
	w.varint(s.points)
	w.varint(s.pending)
	w.varint(s.orders)
	w.varint(int64(s.spend))
	w.varint(int64(s.checkInDay))
	w.varint(int64(s.checkInStreak))
	w.string(s.tier.id)
	w.varint(s.tier.validUntil)
	w.varint(s.tier.graceUntil)
	w.varint(s.tier.since)
	w.varint(s.tier.value)
	w.string(s.tier.floor)
	w.varint(s.tier.notice)
	s.fraud.save(w)
	w.uvarint(uint64(len(s.metrics)))
	for i := range s.metrics {
		s.metrics[i].save(w, owner, rows)
	}
	s.held.save(w, owner+"d", rows)
	putCounters(w, s.limits)
	w.uvarint(uint64(len(s.rules)))
	for i := range s.rules {
		u := &s.rules[i]
		w.string(u.id)
		putCounters(w, u.counters)
		u.orders.save(w, owner+"o"+u.id, rows)
		u.spend.save(w, owner+"s"+u.id, rows)
		w.varint(u.total)
		w.varint(int64(u.day))
		w.varint(int64(u.run))
	}
	s.profile.save(w, owner == baseOwner)
}

func loadStanding(r *reader, owner string, rows Rows) *standing {
	s := &standing{
		last: factKey{at: r.varint(), kind: factKind(r.byte()), event: r.string()}, due: r.varint(),
		points: r.varint(), pending: r.varint(), orders: r.varint(), spend: programme.Money(r.varint()),
		checkInDay: int32(r.varint()), checkInStreak: int32(r.varint()),
		tier:  tierStanding{id: r.string(), validUntil: r.varint(), graceUntil: r.varint(), since: r.varint(), value: r.varint(), floor: r.string(), notice: r.varint()},
		fraud: loadFraud(r),
	}
	if n := r.count(); n > 0 {
		s.metrics = make([]metricStanding, n)
	}
	for i := range s.metrics {
		s.metrics[i].load(r, owner, rows)
	}
	s.held = loadSeries(r, owner+"d", rows, getHeldAt)
	for i := range s.held.items {
		s.heldTier += s.held.items[i].tier // checked when it was held
	}
	s.limits = getCounters(r)
	if n := r.count(); n > 0 {
		s.rules = make([]ruleUse, n)
	}
	for i := range s.rules {
		u := &s.rules[i]
		u.id = r.string()
		u.counters = getCounters(r)
		u.orders = loadSeries(r, owner+"o"+u.id, rows, getAmountAt)
		u.spend = loadSeries(r, owner+"s"+u.id, rows, getAmountAt)
		u.total, u.day, u.run = r.varint(), int32(r.varint()), int32(r.varint())
	}
	s.profile = loadProfileStanding(r)
	return s
}

// What a stored standing has behind everything else, by the tag before it: rows of members who have none of it end before.
const (
	tagInvited  = 1
	tagWaits    = 2 // of a head: the facts that wait for answers
	tagChecked  = 3 // what was said to the invitation
	tagExpiring = 4
	tagCounted  = 5
	tagLots     = 'g'
)

func (s *standing) saveMore(w *writer, owner string, rows *rowWriter) {
	if s.invited != nil {
		w.byte(tagInvited)
		w.string(s.invited.event)
		w.string(s.invited.referrer)
		w.string(s.invited.code)
		s.invited.saveChecked(w)
	}
	if s.expiring.len() > 0 || s.expiring.hasPages() {
		w.byte(tagExpiring)
		s.expiring.save(w, owner+"n", rows)
	} else {
		s.expiring = series[expiringAt]{} // as it is read again: its numbers begin anew
	}
	if s.counted != 0 {
		w.byte(tagCounted)
		w.uint64(s.counted)
	}
	if s.lots != nil {
		w.byte(tagLots)
		s.lots.save(w, owner, rows)
	}
}

// loadMore reads that, and of a head which facts wait.
func (s *standing) loadMore(r *reader, owner string, rows Rows) (waits []waiting) {
	for len(r.rest) > 0 && r.err == nil {
		switch tag := r.byte(); tag {
		case tagInvited:
			s.invited = &invitation{event: r.string(), referrer: r.string(), code: r.string()}
		case tagExpiring:
			s.expiring = loadSeries(r, owner+"n", rows, getExpiringAt)
		case tagWaits:
			waits = loadWaits(r)
		case tagChecked:
			s.loadChecked(r)
		case tagCounted:
			s.counted = r.uint64()
		case tagLots:
			s.lots = loadLots(r, owner, rows)
		default:
			r.fail(fmt.Sprintf("part %d of a standing", tag))
		}
	}
	return waits
}
