package processor

import (
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"accrue/rules"
	"accrue/state"
)

// verify compares all shards of a machine's store with the changelog.
func (s *shop) verify(store *state.Store) (rows int, found []StoreDifference) {
	s.t.Helper()
	empty, err := state.Open("empty", state.Identity{App: testApp}, state.Options{FS: vfs.NewMem()})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := empty.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	check := StoreCheck{
		Kafka: s.writer, App: testApp, Store: store, Empty: empty, DueOf: rules.HeadDue,
		Found: func(d StoreDifference) error { found = append(found, d); return nil },
	}
	for n := range int32(testShards) {
		compared, err := check.Shard(s.t.Context(), n)
		if err != nil {
			s.t.Fatal(err)
		}
		rows += compared
	}
	return rows, found
}

// A store is what its changelog says, also where others wrote on since; whatever is wrong in it is found.
func TestStoreIsVerified(t *testing.T) {
	s := newShop(t, 4)
	s.trade(150)
	m := newMachine("a")
	e := s.run(m)
	s.check(s.read())
	e.end()
	open := func() *state.Store {
		store, err := state.Open("data/state", state.Identity{App: testApp}, state.Options{FS: m.disk})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	store := open()
	all, found := s.verify(store)
	if all == 0 || len(found) > 0 {
		t.Fatalf("%d rows, differences: %+v", all, found)
	}
	b := s.run(newMachine("b"))
	s.trade(50)
	s.check(s.read())
	b.end()
	rows, found := s.verify(store)
	if rows == 0 || rows >= all || len(found) > 0 {
		t.Fatalf("after others wrote on: %d rows of %d, differences: %+v", rows, all, found)
	}

	// The next one catches up; then it is damaged, in a member whose head has a due time.
	a := s.run(&machine{name: "a", disk: newMachine("a").disk, cable: newCable()})
	eventually(t, "ready", func() bool { return len(a.NotReady()) == 0 })
	a.end()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	m = &machine{name: "a", disk: a.o.FS.(*vfs.MemFS), cable: newCable()}
	store = open()
	shard, member, facts, due := damageable(t, store)
	o := state.NewOverlay()
	o.Put(member, facts[0], nil)
	o.Put(member, facts[1], []byte{1, 2, 3})
	o.Put("nobody", []byte("h"), []byte{1})
	o.DropDue(member, due)
	p, _, err := shard.Position()
	if err != nil {
		t.Fatal(err)
	}
	if err := shard.Apply(o, p); err != nil {
		t.Fatal(err)
	}
	_, found = s.verify(store)
	var words []string
	for _, d := range found {
		words = append(words, d.Member+": "+d.Why)
	}
	text := strings.Join(words, "\n")
	for _, want := range []string{
		member + ": the store lacks it", member + ": the store has another", member + ": its due time ", "nobody: only the store has it",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it is not found that %q:\n%s", want, text)
		}
	}
	if len(found) != 4 {
		t.Errorf("differences:\n%s", text)
	}

	p.Offset += 1000
	if err := shard.Apply(state.NewOverlay(), p); err != nil {
		t.Fatal(err)
	}
	if _, found = s.verify(store); len(found) != 1 || !strings.Contains(found[0].Why, "it was cut off, or the store holds") {
		t.Errorf("a store ahead of its changelog: %+v", found)
	}
	recreate(t, s.admin(), s.topics.State)
	eventually(t, "the store is seen to be of another changelog", func() bool { // the client remembers topics for a moment
		_, found = s.verify(store)
		return len(found) == testShards && strings.Contains(found[0].Why, "the store was built from topic id")
	})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// damageable finds a member with two facts and a due time.
func damageable(t *testing.T, store *state.Store) (shard *state.Shard, member string, facts [][]byte, due time.Time) {
	t.Helper()
	for n := range int32(testShards) {
		shard = store.Shard(n)
		waiting, err := shard.Due(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range waiting {
			facts = nil
			err := shard.Rows(d.Member, func(key, _ []byte) bool {
				if key[0] == 'f' {
					facts = append(facts, append([]byte{}, key...))
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(facts) > 1 {
				return shard, d.Member, facts, d.At
			}
		}
	}
	t.Fatal("no member has two facts and a due time")
	return nil, "", nil, time.Time{}
}
