package processor

import (
	"context"
	"log/slog"
	"time"

	"accrue/schemas"
	"accrue/state"
)

// LaneOptions are the surroundings of a lane. All but those marked are required.
type LaneOptions struct {
	Number          int
	TransactionalID string // stable over restarts; no blanks
	Shards          int32  // N: partitions of the internal topics
	Topics          Topics
	Programmes      Programmes
	Store           *state.Store
	Writers         *Writers // shared by the lanes over one store; nil: this is the only one
	Decoder         Decoder
	Encoder         Encoder
	Now             func() time.Time // the only clock
	Log             *slog.Logger
	Observer        Observer // nil: nobody

	CommitInterval     time.Duration // 0: 100 ms
	MaxRecords         int           // input records a transaction; 0: 10,000
	MaxBytes           int64         // produced bytes a transaction; 0: 2 MiB
	PollRecords        int           // records taken at once, between two looks at the group; 0: 500
	MaxRecordBytes     int64         // the largest record that is produced; 0: 1,000,000
	CacheBytes         int64         // accounts in memory, all shards together; 0: 32 MiB
	TransactionTimeout time.Duration // as the producer has it; 0: 10 s
	TimersQuiet        time.Duration // while an input brings only what happened longer ago, and so long after, time waits; 0: a minute
	StaleAfter         time.Duration // a store that slept longer is restored from nothing; 0: 84 h, half of delete.retention.ms
	StopTimeout        time.Duration // how long a graceful stop may take; 0: 10 s
}

// Decoder turns the bytes of a record of a kind into its type (*schemas.Order and so on). A *schemas.BadRecord says that the
// record will never do; any other error that it is worth another try.
type Decoder interface {
	Decode(ctx context.Context, kind schemas.Kind, data []byte) (any, error)
}

// Encoder appends the wire form of an output record (*schemas.PointGrant and so on).
type Encoder interface {
	Append(dst []byte, value any) ([]byte, error)
}

func (o LaneOptions) withDefaults() LaneOptions {
	or := func(d *time.Duration, standard time.Duration) {
		if *d == 0 {
			*d = standard
		}
	}
	or(&o.CommitInterval, 100*time.Millisecond)
	or(&o.TransactionTimeout, 10*time.Second)
	or(&o.StaleAfter, 84*time.Hour)
	or(&o.TimersQuiet, time.Minute)
	or(&o.StopTimeout, 10*time.Second)
	if o.MaxRecords == 0 {
		o.MaxRecords = 10_000
	}
	if o.PollRecords == 0 {
		o.PollRecords = 500
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 2 << 20
	}
	if o.MaxRecordBytes == 0 {
		o.MaxRecordBytes = 1_000_000
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 32 << 20
	}
	if o.Writers == nil {
		o.Writers = NewWriters()
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return o
}
