package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"accrue/processor"
	"accrue/rules"
)

const (
	// askedHeader is set on a question of one instance to another: who gets it asks nobody else, so no question goes in circles.
	askedHeader = "Accrue-Asked"
	ownerWait   = 5 * time.Second
	othersWait  = 2 * time.Second
	ownerBytes  = 64 << 20 // of an answer: a member may have 50,000 events
)

var (
	// errNobodyToAsk says that no instance serves a shard now, or that it tells no address.
	errNobodyToAsk = errors.New("no instance that can be asked serves it (http.advertise)")
	errNotFound    = errors.New("it knows of no such thing")
	errErased      = errors.New("it was erased")
)

// askOwner asks the instance that serves a member's shard. Any error means that the answer has to come from elsewhere.
func (c *Console) askOwner(ctx context.Context, member string, shards int32) (d rules.Description, err error) {
	ctx, cancel := context.WithTimeout(ctx, ownerWait)
	defer cancel()
	client, err := c.kafka()
	if err != nil {
		return d, err
	}
	shard := processor.Home(member, shards)
	lanes, err := processor.GroupLanes(ctx, client, c.o.Config.App)
	address := ""
	for _, lane := range lanes {
		if slices.Contains(lane.Serves, shard) {
			address = lane.Address
		}
	}
	if err == nil && address == "" {
		err = errNobodyToAsk
	}
	if err != nil {
		return d, fmt.Errorf("ask for a member of shard %d: %w", shard, err)
	}
	// A dot is escaped too: a member ".." is no way up.
	err = c.askAt(ctx, address, "/api/member/"+strings.ReplaceAll(url.PathEscape(member), ".", "%2E"), &d)
	switch {
	case errors.Is(err, errNotFound): // it is the one that knows
		return rules.Description{}, nil
	case err == nil && d.Member != member:
		err = fmt.Errorf("ask for a member at %s: it answers about another one", address)
	}
	return d, err
}

// askAt asks one instance for JSON. It shows a session of a viewer that is over in seconds, made with the token that all instances have: neither
// a token nor what an operator may do leaves this process, whoever answers there.
func (c *Console) askAt(ctx context.Context, address, path string, answer any) error {
	where := strings.TrimRight(address, "/") + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return fmt.Errorf("ask another instance: %w", err)
	}
	request.Header.Set(askedHeader, c.o.Config.App)
	if key, ok := c.o.Server.SessionKey(processor.AccessViewer); ok {
		s := session{processor.AccessViewer, "", time.Now().Add(2 * ownerWait)}
		request.AddCookie(&http.Cookie{Name: sessionCookie, Value: s.seal(key)})
	}
	response, err := c.others.Do(request)
	if err != nil {
		return fmt.Errorf("ask another instance: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(response.Body, ownerBytes))
	switch {
	case err != nil:
		return fmt.Errorf("ask another instance at %s: %w", where, err)
	case response.StatusCode == http.StatusNotFound && response.Header.Get("Content-Type") == jsonType: // of the page itself
		return fmt.Errorf("ask another instance at %s: %w", where, errNotFound)
	case response.StatusCode == http.StatusGone:
		return fmt.Errorf("ask another instance at %s: %w", where, errErased)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("ask another instance at %s: it answers %s: %.200s", where, response.Status, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("ask another instance at %s: %w", where, err)
	}
	return nil
}

// newAsker makes the client for questions to other instances. It goes straight to them: no proxy, no redirect.
func newAsker() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// instanceReport is what an instance tells the others of itself.
type instanceReport struct {
	Instance string                   `json:"instance"`
	NotReady []string                 `json:"not_ready"`
	Shards   []shardReport            `json:"shards"`
	Budgets  []processor.BudgetReport `json:"budgets"` // whose owner it serves
}

// shardReport is a shard that an instance serves, restores or follows.
type shardReport struct {
	Shard    int32  `json:"shard"`
	State    string `json:"state"` // awaiting, restoring, serving, refused; following
	Standby  bool   `json:"standby"`
	Position int64  `json:"position"` // in the changelog
	Behind   int64  `json:"behind"`   // changelog offsets that a copy lacks; -1: not known yet
	Why      string `json:"why,omitempty"`
}

// own is the report of this instance.
func (c *Console) own() instanceReport {
	r := instanceReport{Budgets: c.o.Budgets()}
	e := c.o.Engine()
	if e == nil {
		return r
	}
	r.Instance, r.NotReady = e.Instance(), e.NotReady()
	for _, lane := range e.Status() {
		for _, s := range lane.Shards {
			report := shardReport{Shard: s.Shard, State: s.State, Standby: s.Standby, Position: s.Position, Behind: s.Lag}
			if s.Why != nil {
				report.Why = s.Why.Error()
			}
			r.Shards = append(r.Shards, report)
		}
	}
	return r
}

func (c *Console) instanceJSON(w http.ResponseWriter, _ *http.Request, _ *visit) error {
	writeJSON(w, http.StatusOK, c.own())
	return nil
}

// reports are those of all instances that can be asked, this one first. One that does not answer in time is left out.
func (c *Console) reports(ctx context.Context, f *fleet) []instanceReport {
	all := []instanceReport{c.own()}
	if f == nil {
		return all
	}
	ctx, cancel := context.WithTimeout(ctx, othersWait)
	defer cancel()
	addresses := map[string]bool{c.o.Config.HTTP.Advertise: true, "": true}
	var work sync.WaitGroup
	var mu sync.Mutex
	for _, lane := range f.Lanes {
		if addresses[lane.Address] || lane.Instance == all[0].Instance {
			continue
		}
		addresses[lane.Address] = true
		work.Go(func() {
			var r instanceReport
			if err := c.askAt(ctx, lane.Address, "/api/instance", &r); err != nil {
				c.o.Log.Debug("an instance does not tell of itself", "instance", lane.Instance, "err", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, r)
		})
	}
	work.Wait()
	return all
}
