//go:build !race

package processor

// raceEnabled: see the other one.
const raceEnabled = false
