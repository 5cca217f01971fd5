package processor

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/rules"
	"accrue/rules/programme"
	"accrue/rules/scenario"
	"accrue/schemas"
)

// The scenarios of the contract, which the rules pass in memory, are put to an engine on Kafka: its lanes, partitions, forwarded
// records, timers, rows and wire. What it writes for each member on each topic has to be, record for record and in order, what
// the ledger in memory gives for the same events at the same times.
//
// Two things are not compared, since they cannot be the same: where a record came from (partition and offset), and when it was
// decided. And one thing is another than in the scenario: an engine has one clock, and lets time go on for every member; a
// scenario only for the one that it looks at. So the ledger in memory does here what an engine's timers have to do. That a
// scenario comes to the same sums in its own way is compared besides.
func TestScenariosOnKafka(t *testing.T) {
	names, err := filepath.Glob("../rules/testdata/*/*scenario.yaml")
	fatal(t, err)
	if len(names) < 80 {
		t.Fatalf("%d scenarios are found, at least 80 are there", len(names))
	}
	for _, name := range names {
		t.Run(filepath.Base(filepath.Dir(name)), func(t *testing.T) {
			t.Parallel()
			playOnKafka(t, name)
		})
	}
}

func playOnKafka(t *testing.T, name string) {
	files := map[string][]byte{}
	beside, err := filepath.Glob(filepath.Join(filepath.Dir(name), "*.yaml"))
	fatal(t, err)
	for _, file := range beside {
		files[filepath.Base(file)], err = os.ReadFile(file)
		fatal(t, err)
	}
	content := files[filepath.Base(name)]
	report := scenario.Run(files, filepath.Base(name), content)
	if !report.Passed() {
		t.Fatal(report)
	}
	p := newPlay(t, report)
	for _, m := range report.Moments {
		p.at(m.At)
		if m.Event != nil {
			p.send(*m.Event)
		}
	}
	p.at(p.end())
	p.compare()
	p.compareSums()
	p.engine.end()
}

// playClock says where time stands: it goes on from what it was set to.
type playClock struct {
	mu   sync.Mutex
	at   time.Time
	wall time.Time // when it was set
}

// reach sets it, but never back.
func (c *playClock) reach(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wall := time.Now(); c.at.Add(wall.Sub(c.wall)).Before(at) {
		c.at, c.wall = at, wall
	}
}

func (c *playClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at.Add(time.Since(c.wall))
}

// memory is as many shards as the engine has, as budgets lie in shares with them.
type memory []*Shard

func newMemory(ledger *rules.Ledger) memory {
	m := make(memory, testShards)
	for n := range m {
		m[n] = NewMemoryShard(ledger)
		m[n].home = int32(n)
	}
	return m
}

func (m memory) of(member string) *Shard { return m[Home(member, testShards)] }

func (m memory) Handle(e rules.Event) (*rules.Outcome, error) { return m.of(e.Member()).Handle(e) }

func (m memory) Take(e *schemas.Effect, now time.Time) (*rules.Outcome, error) {
	return m[homeOf(e, testShards)].Take(e, now)
}

func (m memory) Advance(member string, to, now time.Time) (*rules.Outcome, error) {
	return m.of(member).Advance(member, to, now)
}

func (m memory) Due(member string) (time.Time, bool, error) { return m.of(member).Due(member) }

func (m memory) Members() (all []string) {
	for _, shard := range m {
		all = append(all, shard.Members()...)
	}
	slices.Sort(all)
	return all
}

// play is a scenario that is played twice, by an engine and in memory.
type play struct {
	*shop
	report *scenario.Report
	engine *running
	clock  *playClock
	time   time.Time // how far it is
	memory memory
	want   map[string][]string // by member and topic
	done   *answered
	sums   map[string][3]int64 // of what memory wrote, by grant: available, pending, tier
	tiers  map[string]string   // by member, what memory wrote last
}

func newPlay(t *testing.T, report *scenario.Report) *play {
	t.Helper()
	p := &play{shop: newShop(t, 3), report: report, want: map[string][]string{}, done: &answered{}, sums: map[string][3]int64{}, tiers: map[string]string{}}
	p.time = report.Moments[0].At
	for _, m := range report.Moments {
		if m.At.Before(p.time) {
			p.time = m.At
		}
	}
	p.clock = &playClock{at: p.time, wall: time.Now()}
	var versions programme.Versions
	value, err := encodeApp(AppRecord{ID: testApp, Shards: testShards, Formats: ourFormats()})
	fatal(t, err)
	p.publish(value, p.time)
	for _, v := range report.Versions {
		parsed, problems := programme.Parse(v.Files)
		if parsed == nil {
			t.Fatal(problems)
		}
		versions = versions.With(programme.Version{From: v.From, Programme: parsed})
		value, err := encodeProgramme(parsed.Version, v.Files, v.From, "scenario", "", ourFormats().Grammar)
		fatal(t, err)
		p.publish(value, v.From.Add(-PublishAhead))
	}
	p.ledger, err = rules.NewLedger(versions, rules.Secret([]byte(report.Seed)))
	fatal(t, err)
	p.memory = newMemory(p.ledger)
	p.engine = p.run(newMachine("a"), func(o *Options) {
		o.Programme, o.Secret, o.Now, o.Observer = report.Versions[0].Files, []byte(report.Seed), p.clock.now, p.done
		o.TimersQuiet = time.Nanosecond // what is late is no import here: time need not wait for more of it
		o.Lanes = 2
	})
	return p
}

// publish appends to the control topic as if it were another time.
func (p *play) publish(value []byte, at time.Time) {
	p.t.Helper()
	fatal(p.t, p.writer.ProduceSync(p.t.Context(), &kgo.Record{Topic: p.topics.Control, Value: value, Timestamp: at}).FirstErr())
}

// at lets time go on, and happen what falls due until then.
func (p *play) at(at time.Time) {
	p.t.Helper()
	if at.After(p.time) {
		p.time = at
		p.clock.reach(at)
	}
	for _, member := range p.memory.Members() {
		out, err := p.memory.Advance(member, p.time, p.time)
		fatal(p.t, err)
		p.expect(out)
		p.effects(slices.Clone(out.Requests))
	}
	eventually(p.t, "time has decided all that is due", func() bool {
		known := p.engine.programmes
		known.mu.Lock()
		known.seenAt = p.clock.now() // nobody publishes anything meanwhile
		known.mu.Unlock()
		return p.engine.Store() != nil && p.nothingDue()
	})
}

func (p *play) nothingDue() bool {
	for n := range int32(testShards) {
		due, err := p.engine.Store().Shard(n).Due(p.time, 1)
		fatal(p.t, err)
		if len(due) > 0 {
			return false
		}
	}
	return true
}

// send sends an event, and waits until it is answered.
func (p *play) send(e rules.Event) {
	p.t.Helper()
	record := &kgo.Record{Topic: e.Source.Topic, Key: []byte(e.Member()), Partition: ByKey}
	var err error
	if e.ProfileEnds {
		record.Timestamp = e.Profile.OccurredAt
	} else if record.Value, err = p.encoder.Append(nil, valueOf(&e)); err != nil {
		p.cannotBeSent(e)
		return
	}
	fatal(p.t, p.writer.ProduceSync(p.t.Context(), record).FirstErr())
	if e.ProfileEnds {
		o := &origin{source: schemas.Source{Topic: record.Topic, Partition: record.Partition, Offset: record.Offset}, written: record.Timestamp}
		end := endOfProfile(&Record{Key: record.Key, Timestamp: record.Timestamp}, o)
		profile := *e.Profile
		profile.EventID = end.EventID
		e.Profile = &profile
	}
	e.Now = p.time
	out, err := p.memory.Handle(e)
	fatal(p.t, err)
	p.sent = append(p.sent, schemas.Source{})
	p.expect(out)
	p.effects(slices.Clone(out.Requests))
	eventually(p.t, "the event, and what accounts ask of each other, are answered", func() bool { return p.done.records.Load() == int64(len(p.sent)) })
}

// effects has accounts in memory take in what others ask of them, as the engine does by itself.
func (p *play) effects(waiting []schemas.Effect) {
	p.t.Helper()
	for ; len(waiting) > 0; waiting = waiting[1:] {
		out, err := p.memory.Take(&waiting[0], p.time)
		fatal(p.t, err)
		p.sent = append(p.sent, schemas.Source{})
		p.expect(out)
		waiting = append(waiting, out.Requests...)
	}
}

// cannotBeSent demands that an event which no record can hold, such as an order of an unknown status, changes nothing.
func (p *play) cannotBeSent(e rules.Event) {
	p.t.Helper()
	out, err := p.memory.Handle(e)
	fatal(p.t, err)
	if out.Decision.Outcome != schemas.OutcomeInvalid || len(out.Entries)+len(out.TierChanges)+len(out.Alerts) > 0 {
		p.t.Errorf("%s cannot be written to Kafka, and is taken: %+v", out.Decision.EventID, out)
	}
}

func valueOf(e *rules.Event) any {
	switch {
	case e.Order != nil:
		return e.Order
	case e.CheckIn != nil:
		return e.CheckIn
	case e.Command != nil:
		return e.Command
	case e.Referral != nil:
		return e.Referral
	case e.Redemption != nil:
		return e.Redemption
	}
	return e.Profile
}

// answered counts the records that were decided or buried, and what accounts took in of each other.
type answered struct {
	nobody
	records atomic.Int64
}

func (a *answered) Committed(r Report) {
	a.records.Add(int64(r.Effects))
	for _, n := range r.ByTopic {
		a.records.Add(int64(n.Records - n.Forwarded))
	}
}

// end is a time after all that happens, at which nothing is due or will be in the next minutes.
func (p *play) end() time.Time {
	p.t.Helper()
	at := p.time.Add(time.Hour)
	for calm := false; !calm; {
		calm = true
		for _, member := range p.memory.Members() {
			due, ok, err := p.memory.Due(member)
			fatal(p.t, err)
			if ok && due.After(at) && due.Before(at.Add(10*time.Minute)) {
				at, calm = at.Add(11*time.Minute), false
			}
		}
	}
	return at
}

// expect notes what memory writes.
func (p *play) expect(out *rules.Outcome) {
	p.t.Helper()
	addUp(p.sums, p.tiers, out)
	note := func(value any) { p.note(p.want, value) }
	for i := range out.Entries {
		note(&out.Entries[i])
	}
	for i := range out.TierChanges {
		note(&out.TierChanges[i])
	}
	for i := range out.Alerts {
		note(&out.Alerts[i])
	}
	for i := range out.Notices {
		note(&out.Notices[i])
	}
	if out.Decision != nil {
		note(out.Decision)
	}
}

// note notes a record as a line of JSON, without what cannot be the same.
func (p *play) note(all map[string][]string, value any) {
	p.t.Helper()
	var topic, member string
	masked := func(s schemas.Source) schemas.Source { s.Partition, s.Offset = 0, 0; return s }
	switch v := value.(type) {
	case *schemas.PointGrant:
		c := *v
		topic, member, c.Source, c.DecidedAt = schemas.TopicPointGrants, c.MemberID, masked(c.Source), time.Time{}
		value = &c
	case *schemas.TierChange:
		c := *v
		topic, member, c.DecidedAt = schemas.TopicTierChanges, c.MemberID, time.Time{}
		value = &c
	case *schemas.FraudAlert:
		c := *v
		topic, member, c.DecidedAt = schemas.TopicFraudAlerts, c.MemberID, time.Time{}
		value = &c
	case *schemas.Decision:
		c := *v
		topic, member, c.Source, c.DecidedAt = schemas.TopicDecisions, c.MemberID, masked(c.Source), time.Time{}
		value = &c
	case *schemas.Notice:
		c := *v
		topic, member, c.DecidedAt = schemas.TopicNotices, c.MemberID, time.Time{}
		if c.Kind == schemas.NoticeBudgetLow { // it is told when it is decided
			c.DueAt, c.OccurredAt = time.Time{}, time.Time{}
		}
		value = &c
	}
	line, err := schemas.AppendLine(nil, topic, member, value)
	fatal(p.t, err)
	key := member + " on " + topic
	all[key] = append(all[key], string(line))
}

// compare compares all that the engine wrote with what memory gives, by member and topic.
func (p *play) compare() {
	p.t.Helper()
	got := p.writes()
	for _, key := range slices.Sorted(maps.Keys(p.want)) {
		if !slices.Equal(got[key], p.want[key]) {
			p.t.Errorf("%s:\n%s\nin memory:\n%s", key, strings.Join(got[key], "\n"), strings.Join(p.want[key], "\n"))
		}
	}
	for key, lines := range got {
		if p.want[key] == nil {
			p.t.Errorf("%s:\n%s\nin memory: nothing", key, strings.Join(lines, "\n"))
		}
	}
}

// writes reads all that the engine has written, up to the ends of its topics. There must be no dead letters.
func (p *play) writes() map[string][]string {
	p.t.Helper()
	kinds := map[string]schemas.Kind{
		p.topics.PointGrants: schemas.KindPointGrant, p.topics.TierChanges: schemas.KindTierChange, p.topics.Decisions: schemas.KindDecision,
		p.topics.FraudAlerts: schemas.KindFraudAlert, p.topics.Notices: schemas.KindNotice, p.topics.DeadLetters: 0,
	}
	topics := slices.Collect(maps.Keys(kinds))
	left, err := p.admin().ListEndOffsets(p.t.Context(), topics...)
	fatal(p.t, err)
	unread := 0
	left.Each(func(o kadm.ListedOffset) {
		fatal(p.t, o.Err)
		if o.Offset > 0 {
			unread++
		}
	})
	reader, err := kgo.NewClient(kgo.SeedBrokers(p.cluster.ListenAddrs()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeTopics(topics...), kgo.FetchMaxWait(20*time.Millisecond))
	fatal(p.t, err)
	defer reader.Close()
	decoder := schemas.NewDecoder(p.registry)
	got := map[string][]string{}
	for unread > 0 {
		fetches := reader.PollFetches(p.t.Context())
		fatal(p.t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if end, ok := left.Lookup(r.Topic, r.Partition); ok && r.Offset+1 == end.Offset {
				unread--
			}
			if r.Attrs.IsControl() {
				return
			}
			if r.Topic == p.topics.DeadLetters {
				p.t.Errorf("a dead letter: %v", r.Headers)
				return
			}
			value, err := decoder.Decode(p.t.Context(), kinds[r.Topic], r.Value)
			fatal(p.t, err)
			p.note(got, value)
		})
	}
	return got
}

// compareSums compares what memory gave with what the scenario comes to in its own way, in which time goes on for one member after
// the other, and for all at the end.
func (p *play) compareSums() {
	p.t.Helper()
	own := NewMemoryShard(p.ledger)
	sums, tiers := map[string][3]int64{}, map[string]string{}
	add := func(out *rules.Outcome, err error) {
		fatal(p.t, err)
		addUp(sums, tiers, out)
		for waiting := slices.Clone(out.Requests); len(waiting) > 0; waiting = waiting[1:] {
			out, err := own.Take(&waiting[0], time.Time{})
			fatal(p.t, err)
			addUp(sums, tiers, out)
			waiting = append(waiting, out.Requests...)
		}
	}
	for _, m := range p.report.Moments {
		if m.Event != nil {
			add(own.Handle(*m.Event))
		} else {
			add(own.Advance(m.Member, m.At, m.At))
		}
	}
	for _, member := range own.Members() {
		add(own.Advance(member, p.time, p.time))
	}
	for _, all := range []map[string][3]int64{sums, p.sums} { // what was granted and taken back may never have been granted
		maps.DeleteFunc(all, func(_ string, sum [3]int64) bool { return sum == [3]int64{} })
	}
	if !maps.Equal(sums, p.sums) || !maps.Equal(tiers, p.tiers) {
		p.t.Errorf("it comes to %v and %v, as the scenario has it to %v and %v", p.sums, p.tiers, sums, tiers)
	}
}

// addUp adds an outcome to sums by grant and tiers by member.
func addUp(sums map[string][3]int64, tiers map[string]string, out *rules.Outcome) {
	for i := range out.Entries {
		e := &out.Entries[i]
		sum := sums[e.GrantID]
		sums[e.GrantID] = [3]int64{sum[0] + e.AvailableDelta, sum[1] + e.PendingDelta, sum[2] + e.TierDelta}
	}
	for i := range out.TierChanges {
		tiers[out.TierChanges[i].MemberID] = out.TierChanges[i].To
	}
}
