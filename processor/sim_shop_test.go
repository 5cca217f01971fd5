package processor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"accrue/rules"
	"accrue/schemas"
)

// simShop writes the inputs, and remembers them.
type simShop struct {
	w       *world
	random  *rand.Rand
	encoder *schemas.Encoder
	decoder *schemas.Decoder
	made    int
	waiting []simInput // made and not written yet
	orders  []*schemas.Order
	sent    map[schemas.Source]bool // every input; true: it must end among the dead letters
	sources []schemas.Source        // in the order in which they were written
	events  []rules.Event           // of those that decode and name a member
	erasing map[schemas.Source]bool // those that are to erase their member
}

// simInput is a record that waits to be written.
type simInput struct {
	topic, key string
	value      any    // nil: raw is the value
	raw        []byte // nil and no value: a tombstone
	buried     bool
}

func newSimShop(w *world) *simShop {
	return &simShop{
		w: w, random: rand.New(rand.NewPCG(w.seed, 3)), encoder: testEncoder(), decoder: schemas.NewDecoder(&testSchemas{}),
		sent: make(map[schemas.Source]bool), erasing: make(map[schemas.Source]bool),
	}
}

// done says that all is written.
func (s *simShop) done() bool { return s.made >= s.w.plan.events && len(s.waiting) == 0 }

// trade makes something up, or writes one record of what was made up before. Writing comes in another order than making.
func (s *simShop) trade() {
	if s.made < s.w.plan.events && (len(s.waiting) == 0 || s.random.IntN(2) == 0) {
		s.make()
	}
	if len(s.waiting) == 0 {
		return
	}
	i := 0
	if s.w.plan.shuffled {
		i = s.random.IntN(len(s.waiting))
	}
	in := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	s.write(in)
}

// id is one of its own. Like a member's it is found in no row by chance, nor within another one.
func (s *simShop) id(kind string) string {
	s.made++
	return fmt.Sprintf("event %s%d;", kind, s.made)
}

// member is one of those there are.
func (s *simShop) member() string { return fmt.Sprintf("member m%d;", s.random.IntN(s.w.plan.members)) }

// before is a time that is past by now, often just so.
func (s *simShop) before() time.Time {
	at := s.w.now
	if s.w.plan.shuffled && s.random.IntN(3) == 0 {
		at = at.Add(-time.Duration(s.random.IntN(72*60)) * time.Minute)
	}
	return at.Truncate(time.Millisecond)
}

// device is one of few that members share, or none.
func (s *simShop) device() string {
	if s.random.IntN(4) == 0 {
		return ""
	}
	return s.one("dm")
}

func (s *simShop) one(kind string) string { return fmt.Sprintf("%s%d", kind, s.random.IntN(3)) }

func (s *simShop) make() {
	member := s.member()
	kind := s.w.plan.mix[s.random.IntN(len(s.w.plan.mix))]
	switch kind {
	case "visit":
		s.later(schemas.TopicCheckIns, member, &schemas.CheckIn{
			EventID: s.id("c"), MemberID: member, OccurredAt: s.before(), Activity: "check-in", DeviceID: s.device(),
		})
	case "invitation": // sometimes of oneself, and of who has ordered already
		s.invite(s.member(), member)
	case "profile":
		if s.random.IntN(2) == 0 {
			s.id("t")
			s.waiting = append(s.waiting, simInput{topic: schemas.TopicProfiles, key: member})
			return
		}
		s.later(schemas.TopicProfiles, member, &schemas.Member{EventID: s.id("p"), MemberID: member, OccurredAt: s.before()})
	case "rubbish":
		s.id("x")
		s.waiting = append(s.waiting, simInput{topic: schemas.TopicOrders, key: member, raw: []byte("rubbish"), buried: true})
	case "nobody":
		in := simInput{topic: schemas.TopicCheckIns, key: member, buried: true}
		in.value = &schemas.CheckIn{EventID: s.id("n"), OccurredAt: s.before(), Activity: "check-in"}
		s.waiting = append(s.waiting, in)
	case "again":
		if len(s.events) > 0 {
			e := s.events[s.random.IntN(len(s.events))]
			s.made++
			s.later(e.Source.Topic, "somebody else", valueOfEvent(&e))
			return
		}
		s.order(member)
	case "refund":
		s.refund(member)
	case "erasure":
		if s.random.IntN(5) > 0 { // who is erased does nothing any more
			s.order(member)
			return
		}
		s.erase(member)
	default:
		s.order(member)
	}
}

func valueOfEvent(e *rules.Event) any {
	switch {
	case e.Order != nil:
		return e.Order
	case e.CheckIn != nil:
		return e.CheckIn
	case e.Referral != nil:
		return e.Referral
	case e.Command != nil:
		return e.Command
	}
	return e.Profile
}

func (s *simShop) invite(by, member string) {
	device := "d" + strings.TrimSuffix(strings.TrimPrefix(member, "member "), ";") // without the name, which is looked for
	s.later(schemas.TopicReferrals, member, &schemas.Referral{EventID: s.id("i"), ReferrerID: by, RefereeID: member, OccurredAt: s.before(), DeviceID: device})
}

func (s *simShop) order(member string) {
	o := &schemas.Order{
		EventID: s.id("o"), OrderID: fmt.Sprintf("order %d;", s.made), MemberID: member, Status: schemas.Paid, OccurredAt: s.before(), Currency: "EUR",
		DeviceID: s.device(), IP: s.one("10.0.0."), PaymentHash: s.one("card"), Store: s.one("store"),
		Lines: []schemas.Line{
			{LineID: "1", SKU: "a", Category: "food/tea", Quantity: 2, Amount: int64(100 + s.random.IntN(6000))},
			{LineID: "2", SKU: "b", Category: "food", Quantity: 1, Amount: int64(100 + s.random.IntN(3000))},
		},
	}
	s.orders = append(s.orders, o)
	s.later(schemas.TopicOrders, member, o)
}

// refund takes back some or all of an order that is paid by now, though that may not be written yet.
func (s *simShop) refund(member string) {
	if len(s.orders) == 0 {
		s.order(member)
		return
	}
	o := *s.orders[s.random.IntN(len(s.orders))]
	o.EventID, o.Status, o.OccurredAt, o.Lines = s.id("r"), schemas.Refunded, s.w.now.Truncate(time.Millisecond), nil
	if s.random.IntN(2) == 0 {
		o.RefundedLines = []schemas.RefundedLine{{LineID: "1", Quantity: 1, Amount: int64(50 + s.random.IntN(2000))}}
	}
	s.later(schemas.TopicOrders, o.MemberID, &o)
}

// later has a value written some time, at home or, now and then, under another key.
func (s *simShop) later(topic, member string, value any) {
	key := member
	if s.random.IntN(5) == 0 && s.w.plan.away {
		key = fmt.Sprintf("key%d", s.random.IntN(9))
	}
	s.waiting = append(s.waiting, simInput{topic: topic, key: key, value: value})
}

func (s *simShop) write(in simInput) {
	raw := in.raw
	if in.value != nil {
		var err error
		if raw, err = s.encoder.Append(nil, in.value); err != nil {
			s.w.fail("shop", "%v", err)
			return
		}
	}
	n := s.w.broker.counts[in.topic]
	p := s.w.broker.partitions[Partition{in.topic, int32(murmur2([]byte(in.key))&0x7fffffff) % n}]
	e := simEntry{key: []byte(in.key), value: raw, headers: []Header{{"from", []byte("shop")}}, at: s.w.now}
	source := schemas.Source{Topic: in.topic, Partition: p.Partition.Partition, Offset: p.append(e, s.w.now)}
	s.sent[source] = in.buried
	s.sources = append(s.sources, source)
	if in.value != nil && !in.buried {
		e, err := rules.NewEvent(in.value, source, time.Time{})
		if err != nil {
			s.w.fail("shop", "%v", err)
			return
		}
		s.events = append(s.events, e)
		s.erasing[source] = e.Command != nil
	}
	s.w.tracef("%s/%d@%d is written", source.Topic, source.Partition, source.Offset)
}
