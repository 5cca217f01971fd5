package rules

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

func toText(v any) string { return fmt.Sprintf("%v;", v) }

// mostBytes bounds what decoding a row may ask for, for each of its bytes: the largest element of a list is a line of an
// order, which takes at least one byte. Beside it a constant for what is always made.
const mostBytes = 256

// allocates says how many bytes f asks for.
func allocates(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Whatever the bytes of a fact's row are, decoding them ends with a fact or an error, within memory in proportion to them;
// and what it reads is written and read as the same again.
func FuzzDecodeFact(f *testing.F) {
	rows := memoryRows{}
	testAccount(f, testLedger(f), rows, 2)
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		f.Add([]byte(key), rows[key])
	}
	f.Add([]byte("f\x80\x00\x01\x9c\xa7\x00\x00\x00\x0ae1"), []byte("\x01\x01\x00\x00\x00\x02o1\x01\x03CNY\x00\x00\xff\xff\xff\xff\x0f"))
	f.Add([]byte("f\x80\x00\x01\x9c\xa7\x00\x00\x00\x14e1"), []byte{2})
	f.Fuzz(func(t *testing.T, rowKey, row []byte) {
		key, err := factKeyOf(rowKey)
		if err != nil {
			key = factKey{kind: orderFact, event: "e"}
		}
		var got *fact
		asked := allocates(func() { got, err = decodeFact(key, row) })
		if limit := uint64(mostBytes*len(row)) + 64<<10; asked > limit {
			t.Fatalf("%d bytes made the decoder ask for %d", len(row), asked)
		}
		if err != nil {
			return
		}
		again, err := decodeFact(key, encoded(got))
		if err != nil || toText(*again.withoutPointers()) != toText(*got.withoutPointers()) {
			t.Fatalf("%+v was read again as %+v (%v)", got, again, err)
		}
	})
}

func (f *fact) withoutPointers() *struct {
	fact    fact
	order   orderEvent
	checkIn checkInEvent
	profile profileEvent
	command commandEvent

	redemption redemptionEvent
	others     string
} {
	out := &struct {
		fact    fact
		order   orderEvent
		checkIn checkInEvent
		profile profileEvent
		command commandEvent

		redemption redemptionEvent
		others     string
	}{fact: *f}
	if f.order != nil {
		out.order = *f.order
	}
	if f.checkIn != nil {
		out.checkIn = *f.checkIn
	}
	if f.profile != nil {
		out.profile = *f.profile
	}
	if f.command != nil {
		out.command = *f.command
	}
	if f.redemption != nil {
		out.redemption = *f.redemption
	}
	if f.referral != nil {
		out.others = toText(*f.referral)
	}
	out.others += toText(f.asked.all())
	if f.award != nil {
		plain := *f.award
		if plain.corrects != nil {
			out.others += toText(*plain.corrects)
		}
		plain.corrects = nil
		out.others += toText(plain)
	}
	out.fact.order, out.fact.checkIn, out.fact.profile, out.fact.command, out.fact.redemption = nil, nil, nil, nil, nil
	out.fact.referral, out.fact.award, out.fact.asked = nil, nil, nil
	return out
}

// Whatever the bytes of an account's head, base and page rows are, opening it, deciding an event in the past (which reads
// everything) and saving end with a result or an error, within bounded memory.
func FuzzOpenAccount(f *testing.F) {
	ledger := testLedger(f)
	rows := memoryRows{}
	testAccount(f, ledger, rows, 90)
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if key[0] != factRows[0] {
			f.Add([]byte(key), rows[key])
			f.Add([]byte(key), rows[key][:len(rows[key])/2])
		}
	}
	f.Add([]byte(headRow), []byte("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		hostile := maps.Clone(rows)
		hostile[string(key)] = value
		var err error
		asked := allocates(func() { err = openAndDecide(ledger, hostile) })
		if limit := uint64(mostBytes*len(value)) + 8<<20; asked > limit {
			t.Fatalf("%d bytes in row %q made the account ask for %d (%v)", len(value), key, asked, err)
		}
	})
}

func openAndDecide(ledger *Ledger, rows memoryRows) error {
	a, err := ledger.Open("anna", rows)
	if err != nil {
		return err
	}
	HeadDue([]byte(headRow), rows[headRow])
	for key, value := range rows {
		if _, err := DescribeRow([]byte(key), value); err != nil {
			break // it is hostile; that it is an error is all that is asked
		}
	}
	at := time.Date(2026, 5, 20, 10, 0, 0, 0, time.UTC)
	err = a.Handle(Event{Source: schemas.Source{Topic: schemas.TopicCheckIns}, CheckIn: &schemas.CheckIn{EventID: "late", MemberID: "anna", OccurredAt: at, Activity: "check-in"}}, new(Outcome))
	if err != nil {
		return err
	}
	a.Save(new(Buffer), func(_, _ []byte) {})
	return nil
}

// So it is with what is left of grants, where the programme follows what is spent.
func FuzzOpenLots(f *testing.F) {
	ledger, rows := testLotsLedger(f), memoryRows{}
	testAccount(f, ledger, rows, 40)
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if key[0] != factRows[0] {
			f.Add([]byte(key), rows[key])
			f.Add([]byte(key), rows[key][:len(rows[key])/2])
		}
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		hostile := maps.Clone(rows)
		hostile[string(key)] = value
		var err error
		asked := allocates(func() { err = openAndDecide(ledger, hostile) })
		if limit := uint64(mostBytes*len(value)) + 8<<20; asked > limit {
			t.Fatalf("%d bytes in row %q made the account ask for %d (%v)", len(value), key, asked, err)
		}
	})
}

// testLotsLedger is a programme whose points expire.
func testLotsLedger(t testing.TB) *Ledger {
	t.Helper()
	p, problems := programme.Parse(map[string][]byte{"p.yaml": []byte(`programme: shop
currency: CNY
time_zone: Asia/Shanghai
return_window: 20 days
redemptions: true
clawback: within_balance
expiry: {after: 6 months}
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: visit, on: check_in, earn: {points: 3}, expiry: {after: 2 days}}
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
