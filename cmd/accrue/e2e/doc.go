// Package e2e tests the command as its users run it: the binary in processes of its own, a real Kafka, a real schema registry,
// and a shop whose members order and return. It holds tests only.
//
// What the engine wrote is read as a wallet reads it (read_committed) and compared with what `accrue simulate` says of the same
// events at the same instant. Processes are killed with -9, their disks wiped, the broker restarted. Where a test takes moments
// at random it logs the seed; `go test -seed N` takes the same choices again, though not at the same point of a process's life.
//
//	main_test.go      the binary, the broker and the registry that all tests share
//	stage_test.go     one test's topics, configuration and commands
//	process_test.go   a running engine: started, stopped, killed, looked at
//	wallet_test.go    what was written, and what should have been
//	shop_test.go      the events
package e2e
