package state_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"accrue/state"
)

// The store against a Go map, under any order of what lanes, standbys and machines do to it: S1, S2, S4,
// S5, S8, S9. One shard has transactions in flight, as a lane has: at most two overlays.
func TestStoreIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{fs: vfs.NewCrashableMem(), history: []content{{}}}
		m.store = open(t, m.fs)
		defer func() { must(t, m.store.Close()) }()
		t.Repeat(map[string]func(*rapid.T){
			"put":      m.put,
			"due":      m.due,
			"begin":    m.begin,
			"apply":    m.apply,
			"abort":    m.abort,
			"replay":   m.replay,
			"drop":     m.drop,
			"back":     m.back,
			"flush":    m.flush,
			"reopen":   m.reopen,
			"crash":    m.crash,
			"get":      m.get,
			"scan":     m.scan,
			"read due": m.readDue,
			"members":  m.members,
		})
		mustEqual(t, mustRead(t, m.store, modelShards), m.now())
	})
}

const modelShards = 2

type model struct {
	fs       *vfs.MemFS
	store    *state.Store
	history  []content // after each batch; the last is now
	durable  int
	overlays []*state.Overlay // of shard 0, oldest first
	pending  []content        // what overlays say, by the same names; "\x00deleted" for a deletion
}

const deleted = "\x00deleted"

func (m *model) now() content { return m.history[len(m.history)-1] }

// members are chosen so that one is a prefix of another, with and without the bytes of the escape.
func drawMember(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "ab", "a\x00", "a\x00\x01", "a\x00\xff", "", "é", "\xff\xff"}).Draw(t, "member")
}

func drawKey(t *rapid.T) []byte {
	return []byte(rapid.SampledFrom([]string{"h", "", "f", "f1", "f2", "f\xff", "f\xff\xff", "\x00", "b"}).Draw(t, "key"))
}

func drawDue(t *rapid.T) time.Time {
	return start().Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "due")) * time.Millisecond)
}

// drawValue draws a row: deleted, empty, or a text that for a head names a due time.
func drawValue(t *rapid.T) []byte {
	switch rapid.IntRange(0, 4).Draw(t, "value") {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return fmt.Appendf(nil, "due=%d head", drawDue(t).UnixMilli())
	}
	return []byte(strings.Repeat("v", rapid.IntRange(1, 5).Draw(t, "length")))
}

func rowName(shard int32, member string, key []byte) string {
	return fmt.Sprintf("%d/%s/%s", shard, member, key)
}

func dueName(shard int32, due time.Time, member string) string {
	return fmt.Sprintf("%d@%d/%s", shard, due.UnixMilli(), member)
}

// merge writes changes over a content.
func merge(c, changes content) {
	for name, value := range changes {
		if value == deleted {
			delete(c, name)
		} else {
			c[name] = value
		}
	}
}

// step adds a batch to the history.
func (m *model) step(change func(c content)) {
	c := maps.Clone(m.now())
	change(c)
	m.history = append(m.history, c)
}

// offset is higher for every later batch.
func (m *model) offset() int64 { return int64(len(m.history)) }

// newest returns the overlay of the youngest transaction, which it begins if there is none.
func (m *model) newest(t *rapid.T) (*state.Overlay, content) {
	if len(m.overlays) == 0 {
		m.begin(t)
	}
	return m.overlays[len(m.overlays)-1], m.pending[len(m.pending)-1]
}

func (m *model) begin(*rapid.T) {
	if len(m.overlays) == 2 {
		return
	}
	m.overlays = append(m.overlays, state.NewOverlay())
	m.pending = append(m.pending, content{})
}

func (m *model) put(t *rapid.T) {
	o, p := m.newest(t)
	member, key, value := drawMember(t), drawKey(t), drawValue(t)
	p[rowName(0, member, key)] = string(value)
	if value == nil {
		p[rowName(0, member, key)] = deleted
	}
	o.Put(member, key, value)
	clear(key) // the overlay must not have kept it
}

func (m *model) due(t *rapid.T) {
	o, p := m.newest(t)
	member, due := drawMember(t), drawDue(t)
	if rapid.Bool().Draw(t, "set") {
		o.SetDue(member, due)
		p[dueName(0, due, member)] = "due"
	} else {
		o.DropDue(member, due)
		p[dueName(0, due, member)] = deleted
	}
}

func (m *model) apply(t *rapid.T) {
	if len(m.overlays) == 0 {
		return
	}
	p := position(m.offset())
	must(t, m.store.Shard(0).Apply(m.overlays[0], p))
	m.step(func(c content) {
		merge(c, m.pending[0])
		c["0"] = fmt.Sprint(p)
	})
	m.overlays, m.pending = m.overlays[1:], m.pending[1:]
}

func (m *model) abort(*rapid.T) { m.overlays, m.pending = nil, nil }

// replay feeds shard 1 with records of which the last of each row must win, and whose due times count, in the place of those of
// what they replace.
func (m *model) replay(t *rapid.T) {
	var records []state.Record
	last := content{}
	for range rapid.IntRange(0, 6).Draw(t, "records") {
		member, key, value := drawMember(t), drawKey(t), drawValue(t)
		records = append(records, state.Record{Key: state.EncodeKey(member, key), Value: value})
		last[rowName(1, member, key)] = string(value)
		if value == nil {
			last[rowName(1, member, key)] = deleted
		}
	}
	p := position(m.offset())
	must(t, m.store.Shard(1).Replay(records, p))
	m.step(func(c content) {
		for _, r := range records {
			member, key, err := state.DecodeKey(r.Key)
			must(t, err)
			if due, ok := dueOf(key, []byte(c[rowName(1, member, key)])); ok {
				delete(c, dueName(1, due, member))
			}
		}
		merge(c, last)
		c["1"] = fmt.Sprint(p)
		for _, r := range records {
			member, key, err := state.DecodeKey(r.Key)
			must(t, err)
			value := last[rowName(1, member, key)]
			if due, ok := dueOf(key, []byte(value)); ok && value != deleted {
				c[dueName(1, due, member)] = "due"
			}
		}
	})
}

func (m *model) drop(t *rapid.T) {
	n := int32(rapid.IntRange(0, modelShards-1).Draw(t, "shard"))
	must(t, m.store.Shard(n).Drop())
	m.step(func(c content) {
		maps.DeleteFunc(c, func(name, _ string) bool { return name[0] == byte('0'+n) })
	})
}

// back tries what must not be: a position before the stored one, or of another log.
func (m *model) back(t *rapid.T) {
	sh := m.store.Shard(0)
	p, found, err := sh.Position()
	must(t, err)
	if !found {
		return
	}
	bad := rapid.SampledFrom([]state.Position{
		position(p.Offset - 1),
		{ClusterID: p.ClusterID, TopicID: "topic-2", Offset: p.Offset + 1},
		{ClusterID: "kafka-2", TopicID: p.TopicID, Offset: p.Offset + 1},
		position(-1),
	}).Draw(t, "bad")
	o := state.NewOverlay()
	o.Put("a", []byte("h"), []byte("bad"))
	mustBe(t, sh.Apply(o, bad), state.ErrPosition)
}

func (m *model) flush(t *rapid.T) {
	must(t, m.store.Flush())
	m.durable = len(m.history) - 1
}

func (m *model) reopen(t *rapid.T) {
	must(t, m.store.Close())
	m.store = open(t, m.fs)
	m.durable = len(m.history) - 1
	m.abort(t)
}

func (m *model) crash(t *rapid.T) {
	seed := rapid.Uint64().Draw(t, "seed")
	percent := rapid.SampledFrom([]int{0, 0, 50, 100}).Draw(t, "percent")
	kept := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 0))})
	must(t, m.store.Close())
	m.fs, m.store = kept, open(t, kept)
	m.abort(t)
	got := mustRead(t, m.store, modelShards)
	for i := len(m.history) - 1; i >= m.durable; i-- {
		if maps.Equal(got, m.history[i]) {
			m.history, m.durable = m.history[:i+1], i
			return
		}
	}
	t.Fatalf("after a crash the store holds no state since the last flush:\n%s", got)
}

// seen is shard 0 through the overlays.
func (m *model) seen() content {
	c := maps.Clone(m.now())
	for _, p := range m.pending {
		merge(c, p)
	}
	return c
}

func (m *model) newestFirst() []*state.Overlay {
	overlays := slices.Clone(m.overlays)
	slices.Reverse(overlays)
	return overlays
}

func (m *model) get(t *rapid.T) {
	member, key := drawMember(t), drawKey(t)
	got, err := m.store.Shard(0).View(member, m.newestFirst).Get(key)
	must(t, err)
	want, ok := m.seen()[rowName(0, member, key)]
	if ok != (got != nil) || want != string(got) {
		t.Fatalf("row %q of %q is %q, want %q (%v)", key, member, got, want, ok)
	}
}

func (m *model) scan(t *rapid.T) {
	member, prefix := drawMember(t), drawKey(t)
	if rapid.Bool().Draw(t, "all") {
		prefix = nil
	}
	limit := rapid.SampledFrom([]int{1, 100}).Draw(t, "limit")
	view := m.store.Shard(0).View(member, m.newestFirst)
	var got []string
	must(t, view.Scan(prefix, func(key, value []byte) bool {
		again, err := view.Get(key) // reading through the view must not disturb the scan
		must(t, err)
		if !bytes.Equal(again, value) || again == nil {
			t.Fatalf("row %q is %q in Scan and %q in Get", key, value, again)
		}
		got = append(got, fmt.Sprintf("%q %q", key, value))
		return len(got) < limit
	}))
	var want []string
	seen, rows := m.seen(), rowName(0, member, nil)
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if key, ok := strings.CutPrefix(name, rows); ok && strings.HasPrefix(key, string(prefix)) && len(want) < limit {
			want = append(want, fmt.Sprintf("%q %q", key, seen[name]))
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("scan of %q in %q gives %v, want %v", prefix, member, got, want)
	}
}

func (m *model) readDue(t *rapid.T) {
	until, limit := drawDue(t), rapid.IntRange(1, 4).Draw(t, "limit")
	got, err := m.store.Shard(0).Due(until, limit, m.newestFirst()...)
	must(t, err)
	var want []string
	for _, name := range slices.Sorted(maps.Keys(m.seen())) { // the times have one length
		if strings.HasPrefix(name, "0@") && name < dueName(0, until.Add(time.Millisecond), "") && len(want) < limit {
			want = append(want, name)
		}
	}
	var names []string
	for _, d := range got {
		names = append(names, dueName(0, d.At, d.Member))
	}
	if !slices.Equal(names, want) {
		t.Fatalf("due are %q, want %q", names, want)
	}
}

func (m *model) members(t *rapid.T) {
	n := int32(rapid.IntRange(0, modelShards-1).Draw(t, "shard"))
	var got []string
	must(t, m.store.Shard(n).Members(func(member string) bool {
		got = append(got, member)
		return true
	}))
	all := map[string]bool{}
	must(t, m.store.Shard(n).All(func(member string, _, _ []byte) bool {
		if _, key := state.KeyOf(member); !key {
			all[member] = true
		}
		return true
	}))
	if want := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Fatalf("members are %q, want %q", got, want)
	}
}
