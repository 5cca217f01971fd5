package demo

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"accrue/schemas"
)

func startRegistry(t *testing.T, path string) (*registry, *sr.Client) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r, err := openRegistry(t.Context(), path, listener)
	if err != nil {
		t.Fatal(err)
	}
	client, err := sr.NewClient(sr.URLs(r.url))
	if err != nil {
		t.Fatal(err)
	}
	return r, client
}

// Records on the topics name their schemas by id, so an id means the same after a restart, whatever was registered in which
// order, and the compatibility that `topics apply` has set is still set.
func TestRegistryKeepsIDs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.jsonl")
	r, client := startRegistry(t, path)
	kinds := slices.Collect(slices.Values(schemas.Kinds()))
	slices.Reverse(kinds)
	ids := map[schemas.Kind]int{}
	for _, kind := range kinds {
		ids[kind] = register(t, client, kind)
	}
	subject := schemas.Subject(kinds[0].Topic())
	if err := client.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatFull}, subject)[0].Err; err != nil {
		t.Fatal(err)
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing new in the journal
		r, client = startRegistry(t, path)
		for _, kind := range schemas.Kinds() {
			found, err := client.SchemaByID(t.Context(), ids[kind])
			if err != nil || found.Schema != kind.SchemaText() {
				t.Errorf("id %d of %s is something else now: %v", ids[kind], kind, err)
			}
			if again := register(t, client, kind); again != ids[kind] {
				t.Errorf("%s had id %d and has %d now", kind, ids[kind], again)
			}
		}
		if level := client.Compatibility(t.Context(), subject)[0].Level; level != sr.CompatFull {
			t.Errorf("the compatibility of %s is %s", subject, level)
		}
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
	}
}

func register(t *testing.T, client *sr.Client, kind schemas.Kind) int {
	t.Helper()
	s, err := client.CreateSchema(t.Context(), schemas.Subject(kind.Topic()), sr.Schema{Schema: kind.SchemaText(), Type: sr.TypeAvro})
	if err != nil {
		t.Fatal(err)
	}
	return s.ID
}

// schemaText answers the engine's schemas under the number of their kind.
type schemaText struct{}

func (schemaText) SchemaByID(_ context.Context, id int) (string, error) {
	for _, kind := range schemas.Kinds() {
		if int(kind) == id {
			return kind.SchemaText(), nil
		}
	}
	return "", schemas.ErrSchemaUnknown
}

// A shop that starts again, after a kill too, never uses an id again, other than to send a record twice on purpose.
func TestShopNeverRepeatsAnID(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.json")
	ids := map[schemas.Kind]int{}
	for _, kind := range schemas.Kinds() {
		ids[kind] = int(kind)
	}
	decoder := schemas.NewDecoder(schemaText{})
	content := map[string]string{} // by event id
	broken, returned := 0, 0
	for run := range 3 {
		s, err := OpenShop(file, schemas.NewEncoder(ids), schemas.TopicOrders, schemas.TopicCheckIns)
		if err != nil {
			t.Fatal(err)
		}
		for range 2000 {
			d, err := s.Next(time.Date(2026, 11, 1, 0, 0, run, 0, time.UTC))
			if err != nil {
				t.Fatal(err)
			}
			id := ""
			switch v, err := decoder.Decode(t.Context(), kindOf(d.Topic), d.Value); v := v.(type) {
			case *schemas.Order:
				id = "order " + v.EventID
				if v.Status == schemas.Refunded {
					returned++
				}
			case *schemas.CheckIn:
				id = "check-in " + v.EventID
			default:
				if err == nil {
					t.Fatalf("%T", v)
				}
				broken++
				continue
			}
			if before, used := content[id]; used && before != string(d.Value) {
				t.Fatalf("%s was used for two events", id)
			}
			content[id] = string(d.Value)
		}
		if run == 0 { // the others are killed
			if err := s.Save(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if broken == 0 || returned == 0 {
		t.Errorf("%d records cannot be read, %d are returns: a shop has both", broken, returned)
	}
}

func kindOf(topic string) schemas.Kind {
	if topic == schemas.TopicOrders {
		return schemas.KindOrder
	}
	return schemas.KindCheckIn
}

// All members have names of their own.
func TestMemberNames(t *testing.T) {
	names := map[string]bool{}
	for i := range Members {
		names[MemberName(i)] = true
	}
	if len(names) != Members {
		t.Errorf("%d members have %d names", Members, len(names))
	}
}
