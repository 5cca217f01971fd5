package processor

import (
	"fmt"
	"strings"
	"time"

	"accrue/state"
)

// stage is how far a transaction has come.
type stage int

const (
	filling    stage = iota // records are decided into it
	flushing                // all is produced and must be acknowledged
	committing              // its offsets and its end are on their way
	aborting                // it is being dropped
	committed               // it is committed and not yet in the store
)

func (s stage) String() string {
	return [...]string{"filling", "flushing", "committing", "aborting", "committed"}[s]
}

// transaction is what a lane decided since the last one: outputs, changes of state, and up to where the inputs were read.
// All of it becomes true together or not at all.
type transaction struct {
	number uint64 // counts this lane's transactions
	epoch  int64  // assignment epoch in which it was begun
	begun  time.Time
	stage  stage

	outputs  []Output
	produced int       // outputs given to Kafka already
	bytes    int64     // of outputs; those of the changelog are in overlays
	records  int       // input records in it
	last     place     // of them; valid where there are any
	oldest   time.Time // timestamp of the oldest of them; zero: none

	overlays map[int32]*state.Overlay // by shard, for each that was worked on
	next     map[*position]int64      // offsets that the inputs are read up to

	// offsets are the changelog positions that it leaves the shards at; known after the flush.
	offsets map[int32]int64

	why    error // why it is being dropped, while aborting
	report Report
}

// overlay returns the changes of a shard, and opens the shard for changes if it is not yet.
func (t *transaction) overlay(h *held) *state.Overlay {
	o := t.overlays[h.id]
	if o == nil {
		o = state.NewOverlay()
		t.overlays[h.id] = o
		h.shard.Begin(o, t.number)
	}
	return o
}

// add takes an output in.
func (t *transaction) add(o Output) {
	t.outputs = append(t.outputs, o)
	t.bytes += o.bytes()
}

// size is the bytes that it produces, changelog included.
func (t *transaction) size() int64 {
	n := t.bytes
	for _, o := range t.overlays {
		n += int64(o.Bytes() + o.Len()*recordOverhead)
	}
	return n
}

// empty says that there is nothing to write. Then there is nothing to commit: what was read were markers. (A transaction in
// which nothing was produced is not known to the broker; to commit offsets in one leaves them pending for good.)
func (t *transaction) empty() bool {
	if len(t.outputs) > 0 {
		return false
	}
	for _, o := range t.overlays {
		if o.Len() > 0 {
			return false
		}
	}
	return true
}

// metadata is what stands beside the committed offset of a shard's partition of `<app>-effects`: up to where the changelog
// is, of which topic, and who wrote it.
type metadata struct {
	Position  int64  // next changelog offset: everything committed is below
	Writer    string // transactional id
	ClusterID string
	TopicID   string
}

// metadataFormat is the first word of the metadata.
const metadataFormat = "accrue/1"

// String is the metadata as it is committed. Ids hold no blank: the engine checks its own, Kafka's are base64.
func (m metadata) String() string {
	return fmt.Sprintf("%s %d %s %s %s", metadataFormat, m.Position, m.Writer, m.ClusterID, m.TopicID)
}

// parseMetadata is the inverse of String. Empty metadata, as a tool that resets offsets leaves it, is no error and not there.
func parseMetadata(text string) (m metadata, there bool, err error) {
	if text == "" {
		return m, false, nil
	}
	words := strings.Split(text, " ")
	if len(words) != 5 || words[0] != metadataFormat {
		return m, false, fmt.Errorf("offset metadata %q is not of the form %q", text, metadataFormat+" POSITION WRITER CLUSTER TOPIC")
	}
	if _, err := fmt.Sscanf(words[1], "%d", &m.Position); err != nil || m.Position < 0 {
		return m, false, fmt.Errorf("offset metadata %q has no position", text)
	}
	m.Writer, m.ClusterID, m.TopicID = words[2], words[3], words[4]
	return m, true, nil
}
