package rules

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accrue/rules/programme"
	"accrue/schemas"
)

// memoryRows are the rows of one member in memory.
type memoryRows map[string][]byte

func (m memoryRows) Get(key []byte) ([]byte, error) { return m[string(key)], nil }

func (m memoryRows) Scan(prefix []byte, yield func(key, value []byte) bool) error {
	return m.ScanFrom(prefix, prefix, yield)
}

func (m memoryRows) ScanFrom(prefix, from []byte, yield func(key, value []byte) bool) error {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key >= string(from) && strings.HasPrefix(key, string(prefix)) && !yield([]byte(key), m[key]) {
			return nil
		}
	}
	return nil
}

func (m memoryRows) put(key, value []byte) {
	if value == nil {
		delete(m, string(key))
		return
	}
	m[string(key)] = slices.Clone(value)
}

func texts() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom([]string{"", "a", "订单-7", "a\x00b", strings.Repeat("x", 300)}), rapid.String())
}

func drawKey(t *rapid.T) factKey {
	return factKey{
		at: drawInt(t, -1<<62, "at") / 2, kind: rapid.SampledFrom([]factKind{profileFact, orderFact, checkInFact, referralFact, commandFact, redemptionFact, awardFact, joinedFact, birthdayFact}).Draw(t, "kind"), event: texts().Draw(t, "event"),
	}
}

func drawAttributes(t *rapid.T) []attribute {
	return attributesOf(rapid.MapOfN(texts(), texts(), 0, 3).Draw(t, "attributes"))
}

func drawFact(t *rapid.T) *fact {
	f := &fact{
		key: drawKey(t), semantics: rapid.Uint64Range(0, 1<<60).Draw(t, "semantics"), topic: rapid.SampledFrom([]string{"", "shop.orders"}).Draw(t, "topic"),
		partition: rapid.Int32().Draw(t, "partition"), offset: rapid.Int64().Draw(t, "offset"),
	}
	if f.topic == "" {
		f.topic = defaultTopic(f.key.kind)
	}
	switch f.key.kind {
	case profileFact:
		f.profile = drawProfileEvent(t)
	case commandFact:
		f.command = &commandEvent{
			commandKind(rapid.IntRange(1, len(commandWords)).Draw(t, "command")), texts().Draw(t, "operator"), texts().Draw(t, "reason"), drawInt(t, -5, "points"),
			texts().Draw(t, "grant"), texts().Draw(t, "tier"), drawInt(t, 0, "until"),
		}
	case redemptionFact:
		f.redemption = &redemptionEvent{rapid.Bool().Draw(t, "returned"), drawInt(t, -5, "points"), texts().Draw(t, "redemption")}
	case referralFact:
		f.referral = &referralEvent{texts().Draw(t, "referrer"), texts().Draw(t, "code")}
	case awardFact:
		f.award = drawAward(t)
	case joinedFact, birthdayFact:
		f.due = drawInt(t, -1e13, "due")
	case checkInFact:
		f.checkIn = &checkInEvent{texts().Draw(t, "activity"), texts().Draw(t, "channel"), texts().Draw(t, "store"), drawAttributes(t)}
	default:
		f.order = drawOrderEvent(t)
	}
	if rapid.Bool().Draw(t, "guarded") {
		f.device = texts().Draw(t, "device")
		for range rapid.IntRange(0, 2).Draw(t, "rulings") {
			f.rulings = append(f.rulings, ruling{
				threshold: texts().Draw(t, "threshold"), action: programme.Action(rapid.IntRange(1, 4).Draw(t, "action")),
				until: drawInt(t, 0, "until"), measured: texts().Draw(t, "measured"),
			})
		}
		for range rapid.IntRange(0, 2).Draw(t, "keeps") {
			f.keeps = append(f.keeps, keep{texts().Draw(t, "kept order"), drawKey(t), texts().Draw(t, "kept rule"), 3, drawInt(t, 0, "kept"), 0, 5, drawInt(t, 0, "expires")})
		}
		if list := rapid.SliceOfN(texts(), 0, 2).Draw(t, "met"); len(list) > 0 {
			f.met = list
		}
		if rapid.Bool().Draw(t, "asked") {
			f.asked = &askedList{}
		}
		for n := rapid.IntRange(1, 2).Draw(t, "requests"); f.asked != nil && n > 0; n-- {
			*f.asked = append(*f.asked, asked{
				rule: texts().Draw(t, "rule"), to: texts().Draw(t, "asked of"), points: drawInt(t, 0, "points"), revision: drawInt(t, 1, "revision"),
				heldBy: texts().Draw(t, "held by"),
			})
		}
		for range rapid.IntRange(0, 2).Draw(t, "questions") {
			f.ask(question{
				threshold: texts().Draw(t, "asking"), to: texts().Draw(t, "key"), revision: drawInt(t, 1, "revision"), due: drawInt(t, 0, "due"),
				adds: share{drawInt(t, 0, "events"), drawInt(t, 0, "sum"), drawInt(t, 0, "refunds")}, yes: rapid.Bool().Draw(t, "yes"),
			})
			f.questions.ip = texts().Draw(t, "ip")
		}
	}
	if f.seeded = rapid.Bool().Draw(t, "seeded"); f.seeded {
		f.seed = rapid.Uint64().Draw(t, "seed")
	}
	for range rapid.IntRange(0, 3).Draw(t, "grants") {
		f.grants = append(f.grants, grant{
			rule: texts().Draw(t, "rule"), part: rapid.Int32().Draw(t, "part"), available: drawInt(t, -1e18, "available"), pending: drawInt(t, -1e18, "pending"),
			tier: drawInt(t, -1e18, "tier"), revision: rapid.Int32Range(0, 1<<30).Draw(t, "revision"), due: drawInt(t, 0, "due"),
			booked: f.key.at, at: f.key.at + rapid.Int64Range(0, 1e12).Draw(t, "available after"), expires: drawInt(t, 0, "expires"),
			expired: drawInt(t, 0, "expired"),
		})
	}
	return f
}

func drawAward(t *rapid.T) *award {
	a := &award{
		rule: texts().Draw(t, "rule"), from: texts().Draw(t, "from"), source: texts().Draw(t, "source"), order: texts().Draw(t, "order"),
		points: drawInt(t, 0, "points"), revision: drawInt(t, 1, "revision"), heldBy: texts().Draw(t, "held by"), heldWhy: texts().Draw(t, "held why"),
		cause: texts().Draw(t, "cause"), causedAt: drawInt(t, 0, "caused at"), reason: texts().Draw(t, "reason"),
	}
	if rapid.Bool().Draw(t, "corrects") {
		a.corrects = &correction{
			of: factKey{drawInt(t, 0, "of"), awardFact, texts().Draw(t, "of event")}, available: drawInt(t, -9, "available"), tier: drawInt(t, -9, "tier"),
			points: drawInt(t, 0, "points then"), tierOf: drawInt(t, 0, "tier then"), expires: drawInt(t, 0, "expires"),
		}
	}
	return a
}

func drawProfileEvent(t *rapid.T) *profileEvent {
	p := &profileEvent{
		at: drawInt(t, 0, "at"), ends: rapid.Bool().Draw(t, "ends"), joinedAt: drawInt(t, 0, "joined"), birthday: birthday(rapid.Int32().Draw(t, "birthday")),
		zone: pick(t, "zone", "", "Europe/Berlin"), attributes: drawAttributes(t),
	}
	if segments := rapid.SliceOfN(texts(), 0, 3).Draw(t, "segments"); len(segments) > 0 {
		p.segments = segments
	}
	return p
}

func pick[T any](t *rapid.T, label string, options ...T) T {
	return rapid.SampledFrom(options).Draw(t, label)
}

// drawProfileStanding draws what a standing has of a profile, as a base has it.
func drawProfileStanding(t *rapid.T) profileStanding {
	var s profileStanding
	if rapid.Bool().Draw(t, "profile") {
		s.place = factKey{drawInt(t, 0, "place"), profileFact, "p" + texts().Draw(t, "profile's event")}
		s.at, s.ended, s.named = drawInt(t, 0, "at"), rapid.Bool().Draw(t, "ended"), pick(t, "zone", "", "Europe/Berlin")
		s.zone = zoneNamed(s.named)
	}
	s.coming = coming{joined: drawInt(t, 0, "joins"), last: rapid.Int32Range(0, 9999).Draw(t, "last"), welcomed: rapid.Bool().Draw(t, "welcomed")}
	if s.coming.birthday = drawInt(t, 0, "next birthday"); s.coming.birthday != 0 {
		s.coming.year = rapid.Int32Range(0, 9999).Draw(t, "year")
	}
	return s
}

func drawOrderEvent(t *rapid.T) *orderEvent {
	list := func(label string) []string {
		if l := rapid.SliceOfN(texts(), 0, 3).Draw(t, label); len(l) > 0 {
			return l
		}
		return nil
	}
	o := &orderEvent{
		id: texts().Draw(t, "order"), status: rapid.SampledFrom(statuses[:]).Draw(t, "status"), currency: "CNY", channel: texts().Draw(t, "channel"),
		store: texts().Draw(t, "store"), coupons: list("coupons"), attributes: drawAttributes(t),
	}
	for range rapid.IntRange(0, 3).Draw(t, "lines") {
		o.lines = append(o.lines, schemas.Line{
			LineID: texts().Draw(t, "line"), SKU: texts().Draw(t, "sku"), Category: texts().Draw(t, "category"), Brand: texts().Draw(t, "brand"),
			Quantity: drawInt(t, -5, "quantity"), Amount: drawInt(t, -5, "amount"), Tags: list("tags"),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "refunded") {
		o.refunded = append(o.refunded, schemas.RefundedLine{LineID: texts().Draw(t, "line"), Quantity: drawInt(t, -5, "quantity"), Amount: drawInt(t, -5, "amount")})
	}
	return o
}

func encoded(f *fact) []byte {
	w := &writer{}
	f.encode(w)
	return w.bytes
}

// A fact that is decoded is what was encoded, and its key sorts among rows as facts do.
func TestFactsSurviveTheirRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFact(t)
		key, err := factKeyOf(f.key.row())
		if err != nil || key != f.key {
			t.Fatalf("the key %+v was read as %+v (%v)", f.key, key, err)
		}
		row := encoded(f)
		got, err := decodeFact(key, row)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, f) {
			t.Fatalf("the fact\n%+v\nwas read as\n%+v", f, got)
		}
		for n := range len(row) {
			if _, err := decodeFact(key, row[:n]); err == nil {
				t.Fatalf("of %d bytes the first %d were enough", len(row), n)
			}
		}
		other := drawKey(t)
		if bytes.Compare(f.key.row(), other.row()) != f.key.compare(other) {
			t.Fatalf("rows sort %+v and %+v otherwise than facts", f.key, other)
		}
	})
}

// drawSeries draws one with elements taken from the front, so that its pages do not begin with it.
func drawSeries[T element](t *rapid.T, draw func(*rapid.T) T) series[T] {
	var s series[T]
	for range rapid.SampledFrom([]int{0, 1, 63, 64, 65, 200, 330}).Draw(t, "length") {
		s.add(draw(t))
	}
	if s.len() > 0 {
		s.takeFront(rapid.IntRange(0, s.len()).Draw(t, "taken"))
	}
	return s
}

func drawAmountAt(t *rapid.T) amountAt {
	return amountAt{rapid.Int64Range(0, 1e13).Draw(t, "instant"), rapid.Int64().Draw(t, "amount")}
}

func drawStanding(t *rapid.T) *standing {
	s := &standing{
		last: drawKey(t), due: drawInt(t, 0, "due"), points: rapid.Int64().Draw(t, "points"), pending: rapid.Int64().Draw(t, "pending"),
		counted: rapid.Uint64().Draw(t, "counted"), orders: rapid.Int64().Draw(t, "orders"), spend: programme.Money(rapid.Int64().Draw(t, "spend")), checkInDay: rapid.Int32().Draw(t, "day"),
		checkInStreak: rapid.Int32().Draw(t, "streak"),
		tier:          tierStanding{texts().Draw(t, "tier"), drawInt(t, 0, "until"), drawInt(t, 0, "grace"), drawInt(t, 0, "since"), 9, texts().Draw(t, "floor"), drawInt(t, 0, "notice")},
		metrics: []metricStanding{
			{kind: 5, total: rapid.Int64().Draw(t, "total"), year: rapid.Int32().Draw(t, "year"), current: 7, before: -7}, {kind: 9, total: 3},
		},
	}
	s.metrics[0].rolling, s.metrics[1].rolling = drawSeries(t, drawAmountAt), drawSeries(t, drawAmountAt)
	if rapid.Bool().Draw(t, "frozen") {
		s.metrics[1].rolling.freeze()
	}
	s.held = drawSeries(t, func(t *rapid.T) heldAt {
		at := rapid.Int64Range(0, 1e13).Draw(t, "at")
		return heldAt{
			due: rapid.Int64Range(0, 1e13).Draw(t, "due"), fact: factKey{at, orderFact, "e"}, rule: "spend", part: 1, available: 5, tier: 6,
			status: rapid.Uint64().Draw(t, "status"), rejects: rapid.Bool().Draw(t, "rejects"),
			booked: at + rapid.Int64Range(0, 5).Draw(t, "booked"), level: rapid.Int32Range(0, 3).Draw(t, "level"),
		}
	})
	for i := range rapid.IntRange(0, 3).Draw(t, "limits") {
		s.limits = append(s.limits, counter{programme.Period(i), rapid.Int32().Draw(t, "number"), 4, rapid.Int64().Draw(t, "points")})
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "rules") {
		u := s.use("rule-" + strconv.Itoa(i))
		u.counters = append([]counter(nil), s.limits...)
		u.orders, u.spend = drawSeries(t, drawAmountAt), drawSeries(t, drawAmountAt)
		u.total, u.day, u.run = rapid.Int64().Draw(t, "unused"), rapid.Int32().Draw(t, "last day"), 3
	}
	s.profile = drawProfileStanding(t)
	if rapid.Bool().Draw(t, "invited") {
		s.invited = &invitation{event: texts().Draw(t, "invitation"), referrer: texts().Draw(t, "referrer"), code: texts().Draw(t, "code")}
		if rapid.Bool().Draw(t, "checked") {
			s.invited.sameDevice, s.invited.waits = rapid.Bool().Draw(t, "same device"), rapid.Bool().Draw(t, "waits")
			s.invited.denied = texts().Draw(t, "denied")
		}
		if rapid.Bool().Draw(t, "held") {
			s.invited.heldBy, s.invited.heldWhy = "f"+texts().Draw(t, "threshold"), texts().Draw(t, "measured")
		}
	}
	return s
}

// flat is a standing without how its lists are stored.
func flat(s *standing) *standing {
	c := s.clone()
	c.held = series[heldAt]{items: slices.Clone(s.held.items)}
	c.expiring = series[expiringAt]{items: slices.Clone(s.expiring.items)}
	for i := range c.metrics {
		c.metrics[i].rolling = series[amountAt]{items: s.metrics[i].rolling.all()}
	}
	for i := range c.rules {
		u := &c.rules[i]
		u.orders, u.spend = series[amountAt]{items: slices.Clone(u.orders.items)}, series[amountAt]{items: slices.Clone(u.spend.items)}
	}
	return c
}

// text shows a standing for comparison; nil and empty lists are the same.
func (s *standing) text() string {
	var b strings.Builder
	f := flat(s)
	write := func(v any) { b.WriteString(strings.ReplaceAll(toText(v), "[]", "")) }
	write(f.last)
	write([]any{f.due, f.points, f.pending, f.orders, f.spend, f.checkInDay, f.checkInStreak, f.tier})
	for i := range f.metrics {
		m := &f.metrics[i]
		write([]any{m.kind, m.total, m.year, m.current, m.before, m.rolling.all()})
	}
	write(f.held.items)
	write(f.expiring.items)
	write([]any{f.profile.place, f.profile.at, f.profile.ended, f.profile.named, f.profile.zone, f.profile.coming})
	if f.invited != nil {
		write(*f.invited)
	}
	write(f.limits)
	for i := range f.rules {
		u := &f.rules[i]
		write([]any{u.id, u.counters, u.orders.items, u.spend.items, u.total, u.day, u.run})
	}
	return b.String()
}

// A standing that is loaded is what was saved, over any number of pages, also when it is changed and saved again on top of
// its own rows, and no row is left behind that it does not need.
func TestStandingsSurviveTheirRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := memoryRows{}
		save := func(s *standing) *standing {
			w := &writer{}
			s.save(w, "h", &rowWriter{emit: rows.put})
			s.saveMore(w, "h", &rowWriter{emit: rows.put})
			r := &reader{rest: w.bytes}
			got := loadStanding(r, "h", rows)
			got.loadMore(r, "h", rows)
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
			if got.text() != s.text() {
				t.Fatalf("the standing\n%s\nwas read as\n%s", s.text(), got.text())
			}
			return got
		}
		s := save(drawStanding(t))
		for range 3 {
			changeSeries(t, &s.held, heldAt{due: rapid.Int64Range(0, 1e13).Draw(t, "new"), rule: "x"})
			changeSeries(t, &s.metrics[1].rolling, drawAmountAt(t))
			for i := range s.rules {
				changeSeries(t, &s.rules[i].orders, drawAmountAt(t))
			}
			if rapid.Bool().Draw(t, "decided again") {
				c := s.clone()
				c.adopt(s)
				s = c
			}
			s = save(s)
		}
		empty := &standing{}
		empty.adopt(s)
		save(empty)
		if len(rows) != 0 {
			t.Fatalf("rows are left of an empty standing: %q", slices.Sorted(maps.Keys(rows)))
		}
	})
}

func changeSeries[T element](t *rapid.T, s *series[T], v T) {
	if rapid.Bool().Draw(t, "add") {
		s.add(v)
	}
	if n := s.len(); n > 0 {
		switch rapid.IntRange(0, 3).Draw(t, "take") {
		case 1:
			s.takeFront(rapid.IntRange(0, n).Draw(t, "front"))
		case 2:
			s.removeAt(rapid.IntRange(0, n-1).Draw(t, "one"))
		}
	}
}

// The due time stands in the head row where the store finds it without knowing the rest.
func TestHeadTellsItsDueTime(t *testing.T) {
	ledger := testLedger(t)
	rows := memoryRows{}
	a := testAccount(t, ledger, rows, 3)
	due, ok := a.Due()
	got, found := HeadDue([]byte(headRow), rows[headRow])
	if !ok || !found || !got.Equal(due) {
		t.Errorf("the head says %s (%t), the account %s (%t)", got, found, due, ok)
	}
	for key, value := range rows {
		if _, found := HeadDue([]byte(key), value); found && key != headRow {
			t.Errorf("row %q tells a due time", key)
		}
	}
	if err := a.Advance(due, due, new(Outcome)); err != nil {
		t.Fatal(err)
	}
	a.Save(new(Buffer), rows.put)
	if next, ok := a.Due(); ok && !next.After(due) {
		t.Errorf("what fell due at %s is still due at %s", due, next)
	}
}

func testLedger(t testing.TB) *Ledger {
	t.Helper()
	p, problems := programme.Parse(map[string][]byte{"p.yaml": []byte(`programme: shop
currency: CNY
time_zone: Asia/Shanghai
return_window: 20 days
limits: [{points: 5000, per: month}]
tiers: {by: points, over: 1 month, levels: [{id: member, at: 0}, {id: gold, at: 10}]}
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}, hold: 3 days, limit: {points: 100, per: day}}
  - {id: pair, on: order, earn: {points: 3}, each: {orders: 2, within: 10 days}}
  - {id: much, on: order, earn: {points: 3}, each: {spend: 70.00, within: 10 days}}
  - {id: streak, on: check_in, earn: {points: 3}, each: {streak: 2}}
`)})
	if p == nil {
		t.Fatal(problems)
	}
	ledger, err := NewLedger(programme.Versions{{Programme: p}})
	if err != nil {
		t.Fatal(err)
	}
	return ledger
}

// testAccount is an account with n days of orders and check-ins, saved.
func testAccount(t testing.TB, ledger *Ledger, rows memoryRows, n int) *Account {
	t.Helper()
	a, err := ledger.Open("anna", rows)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).AddDate(0, 0, i)
		for _, e := range []Event{
			{Source: schemas.Source{Topic: schemas.TopicOrders}, Order: &schemas.Order{
				EventID: "e" + strconv.Itoa(i), OrderID: "o" + strconv.Itoa(i), MemberID: "anna", Status: schemas.Paid, OccurredAt: at, Currency: "CNY",
				Coupons: []string{"vip"}, Lines: []schemas.Line{{LineID: "1", Quantity: 2, Amount: 3000, Tags: []string{"new"}}}, Attributes: map[string]string{"a": "b"},
			}},
			{Source: schemas.Source{Topic: "shop.check-ins"}, CheckIn: &schemas.CheckIn{EventID: "c" + strconv.Itoa(i), MemberID: "anna", OccurredAt: at, Activity: "check-in"}},
		} {
			if err := a.Handle(e, new(Outcome)); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.Save(new(Buffer), rows.put)
	return a
}
