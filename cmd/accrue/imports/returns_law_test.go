package imports_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"accrue/cmd/accrue/imports"
	"accrue/schemas"
)

// Whatever is bought and brought back, in rows of any order: no line gives back more than was bought of it, in pieces and in money; what
// comes back is in events with all its pieces or is refused; an event never comes before what it needs; event ids are different;
// and the same file gives the same events.
func TestReturnsAreWithinOrders(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		mapping := good(t, "", "")
		if rapid.Bool().Draw(r, "spread") {
			mapping += "returns: {spread: true}\n"
		}
		header := "id,member,at,sku,pieces,amount"
		var rows []string
		returned := map[string]int64{} // pieces by the id of what brings them back
		for i := range rapid.IntRange(1, 40).Draw(r, "rows") {
			member, at := rapid.IntRange(1, 3).Draw(r, "member"), rapid.IntRange(0, 40).Draw(r, "at")
			sku, pieces := rapid.SampledFrom([]string{"a", "b"}).Draw(r, "sku"), rapid.Int64Range(1, 5).Draw(r, "pieces")
			amount := rapid.Int64Range(0, 1000).Draw(r, "amount")
			id, sign := fmt.Sprintf("o%d-%d", member, at/4), ""
			if rapid.IntRange(0, 2).Draw(r, "back") == 0 {
				id, sign = fmt.Sprintf("c%d", i), "-"
				returned[id] = pieces
			}
			rows = append(rows, fmt.Sprintf("%s,m%d,2024-01-01 10:%02d:00,%s,%s%d,%s%d.%02d", id, member, at, sku, sign, pieces, sign, amount/100, amount%100))
		}
		file := []byte(header + "\n" + strings.Join(rows, "\n") + "\n")
		events, refused := lawEvents(t, r, mapping, file)
		left := map[string]*schemas.Line{}
		seen, back := map[string]bool{}, map[string]int64{}
		for i := range events {
			o := &events[i]
			if seen[o.EventID] {
				r.Errorf("event id %s stands twice", o.EventID)
			}
			seen[o.EventID] = true
			if i > 0 && o.OccurredAt.Before(events[i-1].OccurredAt) {
				r.Errorf("event %d comes before the one before it", i)
			}
			for j := range o.Lines {
				left[o.OrderID+"/"+o.Lines[j].LineID] = &o.Lines[j]
			}
			for _, b := range o.RefundedLines {
				l := left[o.OrderID+"/"+b.LineID]
				if l == nil || b.Quantity > l.Quantity || b.Amount > l.Amount || b.Quantity < 1 || b.Amount < 0 {
					r.Fatalf("%s takes %+v of what is left: %+v", o.EventID, b, l)
				}
				l.Quantity, l.Amount = l.Quantity-b.Quantity, l.Amount-b.Amount
				back[strings.Split(o.EventID, "/")[1]] += b.Quantity
			}
		}
		for id, pieces := range returned {
			if back[id] != pieces && (back[id] != 0 || !refused[id]) {
				r.Errorf("of the %d pieces of %s %d came back; refused: %t", pieces, id, back[id], refused[id])
			}
		}
		again, _ := lawEvents(t, r, mapping, file)
		if fmt.Sprint(again) != fmt.Sprint(lawUndone(t, r, mapping, file)) {
			r.Error("a second import gives other events")
		}
		// Rows in another order: the same orders with the same ids and sums.
		shuffled := slices.Clone(rows)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		other, _ := lawEvents(t, r, mapping, []byte(header+"\n"+strings.Join(shuffled, "\n")+"\n"))
		if a, b := salesOf(again), salesOf(other); fmt.Sprint(a) != fmt.Sprint(b) {
			r.Errorf("with its rows in another order the file holds other orders:\n%v\n%v", a, b)
		}
	})
}

// salesOf are the orders, with what does not depend on the order of rows.
func salesOf(events []schemas.Order) (list []string) {
	for i := range events {
		if o := &events[i]; o.Status == schemas.Paid {
			sum := int64(0)
			for _, l := range o.Lines {
				sum += l.Amount
			}
			list = append(list, fmt.Sprint(o.EventID, o.OccurredAt, len(o.Lines), sum))
		}
	}
	slices.Sort(list)
	return list
}

func lawUndone(t *testing.T, r *rapid.T, mapping string, file []byte) []schemas.Order {
	events, _ := lawEvents(t, r, mapping, file)
	return events
}

func lawEvents(t *testing.T, r *rapid.T, mapping string, file []byte) (events []schemas.Order, refused map[string]bool) {
	m, problems := imports.ReadMapping("m", []byte(mapping))
	if len(problems) > 0 {
		r.Fatal(problems)
	}
	refused = map[string]bool{}
	_, err := imports.New(m, imports.Options{
		SortBytes: 700,
		Refused:   func(no imports.Refusal) { refused[no.Order] = true },
		Event:     func(o *schemas.Order) error { events = append(events, *o); return nil },
	}).Run(t.Context(), "x.csv", bytes.NewReader(file))
	if err != nil {
		r.Fatal(err)
	}
	return events, refused
}
