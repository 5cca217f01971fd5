package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A packed file is known by how it begins; one that is cut off is wrong input, told with the line up to which it could be read.
func TestBacktestReadsPackedFiles(t *testing.T) {
	folder := t.TempDir()
	events := shopEvents(t)[:1000]
	plain, packed := filepath.Join(folder, "events.jsonl"), filepath.Join(folder, "packed")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	text := []byte(strings.Join(events, "\n") + "\n")
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	save := func(name string, content []byte) {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save(plain, text)
	save(packed, zipped.Bytes())
	backtest := func(from string) (code int, out, errs string) {
		var o, e bytes.Buffer
		code = run(t.Context(), []string{
			"backtest", "--programme", filepath.Join("testdata", "online-retail", "programme-90-days.yaml"), "--from", from,
		}, strings.NewReader(""), &o, &e)
		return code, o.String(), e.String()
	}
	code, want, errs := backtest(plain)
	if code != exitDone {
		t.Fatal(errs)
	}
	code, got, errs := backtest(packed)
	if code != exitDone || strings.ReplaceAll(got, packed, plain) != want {
		t.Errorf("packed it is another history (%d, %s):\n%s", code, errs, got)
	}
	save(packed, zipped.Bytes()[:zipped.Len()/2])
	if code, _, errs = backtest(packed); code != exitUsage || !strings.Contains(errs, "packed file is damaged or cut off: unexpected EOF") {
		t.Errorf("a file that is cut off ends with %d: %s", code, errs)
	}
	save(packed, zipped.Bytes()[:5])
	if code, _, errs = backtest(packed); code != exitUsage || !strings.Contains(errs, "is packed and cannot be read") {
		t.Errorf("a head that is cut off ends with %d: %s", code, errs)
	}
}

// An interrupt ends a replay with a message, on one processor and on two.
func TestBacktestIsInterrupted(t *testing.T) {
	for _, procs := range []string{"1", "2"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out, errs bytes.Buffer
		code := run(ctx, []string{
			"backtest", "--programme", filepath.Join("testdata", "online-retail", "programme-90-days.yaml"), "--procs", procs,
			"--from", filepath.Join("testdata", "online-retail", "events.jsonl.gz"),
		}, strings.NewReader(""), &out, &errs)
		if code != exitFailed || !strings.Contains(errs.String(), "stopped after 0 events") || out.Len() > 0 {
			t.Errorf("with %s processors it ends with %d: %s", procs, code, errs.String())
		}
	}
}
