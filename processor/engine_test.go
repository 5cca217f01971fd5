package processor

import (
	"testing"
)

// An order becomes a grant: every input record is answered once, with the grants that the same events give without Kafka.
func TestEngineAnswersEachRecordOnce(t *testing.T) {
	s := newShop(t, 4)
	s.trade(200)
	e := s.run(newMachine("a"), func(o *Options) { o.Lanes = 2 })
	s.check(s.read())
	s.trade(50)
	s.check(s.read())
	if got, want := sorted(dump(t, e.Store())), s.changelog(); got != want {
		t.Errorf("store:\n%s\nchangelog:\n%s", got, want)
	}
	e.end()
}
