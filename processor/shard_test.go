package processor

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/rules"
	"accrue/schemas"
	"accrue/state"
)

func testStore(t *testing.T) *state.Store {
	t.Helper()
	store, err := state.Open("data", state.Identity{App: testApp}, state.Options{FS: vfs.NewMem(), DueOf: rules.HeadDue})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func paid(member string, n int, at time.Time) rules.Event {
	id := fmt.Sprintf("%s-%d", member, n)
	o := &schemas.Order{
		EventID: "e" + id, OrderID: "o" + id, MemberID: member, Status: schemas.Paid, OccurredAt: at, Currency: "EUR",
		Lines: []schemas.Line{{LineID: "1", Quantity: 1, Amount: 6000}},
	}
	return rules.Event{Order: o, Source: schemas.Source{Topic: schemas.TopicOrders, Offset: int64(n)}, Now: at}
}

// What was decided in a transaction that is dropped never happened, also in memory; what an applied one changed stays.
func TestShardDropsWhatIsNotCommitted(t *testing.T) {
	store := testStore(t)
	shard := NewShard(testLedger(t), store.Shard(0), NewPool(0))
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	handle := func(n int) schemas.Outcome {
		t.Helper()
		out, err := shard.Handle(paid("m", n, at.Add(time.Duration(n)*time.Minute)))
		if err != nil {
			t.Fatal(err)
		}
		return out.Decision.Outcome
	}
	first, second := state.NewOverlay(), state.NewOverlay()
	shard.Begin(first, 1)
	handle(1)
	shard.Begin(second, 2) // while the first one ends
	handle(2)
	if got := handle(1); got != schemas.OutcomeDuplicate {
		t.Errorf("the first transaction's event again: %s", got)
	}
	if err := store.Shard(0).Apply(first, state.Position{Offset: 1}); err != nil {
		t.Fatal(err)
	}
	shard.Applied(first)
	shard.Drop(2)
	shard.Begin(state.NewOverlay(), 3)
	if got := handle(2); got == schemas.OutcomeDuplicate {
		t.Error("an event of a dropped transaction is known")
	}
	if got := handle(1); got != schemas.OutcomeDuplicate {
		t.Errorf("an applied event: %s", got)
	}
	due, err := store.Shard(0).Due(at.AddDate(1, 0, 0), 10)
	if err != nil || len(due) != 1 {
		t.Errorf("due members: %v, %v", due, err)
	}
}

// An account that is only looked at in a transaction which is dropped is forgotten with it, if it was read from what that changed.
func TestShardDropsWhatItOnlyLookedAt(t *testing.T) {
	store := testStore(t)
	shard := NewShard(testLedger(t), store.Shard(0), NewPool(1)) // it keeps one account
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	shard.Begin(state.NewOverlay(), 1)
	for _, member := range []string{"m", "other"} {
		if _, err := shard.Handle(paid(member, 1, at)); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := shard.Due("m"); err != nil || !ok {
		t.Fatalf("nothing falls due (%v)", err)
	}
	shard.Drop(1)
	if at, ok, err := shard.Due("m"); err != nil || ok {
		t.Errorf("something falls due at %s though nothing was committed (%v)", at, err)
	}
}

// The cache keeps within its bytes, and what it lets go of is read from the overlay again.
func TestAccountsKeepWithinTheirBytes(t *testing.T) {
	store := testStore(t)
	shard := NewShard(testLedger(t), store.Shard(0), NewPool(20_000))
	shard.Begin(state.NewOverlay(), 1)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for round := range 2 {
		for i := range 200 {
			out, err := shard.Handle(paid(fmt.Sprintf("m%d", i), 1, at))
			if err != nil {
				t.Fatal(err)
			}
			if got := out.Decision.Outcome; (got == schemas.OutcomeDuplicate) != (round == 1) {
				t.Fatalf("round %d: %s", round, got)
			}
		}
		if n := shard.accounts.bytes; n > 20_000 || n <= 0 {
			t.Errorf("%d bytes", n)
		}
	}
	shard.accounts.check(t)
}

// Shards that share a pool share its bytes: the account of a busy member stays while those of many others come and go in another
// shard, and what a shard held is the others' once it is let go.
func TestPoolIsForAllShards(t *testing.T) {
	const bytes = 100_000
	store, pool := testStore(t), NewPool(bytes)
	var shards [2]*Shard
	for n := range shards {
		shards[n] = NewShard(testLedger(t), store.Shard(int32(n)), pool)
		shards[n].Begin(state.NewOverlay(), 1)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	handle := func(shard *Shard, member string, n int) {
		t.Helper()
		if out, err := shard.Handle(paid(member, n, at.Add(time.Duration(n)*time.Minute))); err != nil || out.Decision.Outcome != schemas.OutcomeGranted {
			t.Fatal(out.Decision, err)
		}
	}
	for n := range 400 {
		handle(shards[0], "busy", n)
	}
	for i := range 400 {
		handle(shards[1], fmt.Sprintf("m%d", i), 1)
	}
	if shards[0].accounts.byMember["busy"] == nil || pool.large.newest == nil {
		t.Error("the busy member has made room for members of whom one order is known")
	}
	all := shards[0].accounts.bytes + shards[1].accounts.bytes
	if all > bytes || all != pool.small.bytes+pool.large.bytes || len(shards[1].accounts.byMember) < 10 {
		t.Errorf("%d bytes, %d of them small and %d large, %d accounts in the other shard", all, pool.small.bytes, pool.large.bytes, len(shards[1].accounts.byMember))
	}
	shards[1].accounts.clear()
	if pool.small.bytes != 0 || pool.small.newest != nil || pool.large.bytes != shards[0].accounts.bytes {
		t.Errorf("%d small and %d large bytes are left of %d", pool.small.bytes, pool.large.bytes, shards[0].accounts.bytes)
	}
}

// check compares lists, sums and map with each other.
func (c *accounts) check(t *testing.T) {
	t.Helper()
	var bytes, linked int64
	for _, list := range []*useList{&c.pool.small, &c.pool.large} {
		var own int64
		for e := list.oldest; e != nil; e = e.links[0].newer {
			linked++
			own += e.bytes
			if e.all != list || (e.bytes-e.facts >= largeBytes) != (list == &c.pool.large) {
				t.Errorf("member %s with %d bytes, %d of them facts, is in a list that it does not belong to", e.member, e.bytes, e.facts)
			}
		}
		if own != list.bytes {
			t.Errorf("a list holds %d bytes, and counts %d", own, list.bytes)
		}
		bytes += own
	}
	if linked != int64(len(c.byMember)) || bytes != c.bytes {
		t.Errorf("%d in the list with %d bytes, %d in the map with %d bytes", linked, bytes, len(c.byMember), c.bytes)
	}
	for _, list := range []*useList{&c.pool.once, &c.pool.often} {
		var facts int64
		for e := list.oldest; e != nil; e = e.links[1].newer {
			facts += e.facts
			if e.awake != list || e.facts == 0 {
				t.Errorf("member %s with %d bytes of facts is in a list that it does not belong to", e.member, e.facts)
			}
		}
		if facts != list.bytes {
			t.Errorf("a list holds facts of %d bytes, and counts %d", facts, list.bytes)
		}
	}
}

// A member whose facts are asked for again and again keeps them in memory while many others come and go; one whose facts were
// asked for once does not.
func TestFactsThatAreAskedForOftenStay(t *testing.T) {
	store := testStore(t)
	shard := NewShard(testLedger(t), store.Shard(0), NewPool(400_000))
	shard.Begin(state.NewOverlay(), 1)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hours := 0
	handle := func(e rules.Event) {
		t.Helper()
		if out, err := shard.Handle(e); err != nil || out.Decision.Outcome == schemas.OutcomeInvalid {
			t.Fatal(out.Decision, err)
		}
	}
	order := func(member string, n int) rules.Event {
		hours++
		return paid(member, n, at.Add(time.Duration(hours)*time.Hour))
	}
	refund := func(member string, n int) {
		e := order(member, n)
		e.Order.Status, e.Order.EventID, e.Order.Lines = schemas.Refunded, e.Order.EventID+"-back", nil
		handle(e)
	}
	others := func(round int) {
		for i := range 150 {
			handle(order(fmt.Sprintf("other%d", i), round))
		}
		shard.accounts.check(t)
	}
	whole := func(member string) bool {
		e := shard.accounts.byMember[member]
		return e != nil && e.account.Awake()
	}
	for i := range 5 {
		handle(order("busy", i))
		handle(order("calm", i))
	}
	refund("calm", 0)
	if n := shard.accounts.facts; n != 0 {
		t.Errorf("%d facts were read, of members who had all of theirs in memory", n)
	}
	for round := range 3 {
		refund("busy", round)
		others(round)
	}
	if shard.accounts.facts == 0 {
		t.Error("no fact was read of a member whose facts were let go")
	}
	if !whole("busy") || whole("calm") {
		t.Errorf("all facts in memory: busy %t, calm %t", whole("busy"), whole("calm"))
	}
	shard.Drop(1)
	shard.accounts.check(t)
}

// An account whose row the changelog would not take keeps nothing of the event, and the next one is decided.
func TestShardRefusesRowsTooLarge(t *testing.T) {
	store := testStore(t)
	shard := NewShard(testLedger(t), store.Shard(0), NewPool(0))
	shard.maxRow = 2000
	o := state.NewOverlay()
	shard.Begin(o, 1)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	large := paid("m", 1, at)
	large.Order.Lines[0].SKU = strings.Repeat("s", 5000)
	_, err := shard.Handle(large)
	if one, why := oneAccount("m", err); !one || !strings.Contains(why.Error(), "max.message.bytes") {
		t.Fatalf("error: %v", err)
	}
	if o.Len() != 0 {
		t.Errorf("%d rows were kept", o.Len())
	}
	if _, err := shard.Handle(paid("m", 2, at)); err != nil || o.Len() == 0 {
		t.Errorf("the next event: %v, %d rows", err, o.Len())
	}
	if one, _ := oneAccount("m", errors.New("disk")); one {
		t.Error("a disk is no account")
	}
}

// The crash table and the code speak of the same points, and each names a test that exists.
func TestCrashTable(t *testing.T) {
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var doc, tests string
	for _, f := range names {
		text, err := os.ReadFile(f.Name())
		if err != nil || !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		switch {
		case f.Name() == "doc.go":
			doc = string(text)
		case strings.HasSuffix(f.Name(), "_test.go"):
			tests += string(text)
		}
	}
	table := doc[strings.Index(doc, "# Every point where it can die"):]
	var points []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(C\d+) +\|`).FindAllStringSubmatch(table, -1) {
		points = append(points, m[1])
	}
	for i := range points {
		if want := fmt.Sprintf("C%d", i+1); points[i] != want {
			t.Errorf("point %s stands where %s should", points[i], want)
		}
	}
	for _, test := range regexp.MustCompile(`Test[A-Za-z]+`).FindAllString(table, -1) {
		if !strings.Contains(tests, "func "+test+"(") {
			t.Errorf("%s is in the table and no test", test)
		}
	}
	for _, f := range []string{"lane.go", "restore.go"} {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`// (C\d+):`).FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(points, m[1]) {
				t.Errorf("%s has %s, the table has not", f, m[1])
			}
		}
	}
}
