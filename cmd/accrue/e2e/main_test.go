package e2e_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"accrue/deploy/kafka/kafkatest"
)

// machine is what all tests share. It is set before the first test and not changed after.
type machine struct {
	accrue   string // the binary
	kafka    *kafkatest.Cluster
	registry string // its URL
	seed     uint64 // of what is chosen at random
	faults   time.Duration
	trial    bool
}

var shared machine //nolint:gochecknoglobals // TestMain has no other way to hand over what it started

func TestMain(m *testing.M) {
	flag.Uint64Var(&shared.seed, "seed", rand.Uint64(), "what is chosen at random follows from it")
	flag.DurationVar(&shared.faults, "faults", 40*time.Second, "for how long TestFaults strikes")
	flag.BoolVar(&shared.trial, "trial", false, "run TestBudgetToTheLastPoint at its full size: it takes most of half an hour")
	flag.Parse()
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests:", err)
		code = 1
	}
	os.Exit(code)
}

// runAll builds the binary, starts a broker and a registry, runs the tests and removes everything.
func runAll(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "accrue-e2e")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	shared.accrue = filepath.Join(dir, "accrue")
	if out, err := exec.Command("go", "build", "-o", shared.accrue, "accrue/cmd/accrue").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building the command: %w\n%s", err, out)
	}
	if shared.kafka, err = kafkatest.Launch(dir, 1); err != nil {
		return 1, fmt.Errorf("starting a Kafka: %w", err)
	}
	defer func() { err = errors.Join(err, shared.kafka.Close()) }()
	if shared.registry, err = shared.kafka.RegistryURL(); err != nil {
		return 1, fmt.Errorf("starting a registry: %w", err)
	}
	return m.Run(), nil
}
