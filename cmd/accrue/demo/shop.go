package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"accrue/schemas"
)

// Members is how many members the shop has. Their names are the same in every run.
const Members = 200

// Bounds of what the shop remembers.
const (
	openOrders   = 500 // that may still come back
	recentEvents = 50  // that may be sent twice
)

// Delivery is one record as the shop sends it.
type Delivery struct {
	Topic string
	Key   string
	Value []byte
}

// Shop makes up what happens in a shop. It goes on from run to run: members, orders that may still come back and the number of
// the run, which is in all ids, so that none is ever used twice by accident. It belongs to one goroutine.
type Shop struct {
	file    string
	encoder *schemas.Encoder
	orders  string // topics
	checks  string
	random  *rand.Rand
	memory  memory
	number  int64 // of the last event of this run
	recent  []Delivery
	next    []func(now time.Time) (Delivery, error) // what has to follow
}

// memory is what the shop keeps on disk.
type memory struct {
	Run  uint64      `json:"run"`
	Open []openOrder `json:"open_orders"`
}

// openOrder is a paid order of which something may come back.
type openOrder struct {
	Member   string         `json:"member"`
	ID       string         `json:"id"`
	Currency string         `json:"currency"`
	Lines    []schemas.Line `json:"lines"`
}

// OpenShop opens the shop whose memory is in file. The encoder has the ids of orders and check-ins.
func OpenShop(file string, encoder *schemas.Encoder, orders, checkIns string) (*Shop, error) {
	s := &Shop{file: file, encoder: encoder, orders: orders, checks: checkIns}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("open shop: %w", err)
	default:
		if err := json.Unmarshal(text, &s.memory); err != nil {
			return nil, fmt.Errorf("open shop: %s: %w", file, err)
		}
	}
	// Kept before the first event: a run that is killed has used its number up.
	s.memory.Run++
	if err := s.Save(); err != nil {
		return nil, err
	}
	s.random = rand.New(rand.NewPCG(s.memory.Run, 0)) //nolint:gosec // a shop to look at, not a secret
	return s, nil
}

// Run is the number of this run, from 1.
func (s *Shop) Run() uint64 { return s.memory.Run }

// Save keeps the shop's memory.
func (s *Shop) Save() error {
	text, err := json.Marshal(s.memory)
	if err != nil {
		return fmt.Errorf("keep the shop's memory: %w", err)
	}
	if err := os.WriteFile(s.file+".new", text, 0o600); err != nil {
		return fmt.Errorf("keep the shop's memory: %w", err)
	}
	if err := os.Rename(s.file+".new", s.file); err != nil {
		return fmt.Errorf("keep the shop's memory: %w", err)
	}
	return nil
}

// Next is the next record that the shop sends.
func (s *Shop) Next(now time.Time) (Delivery, error) {
	now = now.UTC().Truncate(time.Millisecond)
	happen := s.choose()
	if len(s.next) > 0 {
		happen, s.next = s.next[0], s.next[1:]
	}
	s.number++
	d, err := happen(now)
	if err != nil {
		return d, fmt.Errorf("make up event %d: %w", s.number, err)
	}
	if len(s.recent) < recentEvents {
		s.recent = append(s.recent, d)
	} else {
		s.recent[s.number%recentEvents] = d
	}
	return d, nil
}

// choose draws what happens, by weight.
func (s *Shop) choose() func(time.Time) (Delivery, error) {
	happenings := [...]struct {
		weight int
		happen func(time.Time) (Delivery, error)
	}{
		{52, s.order}, {20, s.checkIn}, {3, s.bindPhone}, {9, s.partBack}, {5, s.allBack}, {3, s.again}, {4, s.late}, {4, s.rubbish},
	}
	draw := s.random.IntN(100)
	for _, h := range happenings {
		if draw -= h.weight; draw < 0 {
			return h.happen
		}
	}
	return s.order
}

// member draws one; a few come often, many seldom.
func (s *Shop) member() string {
	u := s.random.Float64()
	return MemberName(int(u * u * Members))
}

// MemberName is the id of member i, from 0 on.
func MemberName(i int) string {
	families := [...]string{"wang", "li", "zhang", "liu", "chen", "yang", "zhao", "huang", "zhou", "wu", "xu", "sun", "hu", "zhu", "gao", "lin", "he", "guo", "ma", "luo"}
	given := [...]string{"fang", "wei", "min", "jing", "lei", "yan", "tao", "mei", "jun", "xia"}
	return families[i%len(families)] + "-" + given[i/len(families)%len(given)]
}

func (s *Shop) id(kind string) string { return fmt.Sprintf("%s-%d-%d", kind, s.memory.Run, s.number) }

// deliver encodes a record.
func (s *Shop) deliver(topic, member string, value any) (Delivery, error) {
	bytes, err := s.encoder.Append(nil, value)
	return Delivery{Topic: topic, Key: member, Value: bytes}, err
}

// keep remembers a paid order.
func (s *Shop) keep(o *schemas.Order) {
	s.memory.Open = append(s.memory.Open, openOrder{Member: o.MemberID, ID: o.OrderID, Currency: o.Currency, Lines: o.Lines})
	if len(s.memory.Open) > openOrders {
		s.memory.Open = s.memory.Open[1:]
	}
}

// take takes an order out that something is to come back of.
func (s *Shop) take() (openOrder, bool) {
	n := len(s.memory.Open)
	if n == 0 {
		return openOrder{}, false
	}
	i := s.random.IntN(n)
	o := s.memory.Open[i]
	s.memory.Open = append(s.memory.Open[:i:i], s.memory.Open[i+1:]...)
	return o, true
}
