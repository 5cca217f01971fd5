//go:build race

package processor

// raceEnabled: the race detector makes a simulation several times slower, and there is one goroutine in it.
const raceEnabled = true
