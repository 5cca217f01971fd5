package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"accrue/processor"
	"accrue/rules"
)

const (
	// askedHeader is set on a question of one instance to another: who gets it asks nobody else, so no question goes in circles.
	askedHeader = "Accrue-Asked"
	ownerWait   = 5 * time.Second
	ownerBytes  = 64 << 20 // of an answer: a member may have 50,000 events
)

// errNobodyToAsk says that no instance serves a shard now, or that it tells no address.
var errNobodyToAsk = errors.New("no instance that can be asked serves it (http.advertise)")

// askOwner asks the instance that serves a member's shard. Any error means that the answer has to come from elsewhere.
func (c *Console) askOwner(ctx context.Context, member string, shards int32) (d rules.Description, err error) {
	ctx, cancel := context.WithTimeout(ctx, ownerWait)
	defer cancel()
	client, err := c.kafka()
	if err != nil {
		return d, err
	}
	shard := processor.Home(member, shards)
	address, err := processor.OwnerAddress(ctx, client, c.o.Config.App, shard)
	if err == nil && address == "" {
		err = errNobodyToAsk
	}
	if err != nil {
		return d, fmt.Errorf("ask for a member of shard %d: %w", shard, err)
	}
	return c.askAt(ctx, address, member)
}

// askAt asks one instance. It shows a session of a viewer that is over in seconds, made with the token that all instances have: neither a token
// nor what an operator may do leaves this process, whoever answers there.
func (c *Console) askAt(ctx context.Context, address, member string) (d rules.Description, err error) {
	// A dot is escaped too: a member ".." is no way up.
	where := strings.TrimRight(address, "/") + "/api/member/" + strings.ReplaceAll(url.PathEscape(member), ".", "%2E")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return d, fmt.Errorf("ask for a member at %s: %w", address, err)
	}
	request.Header.Set(askedHeader, c.o.Config.App)
	if key, ok := c.o.Server.SessionKey(processor.AccessViewer); ok {
		s := session{processor.AccessViewer, "", time.Now().Add(2 * ownerWait)}
		request.AddCookie(&http.Cookie{Name: sessionCookie, Value: s.seal(key)})
	}
	answer, err := c.others.Do(request)
	if err != nil {
		return d, fmt.Errorf("ask for a member at %s: %w", address, err)
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, ownerBytes))
	switch {
	case err != nil:
		return d, fmt.Errorf("ask for a member at %s: %w", address, err)
	case answer.StatusCode == http.StatusNotFound && answer.Header.Get("Content-Type") == jsonType: // of the page itself: it is the one that knows
		return d, nil
	case answer.StatusCode != http.StatusOK:
		return d, fmt.Errorf("ask for a member at %s: it answers %s: %.200s", address, answer.Status, text)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return rules.Description{}, fmt.Errorf("ask for a member at %s: %w", address, err)
	}
	if d.Member != member {
		return rules.Description{}, fmt.Errorf("ask for a member at %s: it answers about another one", address)
	}
	return d, nil
}

// newAsker makes the client for questions to other instances. It goes straight to them: no proxy, no redirect.
func newAsker() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
