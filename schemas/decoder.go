package schemas

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// SchemaSource gives the text of a writer's schema by its id. It answers an error that wraps [ErrSchemaUnknown] when there
// is none, one that wraps [ErrSchemaUnusable] when it will never be of use, and any other error when it cannot say now.
// It must be safe for concurrent use. [Registry] is one.
type SchemaSource interface {
	SchemaByID(ctx context.Context, id int) (string, error)
}

// Limits bound what one record may be. A zero field stands for its default.
type Limits struct {
	MaxBytes int // of a value, header included; default 2 MiB, twice Kafka's own default for a record batch
	MaxItems int // of all lists and maps of a record together; default 20,000
}

// The default limits. 20,000 lines of an order take about 3 MiB in memory.
const (
	defaultMaxBytes = 2 << 20
	defaultMaxItems = 20_000
)

// withDefaults fills in the defaults.
func (l Limits) withDefaults() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = defaultMaxBytes
	}
	if l.MaxItems <= 0 {
		l.MaxItems = defaultMaxItems
	}
	return l
}

// Bounds of the decoder's caches.
const (
	maxPlans   = 1_000           // writer's schemas; each up to about 1 MB, ours 30 KB
	maxUnknown = 10_000          // ids that the registry did not know
	unknownFor = 5 * time.Second // how long such an answer is believed: shorter than people take to send dead letters again
)

// DecoderOptions set up a Decoder. The zero value is good.
type DecoderOptions struct {
	Limits Limits
	// UnknownFor is how long a schema id that the registry did not know is answered without asking again; 0: 5 s.
	UnknownFor time.Duration
	// Now is the clock for it; nil: time.Now.
	Now func() time.Time
}

// Decoder turns values in wire format into records. It is safe for concurrent use.
type Decoder struct {
	source  SchemaSource
	options DecoderOptions
	plans   *cache[planKey, planned]
	unknown *cache[int, time.Time] // schema id: until when it is not asked for again
	inputs  sync.Pool              // *input
}

// planKey names a resolved schema.
type planKey struct {
	id   int
	kind Kind
}

// planned is a resolved schema, or why it cannot be resolved. A schema id never changes its meaning, so both stay.
type planned struct {
	decode func(*input) any
	bad    *BadRecord
}

// NewDecoder makes a decoder that takes the writers' schemas from source. At most one set of options may be given.
func NewDecoder(source SchemaSource, options ...DecoderOptions) *Decoder {
	var o DecoderOptions
	for _, given := range options {
		o = given
	}
	o.Limits = o.Limits.withDefaults()
	if o.UnknownFor <= 0 {
		o.UnknownFor = unknownFor
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Decoder{
		source: source, options: o,
		plans: newCache[planKey, planned](maxPlans), unknown: newCache[int, time.Time](maxUnknown),
		inputs: sync.Pool{New: func() any { return newInput() }},
	}
}

// Decode decodes a record's value into a new record of the kind: *Order, *CheckIn and so on. data is not kept. Texts of a
// record share memory with those of its neighbours in blocks of 1 KiB: clone (strings.Clone) what is kept for long.
//
// A *BadRecord says that the record is broken and stays so. Any other error says that the registry could not be asked or
// ctx ended: the same call may succeed later. A null value (nil, a profile's end) is the caller's to look at first; here
// it is a BadRecord.
func (d *Decoder) Decode(ctx context.Context, kind Kind, data []byte) (any, error) {
	if len(data) > d.options.Limits.MaxBytes {
		return nil, badRecord("the value has %d bytes, more than the limit of %d", len(data), d.options.Limits.MaxBytes)
	}
	id, body, err := SplitHeader(data)
	if err != nil {
		return nil, err
	}
	plan, ok := d.plans.get(planKey{id, kind})
	if !ok {
		if plan, err = d.plan(ctx, id, kind); err != nil {
			return nil, err
		}
	}
	if plan.bad != nil {
		return nil, plan.bad
	}
	value, bad := d.run(plan.decode, body)
	if bad != nil {
		bad.Reason = fmt.Sprintf("%s written with schema %d: %s", kind, id, bad.Reason)
		return nil, bad
	}
	return value, nil
}

// run decodes one body with a pooled input.
func (d *Decoder) run(decode func(*input) any, body []byte) (any, *BadRecord) {
	in, ok := d.inputs.Get().(*input)
	if !ok {
		in = newInput()
	}
	in.reset(body, d.options.Limits)
	value := decode(in)
	bad := in.end()
	in.reset(nil, d.options.Limits) // the pool must not keep the body
	d.inputs.Put(in)
	return value, bad
}

// plan fetches and resolves a writer's schema. A plan with bad set is an answer too.
func (d *Decoder) plan(ctx context.Context, id int, kind Kind) (planned, error) {
	now := d.options.Now()
	if until, known := d.unknown.get(id); known {
		if now.Before(until) {
			return planned{}, badRecord("schema id %d is not in the registry", id)
		}
		d.unknown.drop(id)
	}
	text, err := d.source.SchemaByID(ctx, id)
	switch {
	case errors.Is(err, ErrSchemaUnknown):
		// Believed for a while only: the registry's replicas may lag behind a producer that has just registered.
		d.unknown.put(id, now.Add(d.options.UnknownFor))
		return planned{}, badRecord("schema id %d is not in the registry", id)
	case errors.Is(err, ErrSchemaUnusable):
		p := planned{bad: badRecord("schema id %d: %v", id, err)}
		d.plans.put(planKey{id, kind}, p)
		return p, nil
	case err != nil:
		return planned{}, fmt.Errorf("reading schema %d: %w", id, err)
	}
	var p planned
	if p.decode, err = compile(kind, text); err != nil {
		p.bad = badRecord("schema id %d cannot be read as %s: %v", id, kind, err)
	}
	d.plans.put(planKey{id, kind}, p)
	return p, nil
}

// compile resolves a writer's schema against our record.
func compile(kind Kind, text string) (func(*input) any, error) {
	r := recordOf(kind)
	if r == nil {
		return nil, fmt.Errorf("there is no record of %s", kind)
	}
	w, err := parseShape(text)
	if err != nil {
		return nil, err
	}
	return r.compileAny(w)
}

// CheckReadable reports why records that a writer wrote with a schema could not be read as the kind's record; nil when
// they can.
func CheckReadable(kind Kind, writerSchema string) error {
	_, err := compile(kind, writerSchema)
	return err
}
