package rules

import (
	"cmp"
	"fmt"
	"slices"

	"accrue/schemas"
)

// semantics numbers the meaning of this package's decisions. A fact keeps the number with which it was first decided.
const semantics = 1

// factKind is the second part of the order of facts. The numbers are stored.
type factKind byte

const (
	profileFact    factKind = 5
	orderFact      factKind = 10
	checkInFact    factKind = 20
	referralFact   factKind = 30
	commandFact    factKind = 40
	redemptionFact factKind = 50
	awardFact      factKind = 60 // what another account has asked for, see award.go

	// What time makes of a member has no place among the facts: it comes before them, see person.go.
	joinedFact   factKind = 100
	birthdayFact factKind = 101
)

// factKey is the place of a fact: facts are ordered by (occurred_at, kind, event_id).
type factKey struct {
	at    int64 // ms since 1970 UTC
	kind  factKind
	event string
}

func (k factKey) compare(o factKey) int {
	if c := cmp.Compare(k.at, o.at); c != 0 {
		return c
	}
	if c := cmp.Compare(k.kind, o.kind); c != 0 {
		return c
	}
	return cmp.Compare(k.event, o.event)
}

// fact is an accepted event together with the grants that were written for it. The event never changes; the grants do.
type fact struct {
	key        factKey
	semantics  uint64
	topic      string
	partition  int32
	offset     int64
	order      *orderEvent      // with orderFact
	checkIn    *checkInEvent    // with checkInFact
	device     string           // that it was done with; empty: not known
	profile    *profileEvent    // with profileFact
	command    *commandEvent    // with commandFact
	referral   *referralEvent   // with referralFact
	redemption *redemptionEvent // with redemptionFact
	award      *award           // with awardFact
	due        int64            // with joinedFact and birthdayFact: when it happened; below 0: when it would have, see undo
	kept       bool             // it stands beside the facts of the window, see kept.go
	past       bool             // an award whose place is folded away, see past_award.go
	grants     []grant          // as written, in the order in which they were first written
	asked      *askedList       // of other accounts, as it was asked last; nil: nothing was
	rulings    []ruling         // what thresholds said to it when it first arrived
	questions  *questions       // that it asks elsewhere; nil: none
	draws      []allotment      // what its grants have taken out of budgets
	keeps      []keep           // of a refund: what it was not allowed to take
	met        []string         // thresholds that count the events that meet a condition, this one among them

	memo    *memo    // answers about the fact on its own; nil: none are kept
	want    []wanted // what the run in progress wants the grants to be
	decided bool     // the run in progress has decided it (want is whole), or touched it
	changed bool     // it is among Account.changed, to be written
	unruled bool     // it has just arrived, and the thresholds have not been asked about it
	seeded  bool     // seed is made
	seed    uint64   // of the lots drawn for it
}

// orderEvent is what decisions need of an Order.
type orderEvent struct {
	id         string
	status     schemas.OrderStatus
	currency   string
	channel    string
	store      string
	coupons    []string
	lines      []schemas.Line
	refunded   []schemas.RefundedLine
	attributes []attribute // ascending by name

	siblings *siblings // all facts in memory that are of the order; nil: they are not entered
}

type attribute struct{ name, value string }

// checkInEvent is what decisions need of a CheckIn.
type checkInEvent struct {
	activity   string
	channel    string
	store      string
	attributes []attribute
}

// grant is what was written for one grant: the sums of its entries, and how many there were.
type grant struct {
	rule      string
	part      int32
	available int64
	pending   int64
	tier      int64
	revision  int32 // number of entries written
	due       int64 // when its points are released; 0: they are not held, or no more
	booked    int64 // when it was granted: the fact's time, or that of a release that raised the tier
	at        int64 // from when on its points can be spent
	expires   int64 // from when on they are gone; 0: never
	expired   int64 // how many of its points have expired; they are no part of available
}

// at is when the fact happened, in the order of facts.
func (f *fact) at() int64 {
	switch {
	case f.due > 0:
		return f.due
	case f.due < 0:
		return -f.due
	}
	return f.key.at
}

// byTime says that time made the fact, not an event.
func (f *fact) byTime() bool { return f.key.kind == joinedFact || f.key.kind == birthdayFact }

// occurredAt is when the event says that it happened.
func (f *fact) occurredAt() int64 {
	if f.profile != nil {
		return f.profile.at
	}
	return f.key.at
}

// dueBefore is the instant up to which what falls due comes before the fact: a profile holds from its instant on, so what
// falls due at that instant is decided with it.
func (f *fact) dueBefore() int64 {
	if f.profile != nil {
		return f.key.at - 1
	}
	return f.key.at
}

// wanted is what a grant should be.
type wanted struct {
	rule      string
	part      int32
	available int64
	pending   int64
	tier      int64
	due       int64
	booked    int64
	at        int64
	expires   int64
	expired   int64
	answered  *answer // what became of it, if it was held; nil: nothing yet, or that was written before
	told      string  // why an award gives nothing, with the numbers; empty: it gives something, or there is nothing to tell
}

// untouched says that nothing was ever written for the grant, but perhaps why it gives nothing.
func (g *grant) untouched() bool {
	return g.revision == 0 || g.revision == 1 && g.due == 0 && g.expired == 0 && g.available == 0 && g.pending == 0 && g.tier == 0
}

func attributesOf(m map[string]string) []attribute {
	if len(m) == 0 {
		return nil
	}
	list := make([]attribute, 0, len(m))
	for name, value := range m {
		list = append(list, attribute{name, value})
	}
	slices.SortFunc(list, func(a, b attribute) int { return cmp.Compare(a.name, b.name) })
	return list
}

func attributeMap(list []attribute) map[string]string {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]string, len(list))
	for _, a := range list {
		m[a.name] = a.value
	}
	return m
}

// grantOf finds what was written for a grant.
func (f *fact) grantOf(rule string, part int32) *grant {
	for i := range f.grants {
		if f.grants[i].rule == rule && f.grants[i].part == part {
			return &f.grants[i]
		}
	}
	return nil
}

// pending says whether anything of the fact is still open: a grant that waits for its release, or an answer.
func (f *fact) pending() bool {
	return f.waits() || f.draws != nil && slices.ContainsFunc(f.draws, func(d allotment) bool { return d.waits() }) || slices.ContainsFunc(f.grants, func(g grant) bool { return g.due != 0 })
}

// open says whether the fact cannot be folded away yet. What only an operator can answer does not keep it: what entries need of it
// is kept beside the window (kept.go), or with the awards of before (past_award.go).
func (f *fact) open() bool {
	if !f.pending() {
		return false
	}
	return f.waits() || slices.ContainsFunc(f.draws, func(d allotment) bool { return d.waits() }) ||
		slices.ContainsFunc(f.grants, func(g grant) bool { return g.due != 0 && g.due != noDue })
}

func (f *fact) encode(w *writer) {
	w.byte(formatVersion)
	if f.seeded {
		w.uvarint(f.semantics<<1 | 1)
		w.uint64(f.seed)
	} else {
		w.uvarint(f.semantics << 1)
	}
	if f.topic == defaultTopic(f.key.kind) {
		w.string("")
	} else {
		w.string(f.topic)
	}
	w.varint(int64(f.partition))
	w.varint(f.offset)
	f.encodeGuarded(w)
	switch f.key.kind {
	case orderFact:
		f.order.encode(w)
	case checkInFact:
		w.string(f.checkIn.activity)
		w.string(f.checkIn.channel)
		w.string(f.checkIn.store)
		encodeAttributes(w, f.checkIn.attributes)
	case profileFact:
		f.profile.encode(w)
	case commandFact:
		f.command.encode(w)
	case redemptionFact:
		f.redemption.encode(w)
	case referralFact:
		w.string(f.referral.referrer)
		w.string(f.referral.code)
	case awardFact:
		f.award.encode(w)
	case joinedFact, birthdayFact:
		w.varint(f.due)
	}
	w.uvarint(uint64(len(f.grants)))
	for i := range f.grants {
		f.grants[i].encode(w, f.key.at)
	}
}

// encode writes a grant of a fact at an instant. Most are granted at that instant and can be spent at once, or when they are
// released; of the others a flag beside the part tells. A revision below 0 is the complement of one where what has expired follows.
func (g *grant) encode(w *writer, at int64) {
	w.string(g.rule)
	plain := g.booked == at && g.at == max(at, g.due) && g.expires == 0
	if plain {
		w.varint(int64(g.part) << 1)
	} else {
		w.varint(int64(g.part)<<1 | 1)
	}
	w.varint(g.available)
	w.varint(g.pending)
	w.varint(g.tier)
	if g.expired == 0 {
		w.varint(int64(g.revision))
	} else {
		w.varint(int64(^g.revision))
	}
	w.varint(g.due)
	if !plain {
		w.varint(g.booked - at)
		w.varint(g.at - at)
		w.varint(g.expires)
	}
	if g.expired != 0 {
		w.varint(g.expired)
	}
}

func decodeGrant(r *reader, at int64) grant {
	g := grant{rule: r.string()}
	part := r.varint()
	g.part, g.available, g.pending, g.tier = int32(part>>1), r.varint(), r.varint(), r.varint()
	g.revision, g.due = int32(r.varint()), r.varint()
	g.booked, g.at = at, max(at, g.due)
	if part&1 != 0 {
		g.booked, g.at, g.expires = at+r.varint(), at+r.varint(), r.varint()
	}
	if g.revision < 0 {
		g.revision, g.expired = ^g.revision, r.varint()
	}
	return g
}

// decodeFact copies what it needs of the row, in one piece.
func decodeFact(key factKey, row []byte) (*fact, error) {
	r := &reader{rest: row, text: string(row)}
	r.version()
	f := &fact{key: key, semantics: r.uvarint()}
	if f.seeded = f.semantics&1 != 0; f.seeded {
		f.seed = r.uint64()
	}
	f.semantics >>= 1
	f.topic, f.partition, f.offset = r.string(), int32(r.varint()), r.varint()
	if f.topic == "" {
		f.topic = defaultTopic(key.kind)
	}
	f.decodeGuarded(r)
	switch key.kind {
	case orderFact:
		f.order = decodeOrder(r)
	case checkInFact:
		f.checkIn = &checkInEvent{activity: r.string(), channel: r.string(), store: r.string(), attributes: decodeAttributes(r)}
	case profileFact:
		f.profile = decodeProfile(r)
	case commandFact:
		f.command = decodeCommand(r)
	case redemptionFact:
		f.redemption = decodeRedemption(r)
	case referralFact:
		f.referral = &referralEvent{referrer: r.string(), code: r.string()}
	case awardFact:
		f.award = decodeAward(r)
	case joinedFact, birthdayFact:
		f.due = r.varint()
	default:
		return nil, fmt.Errorf("decode fact: kind %d is not known to this version", key.kind)
	}
	if n := r.count(); n > 0 {
		f.grants = make([]grant, n)
	}
	for i := range f.grants {
		f.grants[i] = decodeGrant(r, key.at)
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("decode fact of event %q: %w", key.event, err)
	}
	return f, nil
}

func defaultTopic(kind factKind) string {
	switch kind {
	case checkInFact:
		return schemas.TopicCheckIns
	case profileFact, joinedFact, birthdayFact:
		return schemas.TopicProfiles
	case redemptionFact:
		return schemas.TopicRedemptions
	case commandFact:
		return schemas.TopicCommands
	case referralFact, awardFact:
		return schemas.TopicReferrals
	case orderFact:
	}
	return schemas.TopicOrders
}

// statuses are the stored numbers of the order statuses.
//
//nolint:gochecknoglobals // never changed
var statuses = [...]schemas.OrderStatus{schemas.Placed, schemas.Paid, schemas.Completed, schemas.Cancelled, schemas.Refunded}

func (o *orderEvent) encode(w *writer) {
	w.string(o.id)
	w.byte(byte(slices.Index(statuses[:], o.status)))
	w.string(o.currency)
	w.string(o.channel)
	w.string(o.store)
	w.strings(o.coupons)
	w.uvarint(uint64(len(o.lines)))
	for i := range o.lines {
		l := &o.lines[i]
		w.string(l.LineID)
		w.string(l.SKU)
		w.string(l.Category)
		w.string(l.Brand)
		w.varint(l.Quantity)
		w.varint(l.Amount)
		w.strings(l.Tags)
	}
	w.uvarint(uint64(len(o.refunded)))
	for _, l := range o.refunded {
		w.string(l.LineID)
		w.varint(l.Quantity)
		w.varint(l.Amount)
	}
	encodeAttributes(w, o.attributes)
}

func decodeOrder(r *reader) *orderEvent {
	o := &orderEvent{id: r.string()}
	if status := int(r.byte()); status < len(statuses) {
		o.status = statuses[status]
	} else {
		r.fail("order status")
	}
	o.currency, o.channel, o.store, o.coupons = r.string(), r.string(), r.string(), r.strings()
	if n := r.count(); n > 0 {
		o.lines = make([]schemas.Line, n)
	}
	for i := range o.lines {
		o.lines[i] = schemas.Line{
			LineID: r.string(), SKU: r.string(), Category: r.string(), Brand: r.string(),
			Quantity: r.varint(), Amount: r.varint(), Tags: r.strings(),
		}
	}
	if n := r.count(); n > 0 {
		o.refunded = make([]schemas.RefundedLine, n)
	}
	for i := range o.refunded {
		o.refunded[i] = schemas.RefundedLine{LineID: r.string(), Quantity: r.varint(), Amount: r.varint()}
	}
	o.attributes = decodeAttributes(r)
	return o
}

func encodeAttributes(w *writer, list []attribute) {
	w.uvarint(uint64(len(list)))
	for _, a := range list {
		w.string(a.name)
		w.string(a.value)
	}
}

func decodeAttributes(r *reader) []attribute {
	n := r.count()
	if n == 0 {
		return nil
	}
	list := make([]attribute, n)
	for i := range list {
		list[i] = attribute{r.string(), r.string()}
	}
	return list
}
