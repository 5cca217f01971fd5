package processor

import (
	"context"
	"testing"
)

// A lane that ends with an error closes its client while a commit is under way. The commit comes to nothing, and the process goes
// on: before, it looked for the consumer that was no more.
func TestCloseDuringACommit(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &client{ctx: ctx, cancel: cancel}
	c.Close(t.Context())
	err := c.commitOffsets(ctx, &txnProducer{}, Commit{})
	if err == nil {
		t.Error("offsets are committed by a client that is closed")
	}
}
