package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// engine is an instance of `accrue run`: a configuration and a data folder that outlive its processes.
type engine struct {
	stage   *stage
	name    string
	config  string
	data    string
	log     string // the file of all its processes' logs
	logFrom int64  // where the running process's part of it begins

	cmd   *exec.Cmd
	ended chan struct{} // closed when the process is gone
	asked bool          // the process was told to end

	mu  sync.Mutex // guards url
	url string     // where the running process answers; empty until it says so
}

// engine makes an instance, which does not run yet.
func (s *stage) engine(name string, lanes int, more string) *engine {
	data := filepath.Join(s.t.TempDir(), "data")
	return s.engineIn(name, data, lanes, more)
}

func (s *stage) engineIn(name, data string, lanes int, more string) *engine {
	e := &engine{
		stage: s, name: name, data: data, config: s.config(name, data, lanes, more),
		log: filepath.Join(s.t.ArtifactDir(), fmt.Sprintf("%d-%s.log", len(s.engines), name)),
	}
	s.engines = append(s.engines, e)
	return e
}

// start starts a process, and does not wait until it is ready.
func (e *engine) start() {
	t := e.stage.t
	t.Helper()
	log, err := os.OpenFile(e.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the process has its own
	if e.logFrom, err = log.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	e.cmd, e.ended, e.asked = exec.Command(shared.accrue, "run", "--config", e.config), make(chan struct{}), false
	e.cmd.Stderr = log
	e.setURL("")
	stdout, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, ended := e.cmd, e.ended
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if _, rest, ok := strings.Cut(lines.Text(), "metrics at "); ok {
				url, _, _ := strings.Cut(rest, "/metrics")
				e.setURL(url)
			}
		}
		_ = cmd.Wait() // how it ended is in ProcessState
	}()
}

func (e *engine) setURL(url string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.url = url
}

// died says that the process has ended and nobody told it to.
func (e *engine) died() bool {
	if e.cmd == nil || e.asked {
		return false
	}
	select {
	case <-e.ended:
		return true
	default:
		return false
	}
}

// kill ends the process with -9, if one runs, and returns when it is gone.
func (e *engine) kill() {
	if e.cmd == nil {
		return
	}
	e.asked = true
	_ = e.cmd.Process.Kill() // it may be gone already
	<-e.ended
}

// wipe empties the instance's disk.
func (e *engine) wipe() {
	e.stage.t.Helper()
	if err := os.RemoveAll(e.data); err != nil {
		e.stage.t.Fatal(err)
	}
}

// terminate asks the process to end, waits for it and returns how it did and after how long.
func (e *engine) terminate() (exitCode int, took time.Duration) {
	e.stage.t.Helper()
	e.asked = true
	began := time.Now()
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		e.stage.t.Fatalf("asking instance %s to end: %v", e.name, err)
	}
	select {
	case <-e.ended:
	case <-time.After(30 * time.Second):
		e.stage.t.Fatalf("instance %s runs 30 s after it was asked to end", e.name)
	}
	return e.cmd.ProcessState.ExitCode(), time.Since(began)
}

// stop ends the process in order, within the time that a supervisor gives it.
func (e *engine) stop() {
	e.stage.t.Helper()
	if code, took := e.terminate(); code != 0 || took > 10*time.Second {
		e.stage.t.Errorf("instance %s, asked to end, did so after %s with exit code %d; want at most 10 s and 0", e.name, took, code)
	}
}

// get reads a page of the process.
func (e *engine) get(page string) (status int, text string, err error) {
	e.mu.Lock()
	url := e.url
	e.mu.Unlock()
	if url == "" {
		return 0, "", fmt.Errorf("instance %s has not said where it answers", e.name)
	}
	ctx, cancel := context.WithTimeout(e.stage.t.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+page, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// notReady says why the process is not ready, or nothing.
func (e *engine) notReady() string {
	status, text, err := e.get("/readyz")
	return problem(err, status != http.StatusOK, "instance %s: %s", e.name, text)
}

// awaitReady waits until all these instances are ready.
func (s *stage) awaitReady(engines ...*engine) {
	s.t.Helper()
	for _, e := range engines {
		s.await("instance "+e.name+" is ready", time.Minute, e.notReady)
	}
}

// metric adds up the samples of a metric over its labels.
func (e *engine) metric(name string) float64 {
	e.stage.t.Helper()
	_, text, err := e.get("/metrics")
	if err != nil {
		e.stage.t.Fatalf("reading the metrics of instance %s: %v", e.name, err)
	}
	total := 0.0
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, name)
		if !found || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			e.stage.t.Fatalf("metric %q: %v", line, err)
		}
		total += n
	}
	return total
}

// logText is what the last process has logged.
func (e *engine) logText() string {
	e.stage.t.Helper()
	text, err := os.ReadFile(e.log)
	if err != nil {
		e.stage.t.Fatal(err)
	}
	return string(text[e.logFrom:])
}

// logTail is the end of what all processes of the instance have logged.
func (e *engine) logTail(lines int) string {
	text, err := os.ReadFile(e.log)
	if err != nil {
		return err.Error()
	}
	all := strings.SplitAfter(string(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// restored is what the log says of one shard's restoration.
type restored struct {
	why               string
	records, from, to int64
}

var restoredLine = regexp.MustCompile(`msg="shard restored".* shard=(\d+) why="([^"]*)" changelog_records=(\d+) .*from_offset=(\d+) offset=(\d+)`)

// restorations reads them from the log of the last process, by shard.
func (e *engine) restorations() map[int32]restored {
	e.stage.t.Helper()
	all := make(map[int32]restored)
	for _, m := range restoredLine.FindAllStringSubmatch(e.logText(), -1) {
		var numbers [4]int64
		for i, text := range []string{m[1], m[3], m[4], m[5]} {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				e.stage.t.Fatal(err)
			}
			numbers[i] = n
		}
		all[int32(numbers[0])] = restored{why: m[2], records: numbers[1], from: numbers[2], to: numbers[3]}
	}
	return all
}
