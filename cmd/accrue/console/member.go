package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/processor"
	"accrue/rules"
	"accrue/schemas"
	"accrue/state"
)

// Bounds of the page of a member.
const (
	maxMember    = 1000 // bytes of an id that is looked up
	shownEvents  = 100
	shownDates   = 12 // on which points expire
	shownEntries = 200
	entriesMost  = 200_000 // records that are looked through for a member's entries
	memberWait   = 25 * time.Second
)

// Where a description comes from. Each is a text of pages.
const (
	fromHere      = "here"      // the store of this process
	fromOwner     = "owner"     // the instance that serves the shard
	fromChangelog = "changelog" // what is on Kafka
)

// describe tells what is held of a member, and where that comes from. Who serves the member's shard knows it best: this process, or one that is
// asked. Where that cannot be, all of the shard's changelog is read. An instance that was asked itself asks nobody and reads nothing.
func (c *Console) describe(ctx context.Context, member string, asked bool) (d rules.Description, from string, err error) {
	if member == "" || len(member) > maxMember || !utf8.ValidString(member) {
		return d, "", &problem{http.StatusUnprocessableEntity, "error.member", nil}
	}
	rows, from := c.rowsHere(member, member), fromHere
	if rows == nil {
		if asked {
			return d, "", &problem{http.StatusMisdirectedRequest, "error.elsewhere", nil}
		}
		shards, err := c.shards(ctx)
		if err != nil {
			return d, "", err
		}
		if d, err = c.askOwner(ctx, member, shards); err == nil {
			return d, fromOwner, known(&d)
		} else if errors.Is(err, errErased) {
			return d, fromOwner, &problem{http.StatusGone, "error.erased", nil}
		}
		c.o.Log.Debug("a member's instance was not asked", "err", err)
		if rows, err = c.fromChangelog(ctx, processor.Home(member, shards), member); err != nil {
			return d, "", err
		}
		from = fromChangelog
	}
	control, err := c.control(ctx)
	if err != nil {
		return d, "", err
	}
	ledger := control.Ledger()
	if ledger == nil {
		return d, "", &problem{http.StatusServiceUnavailable, "error.versions", nil}
	}
	account, err := ledger.Open(member, rows)
	if err == nil && account.New() {
		return d, from, c.unknown(ctx, ledger, member)
	}
	if err == nil {
		d, err = account.Describe()
	}
	if err == nil {
		err = known(&d)
	}
	return d, from, err
}

// unknown says of a member of whom nothing is held whether that was erased.
func (c *Console) unknown(ctx context.Context, ledger *rules.Ledger, member string) error {
	key := state.KeyName(rules.ErasuresKey)
	rows := c.rowsHere(member, key)
	if rows == nil {
		shards, err := c.shards(ctx)
		if err != nil {
			return err
		}
		if rows, err = c.fromChangelog(ctx, processor.Home(member, shards), key); err != nil {
			return err
		}
	}
	erasures, err := ledger.OpenErasures(rows)
	if err != nil {
		return err
	}
	_, erased, err := erasures.Find(member)
	switch {
	case err != nil:
		return err
	case erased:
		return &problem{http.StatusGone, "error.erased", nil}
	}
	return &problem{http.StatusNotFound, "error.nobody", nil}
}

// known says that nothing is held of a member, if so.
func known(d *rules.Description) error {
	if d.NewestEvent.IsZero() {
		return &problem{http.StatusNotFound, "error.nobody", nil}
	}
	return nil
}

// memberJSON is the API's answer: what `accrue state get --json` prints.
func (c *Console) memberJSON(w http.ResponseWriter, r *http.Request, _ *visit) error {
	c.allowTime(w)
	d, _, err := c.describe(r.Context(), r.PathValue("id"), r.Header.Get(askedHeader) != "")
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, d)
	return nil
}

// allowTime gives a request longer than others have: a changelog may have to be read.
func (c *Console) allowTime(w http.ResponseWriter) {
	// Where that is not possible it is cut off like any other.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(memberWait))
}

func (c *Console) showMember(w http.ResponseWriter, r *http.Request, v *visit) error {
	c.allowTime(w)
	data := struct {
		*visit
		ID      string
		Found   bool
		Wrong   string
		From    string
		D       rules.Description
		Hidden  int // events that are not shown
		Once    string
		Sent    string
		Tiers   []string
		Expires []rules.Expiring
	}{visit: v, ID: r.FormValue("id"), Once: newOnce(), Sent: ours(r.FormValue("sent"))}
	if data.ID == "" {
		c.write(w, r, http.StatusOK, "member", data)
		return nil
	}
	var err error
	data.D, data.From, err = c.describe(r.Context(), data.ID, false)
	var p *problem
	switch {
	case errors.As(err, &p) && p.status < http.StatusInternalServerError:
		data.Wrong = v.T(p.key)
		c.write(w, r, p.status, "member", data)
		return nil
	case err != nil:
		return err
	}
	data.Found = true
	data.Expires = data.D.Expiring()
	data.Expires = data.Expires[:min(len(data.Expires), shownDates)]
	data.Hidden = max(0, len(data.D.Events)-shownEvents)
	data.D.Events = data.D.Events[data.Hidden:]
	slices.Reverse(data.D.Events)
	c.write(w, r, http.StatusOK, "member", data)
	return nil
}

// showEntries lists a member's ledger entries, the newest first: what was written, and by which event. It is a part of a page.
func (c *Console) showEntries(w http.ResponseWriter, r *http.Request, v *visit) error {
	c.allowTime(w)
	data := struct {
		*visit
		Rows  []*schemas.PointGrant
		Since time.Time
		Most  int
	}{visit: v, Since: v.Now.Add(-lookBack), Most: shownEntries}
	member := r.FormValue("id")
	if member == "" || len(member) > maxMember {
		return &problem{http.StatusUnprocessableEntity, "error.member", nil}
	}
	var err error
	select {
	case c.listing <- struct{}{}:
		defer func() { <-c.listing }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	if data.Rows, data.Since, err = c.entriesOf(r.Context(), member, data.Since); err != nil {
		return err
	}
	slices.Reverse(data.Rows)
	c.write(w, r, http.StatusOK, "entries", data)
	return nil
}

// entriesOf reads the partition that has a member's entries, from a time on, or a later one where those are too many; it says which. Only the
// member's own are decoded.
func (c *Console) entriesOf(ctx context.Context, member string, since time.Time) (rows []*schemas.PointGrant, from time.Time, err error) {
	topic := c.o.Config.Topics.PointGrants
	options, err := c.o.Config.Kafka.ClientOptions()
	if err != nil {
		return nil, since, err
	}
	client, err := kgo.NewClient(append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		return nil, since, err
	}
	defer client.Close()
	begins, missing, err := startAt(ctx, client, since, []string{topic})
	if err != nil {
		return nil, since, err
	}
	at := partition{topic, processor.Home(member, int32(max(1, len(begins[topic]))))}
	left, waits := missing[at]
	if !waits {
		return nil, since, nil
	}
	cut := left.end-left.at > entriesMost
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {at.number: kgo.NewOffset().At(max(left.at, left.end-entriesMost))}})
	ctx, cancel := context.WithTimeout(ctx, memberWait)
	defer cancel()
	for left.at < left.end {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, since, fmt.Errorf("read the entries of a member: %w", err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			record := records.Next()
			left.at = record.Offset + 1
			if cut {
				since, cut = record.Timestamp, false
			}
			if record.Attrs.IsControl() || string(record.Key) != member {
				continue
			}
			value, err := c.o.Decoder.Decode(ctx, schemas.KindPointGrant, record.Value)
			if err != nil {
				return nil, since, fmt.Errorf("read the entries of a member: %w", err)
			}
			if g, ok := value.(*schemas.PointGrant); ok {
				rows = keep(rows, g, shownEntries)
			}
		}
	}
	return rows, since, nil
}
