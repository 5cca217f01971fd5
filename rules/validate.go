package rules

import (
	"fmt"
	"time"

	"accrue/rules/programme"
	"accrue/schemas"
)

// Bounds of what an event may hold.
const (
	// maxAhead is how far an event may lie ahead of the engine's clock.
	maxAhead = 5 * time.Minute
	// maxUnits bounds the total of one order in units of money, so that thousands of them fit into a sum.
	maxUnits = 1_000_000_000_000_000
	// maxID bounds the ids that become part of keys, in bytes.
	maxID = 1000
)

// invalid says in words why an event cannot be decided; empty: it can.
func (a *Account) invalid(e *Event) string {
	_, event, occurredAt := e.head()
	switch {
	case event == "":
		return "event_id is missing: without it the event could not be told from its duplicate"
	case len(event) > maxID:
		return fmt.Sprintf("event_id has %d bytes, more than %d", len(event), maxID)
	case occurredAt.IsZero():
		return "occurred_at is missing"
	case occurredAt.UnixMilli() < 0 || occurredAt.Year() > 9999:
		return fmt.Sprintf("occurred_at is %s, which lies outside of 1970 to 9999", occurredAt.UTC().Format(time.RFC3339))
	case !e.Now.IsZero() && occurredAt.After(e.Now.Add(maxAhead)):
		return fmt.Sprintf("occurred_at is %s, more than %d minutes ahead of the engine's clock, %s: check the sender's clock",
			occurredAt.UTC().Format(time.RFC3339), int(maxAhead.Minutes()), e.Now.UTC().Format(time.RFC3339))
	}
	switch {
	case e.Order != nil:
		return a.invalidOrder(e.Order)
	case e.Command != nil:
		return a.invalidCommand(e.Command)
	case e.Redemption != nil:
		return invalidRedemption(e.Redemption)
	case e.Profile != nil:
		return invalidProfile(e.Profile)
	case e.Referral != nil:
		return invalidReferral(e.Referral)
	}
	return ""
}

func invalidProfile(p *schemas.Member) string {
	if p.TimeZone != "" {
		if _, err := programme.LoadZone(p.TimeZone); err != nil {
			return "time_zone: " + err.Error()
		}
	}
	if _, ok := birthdayOf(p.Birthday); !ok {
		return fmt.Sprintf("birthday is %q, which is no date such as 1990-02-28", p.Birthday)
	}
	if !p.JoinedAt.IsZero() && (p.JoinedAt.Year() < 1900 || p.JoinedAt.Year() > 9999) {
		return fmt.Sprintf("joined_at is %s, which lies outside of 1900 to 9999", p.JoinedAt.UTC().Format(time.RFC3339))
	}
	return ""
}

func (a *Account) invalidOrder(o *schemas.Order) string {
	switch {
	case o.OrderID == "":
		return "order_id is missing"
	case len(o.OrderID) > maxID:
		return fmt.Sprintf("order_id has %d bytes, more than %d", len(o.OrderID), maxID)
	case statusNumber(o.Status) == byte(len(statuses)):
		return fmt.Sprintf("status is %q, which is none of PLACED, PAID, COMPLETED, CANCELLED, REFUNDED", o.Status)
	}
	if o.Status == schemas.Refunded || o.Status == schemas.Cancelled {
		for i, l := range o.RefundedLines {
			if l.Quantity < 0 || l.Amount < 0 {
				return fmt.Sprintf("refunded line %d (%s) goes below 0: quantity %d, amount %d", i+1, l.LineID, l.Quantity, l.Amount)
			}
		}
		return ""
	}
	return a.invalidLines(o)
}

func (a *Account) invalidLines(o *schemas.Order) string {
	p := a.ledger.at(o.OccurredAt.UnixMilli()).programme
	rate, known := p.Rates[o.Currency]
	if !known {
		return fmt.Sprintf("currency is %q, which programme %s does not know", o.Currency, p.ID)
	}
	total := int64(0)
	seen := lineIDs{lines: o.Lines}
	for i := range o.Lines {
		l := &o.Lines[i]
		switch {
		case l.Amount < 0:
			return fmt.Sprintf("line %d (%s) has the amount %d, which is below 0; send what goes back as a REFUNDED event", i+1, l.LineID, l.Amount)
		case l.Quantity < 1:
			return fmt.Sprintf("line %d (%s) has the quantity %d; it must be at least 1", i+1, l.LineID, l.Quantity)
		}
		if seen.twice(i) {
			return fmt.Sprintf("line_id %q stands twice; refunds could not tell the lines apart", l.LineID)
		}
		units, err := mulInt(l.Amount, rate.UnitsPerMinor)
		if err == nil {
			total, err = addInt(total, units)
		}
		if err != nil || total > maxUnits {
			return fmt.Sprintf("the amounts add up to more than the engine counts exactly, which is %s", moneyText(maxUnits, p))
		}
	}
	return ""
}

// lineIDs finds repeated line ids. As long as ids rise (a longer one counts as larger: 9, 10), which is the usual case, none
// can be repeated; few are compared with each other; a map is the slowest way.
type lineIDs struct {
	lines  []schemas.Line
	jumped bool                // they do not rise
	seen   map[string]struct{} // of many lines that do not rise: those before
}

const fewLines = 32

// twice says whether the id of line i stands before it as well. It is asked for each line in turn.
func (ids *lineIDs) twice(i int) bool {
	id := ids.lines[i].LineID
	if i > 0 && !ids.jumped {
		last := ids.lines[i-1].LineID
		ids.jumped = len(last) > len(id) || len(last) == len(id) && last >= id
	}
	switch {
	case !ids.jumped:
		return false
	case len(ids.lines) > fewLines:
		if ids.seen == nil {
			ids.seen = make(map[string]struct{}, len(ids.lines))
			for _, l := range ids.lines[:i] {
				ids.seen[l.LineID] = struct{}{}
			}
		}
		_, twice := ids.seen[id]
		ids.seen[id] = struct{}{}
		return twice
	}
	for j := range i {
		if ids.lines[j].LineID == id {
			return true
		}
	}
	return false
}
