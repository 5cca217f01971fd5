// Command testsummary reads what `go test -json` writes, of one run or of several after each other, and prints it for
// people: go test's own line for each package, the whole output of each test that failed, and last the counts,
// "N passed, N failed". It exits with 1 when something failed or when no test ran at all.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	ImportPath  string // of build-output
	FailedBuild string // on a package's fail: its build did
}

// summary gathers what the end of a test decides about: whether its output is worth reading.
type summary struct {
	out    io.Writer
	output map[string][]string // by package and test, until that test ends
	passed int
	failed int
}

func main() {
	s := &summary{out: os.Stdout, output: map[string][]string{}}
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsummary: reading the events:", err)
		os.Exit(1)
	}
	fmt.Printf("%d passed, %d failed\n", s.passed, s.failed)
	if s.failed > 0 || s.passed == 0 {
		os.Exit(1)
	}
}

func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				s.take(e)
			} else {
				// Not an event: something else wrote to the pipe, and nothing that was said is dropped.
				fmt.Fprintf(s.out, "%s", line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) {
	key := e.Package + "\x00" + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		if e.Test == "" {
			s.packageOutput(e)
			return
		}
		s.output[key] = append(s.output[key], e.Output)
	case "pass", "skip":
		if e.Test != "" && e.Action == "pass" {
			s.passed++
		}
		delete(s.output, key)
	case "fail":
		s.fail(e, key)
	}
}

// packageOutput prints go test's closing lines at once. "PASS" says the same again. Other lines of a package, such as
// those of a panic outside of any test, are printed as well.
func (s *summary) packageOutput(e event) {
	if e.Output != "PASS\n" && e.Output != "FAIL\n" {
		fmt.Fprint(s.out, e.Output)
	}
}

// logsFirst puts what processes have logged before what the test itself says: that is read first, and logs are long.
func logsFirst(lines []string) []string {
	isLog := func(line string) bool { return strings.Contains(line, "time=") && strings.Contains(line, " level=") }
	var logs, own []string
	for _, line := range lines {
		if isLog(line) {
			logs = append(logs, line)
		} else {
			own = append(own, line)
		}
	}
	return append(logs, own...)
}

func (s *summary) fail(e event, key string) {
	if e.Test != "" {
		s.failed++
		fmt.Fprint(s.out, strings.Join(logsFirst(s.output[key]), ""))
		delete(s.output, key)
		return
	}
	// A package fails because its tests do, which are counted; or by itself: it does not compile, it ran out of time or
	// its process ended. Then tests that never ended have output left, and that tells where it was.
	printed := 0
	for k, lines := range s.output {
		if strings.HasPrefix(k, e.Package+"\x00") {
			fmt.Fprint(s.out, strings.Join(lines, ""))
			delete(s.output, k)
			printed++
		}
	}
	if e.FailedBuild != "" || printed > 0 {
		s.failed++
	}
}
