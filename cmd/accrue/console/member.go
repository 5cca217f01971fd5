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
)

// Bounds of the page of a member.
const (
	maxMember    = 1000 // bytes of an id that is looked up
	shownEvents  = 100
	shownLots    = 10
	shownEntries = 200
	entriesMost  = 200_000 // records that are looked through for a member's entries
	memberWait   = 25 * time.Second
)

// describe tells what is held of a member, and whether it comes from the store of this process.
func (c *Console) describe(ctx context.Context, member string) (d rules.Description, here bool, err error) {
	if member == "" || len(member) > maxMember || !utf8.ValidString(member) {
		return d, false, &problem{http.StatusUnprocessableEntity, "error.member", nil}
	}
	control, err := c.control(ctx)
	if err != nil {
		return d, false, err
	}
	ledger := control.Ledger()
	if ledger == nil {
		return d, false, &problem{http.StatusServiceUnavailable, "error.versions", nil}
	}
	rows, err := c.rowsOf(ctx, member)
	if err != nil {
		return d, false, err
	}
	account, err := ledger.Open(member, rows)
	if err == nil {
		d, err = account.Describe()
	}
	if err == nil && d.NewestEvent.IsZero() {
		err = &problem{http.StatusNotFound, "error.nobody", nil}
	}
	return d, rows.here, err
}

// memberJSON is the API's answer: what `accrue state get --json` prints.
func (c *Console) memberJSON(w http.ResponseWriter, r *http.Request, _ *visit) error {
	c.allowTime(w)
	d, _, err := c.describe(r.Context(), r.PathValue("id"))
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

// memberHeld is a held grant with its grant_id, which a release names.
type memberHeld struct {
	rules.HeldGrant
	GrantID string
}

func (c *Console) showMember(w http.ResponseWriter, r *http.Request, v *visit) error {
	c.allowTime(w)
	data := struct {
		*visit
		ID      string
		Found   bool
		Wrong   string
		Here    bool
		D       rules.Description
		Held    []memberHeld
		Hidden  int // events that are not shown
		Once    string
		Sent    string
		Tiers   []string
		Expires []rules.ExpiringGrant
	}{visit: v, ID: r.FormValue("id"), Once: newOnce(), Sent: ours(r.FormValue("sent"))}
	if data.ID == "" {
		c.write(w, r, http.StatusOK, "member", data)
		return nil
	}
	var err error
	data.D, data.Here, err = c.describe(r.Context(), data.ID)
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
	data.Expires = data.D.Left[:min(len(data.D.Left), shownLots)]
	data.Held = heldOf(&data.D)
	data.Hidden = max(0, len(data.D.Events)-shownEvents)
	data.D.Events = data.D.Events[data.Hidden:]
	slices.Reverse(data.D.Events)
	c.write(w, r, http.StatusOK, "member", data)
	return nil
}

// heldOf finds the grant_id of each held grant among the events.
func heldOf(d *rules.Description) []memberHeld {
	var list []memberHeld
	used := map[string]bool{}
	for _, h := range d.Held {
		m := memberHeld{HeldGrant: h}
		for _, e := range d.Events {
			for _, g := range e.Grants {
				if e.EventID == h.EventID && g.Rule == h.Rule && g.Pending > 0 && !used[g.GrantID] && m.GrantID == "" {
					m.GrantID = g.GrantID
					used[g.GrantID] = true
				}
			}
		}
		list = append(list, m)
	}
	return list
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
	if data.Rows, err = c.entriesOf(r.Context(), member, data.Since); err != nil {
		return err
	}
	slices.Reverse(data.Rows)
	c.write(w, r, http.StatusOK, "entries", data)
	return nil
}

// entriesOf reads the partition that has a member's entries, from a time on. Only the member's own are decoded.
func (c *Console) entriesOf(ctx context.Context, member string, since time.Time) ([]*schemas.PointGrant, error) {
	topic := c.o.Config.Topics.PointGrants
	options, err := c.o.Config.Kafka.ClientOptions()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	from, missing, err := startAt(ctx, client, since, []string{topic})
	if err != nil {
		return nil, err
	}
	at := partition{topic, processor.Home(member, int32(max(1, len(from[topic]))))}
	left, waits := missing[at]
	if !waits {
		return nil, nil
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {at.number: kgo.NewOffset().At(max(left.at, left.end-entriesMost))}})
	ctx, cancel := context.WithTimeout(ctx, memberWait)
	defer cancel()
	var rows []*schemas.PointGrant
	for left.at < left.end {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("read the entries of a member: %w", err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			record := records.Next()
			left.at = record.Offset + 1
			if record.Attrs.IsControl() || string(record.Key) != member {
				continue
			}
			value, err := c.o.Decoder.Decode(ctx, schemas.KindPointGrant, record.Value)
			if err != nil {
				return nil, fmt.Errorf("read the entries of a member: %w", err)
			}
			if g, ok := value.(*schemas.PointGrant); ok {
				rows = keep(rows, g, shownEntries)
			}
		}
	}
	return rows, nil
}
