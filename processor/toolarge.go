package processor

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// This file is about transactions that do not get through however often they are tried.

// place is where a record was read.
type place struct {
	Partition
	offset int64
}

// isTooLarge says that a broker, or the client before it, does not take something because of its size.
func isTooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}

// tooLarge is why a record is a dead letter: what comes of it does not fit into a topic.
type tooLarge struct{ cause error }

func (e *tooLarge) Error() string {
	return fmt.Sprintf("what comes of it is larger than a topic takes, raise max.message.bytes there: %s", e.cause)
}
func (e *tooLarge) Unwrap() error { return e.cause }

// sizeTries is how often a record must be refused for its size, alone and in a row, before it is given up: a limit can be wrong
// for a moment, while it is being changed, and a dead letter is for good.
const sizeTries = 3

// condemned is a record of which what comes does not fit.
type condemned struct {
	why     *tooLarge
	refused int // how often; from sizeTries on it goes to the dead letters
}

// condemn finds the record that a transaction was aborted for, if it is the only one in it: the halves have come down to it. When
// it was refused often enough it is not decided again, but goes to the dead letters.
func (l *Lane) condemn(t *transaction, why error) {
	if !isTooLarge(why) || t.records != 1 {
		return
	}
	c := l.condemned[t.last]
	if c == nil {
		if l.condemned == nil {
			l.condemned = make(map[place]*condemned)
		}
		c = &condemned{}
		l.condemned[t.last] = c
	}
	c.why = &tooLarge{why}
	if c.refused++; c.refused == sizeTries {
		l.log.Error("what comes of a record is larger than a topic takes, it goes to the dead letters",
			"topic", t.last.Topic, "partition", t.last.Partition.Partition, "offset", t.last.offset, "err", why)
	}
}

// isCondemned says why a record goes to the dead letters without being decided; nil: it does not.
func (l *Lane) isCondemned(r *Record) *condemned {
	if c := l.condemned[place{r.Partition, r.Offset}]; c != nil && c.refused >= sizeTries {
		return c
	}
	return nil
}

// letterBytes bounds the dead letter of a condemned record.
func (l *Lane) letterBytes(c *condemned) int64 {
	if c.refused > sizeTries {
		return 0 // its dead letter was refused, too: as short as it gets
	}
	return l.o.MaxRecordBytes
}

// pardon forgets those that are answered.
func (l *Lane) pardon() {
	for at := range l.condemned {
		if p := l.parts[at.Partition]; p == nil || p.committed > at.offset {
			delete(l.condemned, at)
		}
	}
}

// calm pauses a lane whose transactions come to nothing although they cannot be made smaller any more: what it is, is outside,
// and to go on as fast as possible would help nobody.
func (l *Lane) calm(t *transaction, why error) {
	if t.records > 1 || l.limit > 1 {
		return
	}
	if l.aborts++; l.aborts <= 1 {
		return
	}
	pause := min(retryPause<<min(l.aborts, 10), retryPauseMax)
	l.wait(UnreadyBrokers, fmt.Errorf("transactions are aborted again and again: %w", why), l.o.Now().Add(pause))
}
