package main

import (
	"bytes"
	"strings"
	"testing"
)

// A failed test is shown whole and counted, a passed one is only counted, a package that does not compile counts as a
// failure, and go test's own closing lines stay as they are.
func TestSummary(t *testing.T) {
	in := strings.Join([]string{
		`{"Action":"output","Package":"accrue/a","Test":"TestGood","Output":"noise of a good test\n"}`,
		`{"Action":"pass","Package":"accrue/a","Test":"TestGood"}`,
		`{"Action":"output","Package":"accrue/a","Test":"TestBad","Output":"    a_test.go:7: got 1, want 2\n"}`,
		`{"Action":"output","Package":"accrue/a","Test":"TestBad","Output":"    time=2026-01-01T00:00:00Z level=INFO msg=\"a log\"\n"}`,
		`{"Action":"output","Package":"accrue/a","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}`,
		`{"Action":"fail","Package":"accrue/a","Test":"TestBad"}`,
		`{"Action":"output","Package":"accrue/a","Output":"FAIL\n"}`,
		`{"Action":"output","Package":"accrue/a","Output":"FAIL\taccrue/a\t0.012s\n"}`,
		`{"Action":"fail","Package":"accrue/a"}`,
		`{"ImportPath":"accrue/b","Action":"build-output","Output":"b/b.go:3:1: syntax error\n"}`,
		`{"ImportPath":"accrue/b","Action":"build-fail"}`,
		`{"Action":"output","Package":"accrue/b","Output":"FAIL\taccrue/b [build failed]\n"}`,
		`{"Action":"fail","Package":"accrue/b","FailedBuild":"accrue/b"}`,
		`not an event`,
		`{"Action":"output","Package":"accrue/c","Output":"ok  \taccrue/c\t0.100s\n"}`,
		`{"Action":"pass","Package":"accrue/c"}`,
	}, "\n")
	want := `    time=2026-01-01T00:00:00Z level=INFO msg="a log"
    a_test.go:7: got 1, want 2
--- FAIL: TestBad (0.00s)
FAIL	accrue/a	0.012s
b/b.go:3:1: syntax error
FAIL	accrue/b [build failed]
not an event
ok  	accrue/c	0.100s
`
	var out bytes.Buffer
	s := &summary{out: &out, output: map[string][]string{}}
	if err := s.read(strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
	if s.passed != 1 || s.failed != 2 {
		t.Errorf("counted %d passed, %d failed; want 1 and 2", s.passed, s.failed)
	}
}

// A test that hangs until go test ends the process never gets an end of its own: it is shown, and counted once.
func TestSummaryOfATestThatNeverEnded(t *testing.T) {
	in := `{"Action":"output","Package":"accrue/a","Test":"TestHangs","Output":"panic: test timed out after 1m\n"}
{"Action":"fail","Package":"accrue/a"}
`
	var out bytes.Buffer
	s := &summary{out: &out, output: map[string][]string{}}
	if err := s.read(strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	if out.String() != "panic: test timed out after 1m\n" || s.failed != 1 {
		t.Errorf("printed %q, %d failed; want the panic and 1", out.String(), s.failed)
	}
}
