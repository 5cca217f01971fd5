package schemas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// RegistryConfig says how to reach a schema registry that speaks Confluent's protocol.
type RegistryConfig struct {
	// URLs of the registry, each with the path under which it lies, if any (https://host/apis/ccompat/v7). The next one
	// is tried when one cannot be reached.
	URLs []string
	HTTP *http.Client // bounds the requests, and shows who we are; nil: 10 s each, and nobody asks
}

// defaultRegistryTimeout bounds one request.
const defaultRegistryTimeout = 10 * time.Second

// Registry is a client of a schema registry. It is safe for concurrent use. It does not try again by itself; its caller
// knows what may wait.
type Registry struct {
	client *sr.Client
	texts  *cache[int, string]
}

// NewRegistry makes a client. It sends nothing yet.
func NewRegistry(config RegistryConfig) (*Registry, error) {
	if len(config.URLs) == 0 {
		return nil, errors.New("connecting to the schema registry: no URL is given")
	}
	connection := config.HTTP
	if connection == nil {
		connection = &http.Client{Timeout: defaultRegistryTimeout}
	}
	client, err := sr.NewClient(sr.URLs(config.URLs...), sr.HTTPClient(connection), sr.UserAgent("accrue"))
	if err != nil {
		return nil, fmt.Errorf("connecting to the schema registry: %w", err)
	}
	return &Registry{client: client, texts: newCache[int, string](maxPlans)}, nil
}

// SchemaByID returns the text of an Avro schema. An id never changes its meaning, so the text is kept once it is known.
// The error wraps [ErrSchemaUnknown] when the registry has no such id, [ErrSchemaUnusable] when the schema is no Avro
// schema or refers to others.
func (r *Registry) SchemaByID(ctx context.Context, id int) (string, error) {
	if text, known := r.texts.get(id); known {
		return text, nil
	}
	schema, err := r.client.SchemaByID(ctx, id)
	switch {
	case isNotFound(err):
		return "", fmt.Errorf("schema id %d: %w", id, ErrSchemaUnknown)
	case err != nil:
		return "", fmt.Errorf("asking the registry for schema id %d: %w", id, err)
	case schema.Type != sr.TypeAvro:
		return "", fmt.Errorf("%w: it is of type %s, expected Avro", ErrSchemaUnusable, schema.Type)
	case len(schema.References) > 0:
		return "", fmt.Errorf("%w: it refers to %s; only schemas that stand alone are supported",
			ErrSchemaUnusable, schema.References[0].Subject)
	}
	r.texts.put(id, schema.Schema)
	return schema.Schema, nil
}

// isNotFound tells "there is no such thing" from a wrong path or a proxy's page, which are errors of the set-up.
func isNotFound(err error) bool {
	var response *sr.ResponseError
	return errors.As(err, &response) && response.StatusCode == http.StatusNotFound && response.ErrorCode/100 == 404
}

// Register registers an Avro schema under a subject and returns its id. A schema that is there already keeps its id.
func (r *Registry) Register(ctx context.Context, subject, schema string) (int, error) {
	id, err := r.client.RegisterSchema(ctx, subject, sr.Schema{Schema: schema, Type: sr.TypeAvro}, -1, -1)
	if err != nil {
		return 0, fmt.Errorf("registering the schema of %s: %w", subject, err)
	}
	return id, nil
}

// LookUp returns the id of a schema under a subject without registering it; false when it is not there.
func (r *Registry) LookUp(ctx context.Context, subject, schema string) (int, bool, error) {
	found, err := r.client.LookupSchema(ctx, subject, sr.Schema{Schema: schema, Type: sr.TypeAvro})
	switch {
	case isNotFound(err):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("looking up the schema of %s: %w", subject, err)
	}
	return found.ID, true, nil
}

// LatestID returns the id of a subject's latest schema; false when the subject has none.
func (r *Registry) LatestID(ctx context.Context, subject string) (int, bool, error) {
	const latest = -1
	found, err := r.client.SchemaByVersion(ctx, subject, latest)
	switch {
	case isNotFound(err):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("asking the registry for the latest schema of %s: %w", subject, err)
	}
	return found.ID, true, nil
}

// CheckCompatible asks the registry whether a schema may follow what a subject has, by the subject's own rule. A subject
// that has nothing takes anything. A *IncompatibleError says why not.
func (r *Registry) CheckCompatible(ctx context.Context, subject, schema string) error {
	const latest = -1
	ctx = sr.WithParams(ctx, sr.Verbose)
	result, err := r.client.CheckCompatibility(ctx, subject, latest, sr.Schema{Schema: schema, Type: sr.TypeAvro})
	switch {
	case isNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("checking the schema of %s against the registry: %w", subject, err)
	case !result.Is:
		return &IncompatibleError{Subject: subject, Messages: result.Messages}
	}
	return nil
}

// IncompatibleError says that a schema may not follow the one that a subject has.
type IncompatibleError struct {
	Subject  string
	Messages []string // the registry's reasons; may be empty
}

// Error names the subject and the reasons.
func (e *IncompatibleError) Error() string {
	if len(e.Messages) == 0 {
		return fmt.Sprintf("the schema is not compatible with the latest one of %s", e.Subject)
	}
	return fmt.Sprintf("the schema is not compatible with the latest one of %s: %s",
		e.Subject, strings.Join(e.Messages, "; "))
}
