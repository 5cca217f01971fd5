package e2e_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/schemas"
)

// euros is a programme that gives a point for a euro.
const euros = `
programme: euros
currency: EUR
time_zone: UTC
return_window: 90 days
rules: [{id: spend, on: order, earn: {points: 1, per: 1.00}}]
`

// letterList is what `accrue dlq list --json` prints.
type letterList struct {
	Letters []struct {
		ID      string
		Tries   int
		Retried *struct{ By string }
	}
}

// Orders of a schema that the registry does not have are buried. Once it has it they are sent again, by two people at once: each once, and
// each counts. What can never be read is buried again, and tells that it was tried.
func TestDeadLettersAgain(t *testing.T) {
	s := newStage(t, "letters", euros)
	e := s.engine("a", 1, "")
	s.accrue("", "topics", "apply", "--config", e.config)
	run := time.Now().UnixNano()
	missing := s.register(fmt.Sprintf("before_%d", run)) + 1 // the registry counts
	records := s.ordersOf(missing)
	records = append(records, &kgo.Record{Topic: schemas.TopicOrders, Value: []byte("no order")})
	e.start()
	for _, result := range s.client.ProduceSync(t.Context(), records...) {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	}
	buried := s.awaitLetters(e, len(records))
	e.stop() // it would believe for some seconds more that there is no such schema
	if id := s.register(fmt.Sprintf("after_%d", run)); id != missing {
		t.Fatalf("the registry gave the schema the number %d, not the next one, %d", id, missing)
	}
	var ids []string
	for _, l := range buried.Letters {
		ids = append(ids, l.ID)
	}
	var work sync.WaitGroup
	for _, by := range []string{"ann", "ben"} {
		args := append([]string{"dlq", "retry", "--yes", "--by", by, "--config", e.config}, ids...)
		work.Go(func() {
			s.await("all letters are sent", time.Minute, func() string { // who is fenced off by the other tries again
				_, err := s.try("", args...)
				return problem(err, false, "")
			})
		})
	}
	work.Wait()

	e.start()
	w := s.wallet()
	s.await("each record is answered both times", time.Minute, func() string { // offsets say nothing here: a retry ends with a marker
		w.read()
		return problem(nil, len(w.answers) != 2*len(records), "%d answers to %d records", len(w.answers), len(records))
	})
	again := s.awaitLetters(e, len(records)+1)
	tries := map[int]int{}
	for _, l := range again.Letters {
		tries[l.Tries]++
		if (l.Retried != nil) != (l.Tries == 0) {
			t.Errorf("letter %s of try %d was sent again: %t", l.ID, l.Tries, l.Retried != nil)
		}
	}
	if tries[0] != len(records) || tries[1] != 1 {
		t.Errorf("letters by tries: %v", tries)
	}
	w.awaitPoints("m0 10, m1 10, m2 10", time.Minute)
	if out := s.accrue("", "verify", "--config", e.config); !strings.Contains(out, fmt.Sprintf("%d dead letters", len(records)+1)) {
		t.Errorf("verify says:\n%s", out)
	}
}

// ordersOf are three orders of 10 EUR, each of a member of its own, of a schema with one field more than ours.
func (s *stage) ordersOf(schema int) (records []*kgo.Record) {
	s.t.Helper()
	b := s.rubbish()
	for n := range 3 {
		record := b.record(&schemas.Order{
			EventID: fmt.Sprintf("e%d", n), OrderID: fmt.Sprintf("o%d", n), MemberID: fmt.Sprintf("m%d", n), Status: schemas.Paid,
			OccurredAt: time.Now().UTC().Truncate(time.Millisecond), Currency: "EUR", Lines: []schemas.Line{{LineID: "1", SKU: "tea", Quantity: 1, Amount: 1000}},
		})
		binary.BigEndian.PutUint32(record.Value[1:], uint32(schema)) // behind the magic byte
		record.Value = append(record.Value, 0)                       // an empty text
		records = append(records, record)
	}
	return records
}

// awaitLetters waits until there are so many dead letters.
func (s *stage) awaitLetters(e *engine, n int) (list letterList) {
	s.t.Helper()
	s.await(fmt.Sprintf("there are %d dead letters", n), time.Minute, func() string {
		out, err := s.try("", "dlq", "list", "--json", "-n", "100", "--config", e.config)
		list = letterList{}
		if err == nil {
			err = json.Unmarshal([]byte(out), &list)
		}
		return problem(err, len(list.Letters) != n, "there are %d", len(list.Letters))
	})
	return list
}

// register gives the registry a schema of orders that has one field more, under a subject of its own, and returns its number.
func (s *stage) register(field string) int {
	s.t.Helper()
	var schema map[string]any
	if err := json.Unmarshal([]byte(schemas.KindOrder.SchemaText()), &schema); err != nil {
		s.t.Fatal(err)
	}
	fields, ok := schema["fields"].([]any)
	if !ok {
		s.t.Fatal("the schema of orders has no fields")
	}
	schema["fields"] = append(fields, map[string]any{"name": field, "type": "string", "default": ""})
	text, err := json.Marshal(schema)
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"schema": string(text)})
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, shared.registry+"/subjects/newer-orders/versions", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	answer, err := io.ReadAll(response.Body)
	var given struct {
		ID int `json:"id"`
	}
	if err == nil {
		err = json.Unmarshal(answer, &given)
	}
	if err != nil || given.ID == 0 {
		s.t.Fatalf("registering a schema: %s: %s: %v", response.Status, answer, err)
	}
	return given.ID
}
