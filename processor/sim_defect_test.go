package processor

import "time"

// simDefect is a deliberate defect, behind the interface.
type simDefect struct {
	kafka         func(l *simLane) Kafka
	anyGeneration bool
	unstable      bool
	dirty         bool
	skew          time.Duration
}
