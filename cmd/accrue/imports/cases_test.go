package imports_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"accrue/cmd/accrue/imports"
	"accrue/schemas"
)

var update = flag.Bool("update", false, "rewrite what the cases expect to what is; read the difference before you keep it")

// imported is what an import came to, as text.
type imported struct {
	events, refused string
	report          *imports.Report
}

// importText imports a file with a mapping that has no problems.
func importText(t *testing.T, mapping, name string, file []byte, o imports.Options) imported {
	t.Helper()
	m, problems := imports.ReadMapping("map.yaml", []byte(mapping))
	if len(problems) > 0 {
		t.Fatalf("the mapping is wrong:\n%s", problems)
	}
	var events bytes.Buffer
	var refused []string
	o.Folder = t.TempDir()
	o.Event = func(order *schemas.Order) error {
		line, err := schemas.AppendLine(nil, schemas.TopicOrders, "", order)
		events.Write(append(line, '\n'))
		return err
	}
	o.Refused = func(r imports.Refusal) { refused = append(refused, fmt.Sprintf("%d: %s", r.Line, r.Why)) }
	report, err := imports.New(m, o).Run(t.Context(), name, bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(refused)) != report.Refused {
		t.Errorf("%d rows are told as refused, and %d counted", len(refused), report.Refused)
	}
	left, err := os.ReadDir(o.Folder)
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
	return imported{events.String(), strings.Join(append(refused, ""), "\n"), report}
}

// Each case is a mapping and a file, the events that they become, and the rows that are refused. What a case shows stands in its
// first lines. Whatever the bytes of the sorted pieces, the result is the same.
func TestCases(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			file := func(name string) *txtar.File {
				i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name || strings.HasPrefix(f.Name, name+".") })
				if i < 0 {
					t.Fatalf("the case has no %s", name)
				}
				return &archive.Files[i]
			}
			mapping, orders := string(file("map.yaml").Data), file("orders")
			got := importText(t, mapping, orders.Name, orders.Data, imports.Options{})
			for _, bytes := range []int{1, 1000} {
				small := importText(t, mapping, orders.Name, orders.Data, imports.Options{SortBytes: bytes})
				if diff := cmp.Diff(got.events, small.events) + cmp.Diff(got.refused, small.refused); diff != "" {
					t.Errorf("with pieces of %d bytes it is something else:\n%s", bytes, diff)
				}
			}
			if *update {
				file("events.jsonl").Data, file("refused.txt").Data = []byte(got.events), []byte(got.refused)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(strings.TrimSpace(string(file("events.jsonl").Data)), strings.TrimSpace(got.events)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(file("refused.txt").Data)), strings.TrimSpace(got.refused)); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}
