package imports

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"accrue/rules/programme"
	"accrue/schemas"
)

// withinDefault is how many days after its order something may come back where the mapping does not say.
const withinDefault = 366

func statuses() []string {
	return []string{string(schemas.Placed), string(schemas.Paid), string(schemas.Completed), string(schemas.Cancelled), string(schemas.Refunded)}
}

// mapping reads the whole.
func (r *mappingReader) mapping(root ast.Node) *Mapping {
	s := r.section(root, "the mapping", "source", "file", "numbers", "times", "skip", "order", "line", "returns")
	m := &Mapping{Encoding: "utf-8", Delimiter: ',', Decimal: ".", Rounding: "refuse", Zone: time.UTC, Within: withinDefault}
	m.Source, _ = s.text("source")
	switch {
	case m.Source == "":
		r.fail(s.where, "", "`source` is missing: a name for where the orders come from, such as `source: old-shop`; it is part of every event id, so it must stay the same when a file is imported again")
	case len(m.Source) > 100:
		r.fail(r.at(s.get("source")), "", "`source` is longer than 100 bytes")
	}
	if n := s.get("file"); n != nil {
		r.form(m, n)
	}
	if n := s.get("numbers"); n != nil {
		r.numbers(m, n)
	}
	r.times(m, s)
	m.Skip = r.conditions(s.get("skip"), "skip")
	if n := s.get("order"); n != nil {
		r.order(m, n)
	} else {
		r.fail(s.where, "", "`order` is missing: which columns hold order_id, member_id, occurred_at, currency")
	}
	if n := s.get("line"); n != nil {
		r.line(m, n)
	} else {
		r.fail(s.where, "", "`line` is missing: which columns hold sku, quantity, unit_price or amount")
	}
	if n := s.get("returns"); n != nil {
		r.returns(m, n)
	}
	return m
}

func (r *mappingReader) form(m *Mapping, n ast.Node) {
	s := r.section(n, "file", "format", "encoding", "delimiter", "columns", "each")
	m.Format = s.one("format", "", "csv", "jsonl")
	m.Encoding = s.one("encoding", "utf-8", encodings()...)
	m.Columns = s.list("columns")
	for i, name := range m.Columns {
		if slices.Contains(m.Columns[:i], name) {
			r.fail(r.at(s.get("columns")), "", "column %q stands twice in `columns`", name)
		}
	}
	m.Each, _ = s.text("each")
	if text, ok := s.text("delimiter"); ok {
		if text == "tab" || text == `\t` {
			text = "\t"
		}
		d, size := utf8.DecodeRuneInString(text)
		if size != len(text) || size == 0 || strings.ContainsRune("\"\r\n\uFFFD", d) {
			r.fail(r.at(s.get("delimiter")), "", "`delimiter` is one character, such as \";\", or tab, not %q", text)
		} else {
			m.Delimiter = d
		}
	}
	if m.Format == "csv" && m.Each != "" {
		r.fail(r.at(s.get("each")), "", "`each` is for JSON lines, whose objects hold lists")
	}
	if m.Format == "jsonl" && m.Columns != nil {
		r.fail(r.at(s.get("columns")), "", "`columns` is for CSV files without a header line")
	}
}

func (r *mappingReader) numbers(m *Mapping, n ast.Node) {
	s := r.section(n, "numbers", "decimal", "thousands", "minor_units", "rounding")
	m.Decimal = s.one("decimal", ".", ".", ",", "·", "٫")
	m.Thousands = s.one("thousands", "", "", ",", ".", " ", "'", "\u00a0", "\u202f", "’")
	if m.Decimal == m.Thousands {
		r.fail(s.where, "", "`decimal` and `thousands` are the same: %q", m.Decimal)
	}
	m.MinorUnits = s.truth("minor_units", false)
	m.Rounding = s.one("rounding", "refuse", "refuse", "half_up", "down")
}

func (r *mappingReader) times(m *Mapping, root section) {
	n := root.get("times")
	if n == nil {
		r.fail(root.where, "", "`times` is missing: the form of times, such as `times: {form: yyyy-MM-dd HH:mm:ss, zone: Europe/London}`")
		return
	}
	s := r.section(n, "times", "form", "zone")
	forms := s.list("form")
	if len(forms) == 0 {
		r.fail(s.where, "", "`form` of times is missing, such as yyyy-MM-dd HH:mm:ss, or rfc3339, unix, unix_ms")
	}
	zoned := true
	for _, text := range forms {
		p, err := ParsePattern(text)
		if err != nil {
			r.fail(r.at(s.get("form")), schemas.Nearest(text, patternWords()), "%v", err)
			continue
		}
		zoned = zoned && (p.layout == "" || strings.Contains(p.layout, "Z07"))
		m.Patterns = append(m.Patterns, p)
	}
	name, ok := s.text("zone")
	if !ok {
		if !zoned {
			r.fail(s.where, "", "`zone` of times is missing: their form says no zone, so say where they are, such as `zone: Europe/London`, or UTC")
		}
		return
	}
	zone, err := programme.LoadZone(name)
	if err != nil {
		var unknown *programme.UnknownZone
		meant := ""
		if errors.As(err, &unknown) {
			meant = unknown.Suggestion
		}
		r.fail(r.at(s.get("zone")), meant, "%q is no time zone", name)
		return
	}
	m.Zone = zone
}

func (r *mappingReader) order(m *Mapping, n ast.Node) {
	s := r.section(n, "order", "order_id", "member_id", "occurred_at", "status", "currency", "channel", "store", "coupons", "payment_hash", "device_id", "ip", "attributes")
	o := &m.Order
	for _, f := range []struct {
		key  string
		to   **Field
		must string
	}{
		{"order_id", &o.OrderID, "which column tells one order from another"},
		{"member_id", &o.MemberID, "which column says whose order it is"},
		{"occurred_at", &o.OccurredAt, "which column says when it was"},
		{"currency", &o.Currency, "such as `currency: {value: EUR}`"},
		{"status", &o.Status, ""},
		{"channel", &o.Channel, ""},
		{"store", &o.Store, ""},
		{"coupons", &o.Coupons, ""},
		{"payment_hash", &o.PaymentHash, ""},
		{"device_id", &o.DeviceID, ""},
		{"ip", &o.IP, ""},
	} {
		*f.to = r.field(s, f.key)
		if *f.to == nil && f.must != "" {
			r.fail(s.where, "", "`%s` of order is missing: %s", f.key, f.must)
		}
		if f.must != "" && f.to != &o.Currency && *f.to != nil && (*f.to).Value != "" {
			r.fail((*f.to).at, "", "`%s` of order is a constant; it takes a column", f.key)
		}
	}
	if o.Status == nil {
		o.Status = &Field{Value: string(schemas.Paid)}
	} else {
		r.wordsOf(o.Status, "status", "table of `values`, such as {shipped: COMPLETED}, for a column that says it otherwise", statuses())
	}
	if o.Currency != nil {
		for _, code := range o.Currency.constants() {
			if _, ok := programme.CurrencyOf(code); !ok {
				r.fail(o.Currency.at, schemas.Nearest(strings.ToUpper(code), commonCurrencies()), "%q is no currency of ISO 4217", code)
			}
		}
	}
	attributes := s.get("attributes")
	if attributes == nil {
		return
	}
	var names []string
	entries := r.entries(attributes, "order.attributes")
	for _, e := range entries {
		names = append(names, e.Key.GetToken().Value)
	}
	in := r.section(attributes, "order.attributes", names...)
	for _, name := range names {
		if f := r.field(in, name); f != nil && !slices.ContainsFunc(m.Attributes, func(a Attribute) bool { return a.Name == name }) {
			m.Attributes = append(m.Attributes, Attribute{name, f})
		}
	}
}

// wordsOf checks what can be checked of a field that takes only some words.
func (r *mappingReader) wordsOf(f *Field, key, hint string, words []string) {
	for _, text := range f.constants() {
		if !slices.Contains(words, text) {
			r.fail(f.at, schemas.Nearest(text, words), "`%s` becomes %q; it is one of %s: write a %s", key, text, strings.Join(words, ", "), hint)
		}
	}
}

func (r *mappingReader) line(m *Mapping, n ast.Node) {
	s := r.section(n, "line", "line_id", "sku", "quantity", "unit_price", "amount", "category", "brand", "tags")
	l := &m.Line
	for _, f := range []struct {
		key string
		to  **Field
	}{
		{"line_id", &l.LineID},
		{"sku", &l.SKU},
		{"quantity", &l.Quantity},
		{"unit_price", &l.UnitPrice},
		{"amount", &l.Amount},
		{"category", &l.Category},
		{"brand", &l.Brand},
		{"tags", &l.Tags},
	} {
		*f.to = r.field(s, f.key)
	}
	switch {
	case l.UnitPrice != nil && l.Amount != nil:
		r.fail(s.where, "", "line has both `unit_price`, of a piece, and `amount`, of the whole line: name one")
	case l.UnitPrice == nil && l.Amount == nil:
		r.fail(s.where, "", "line has neither `unit_price`, of a piece, nor `amount`, of the whole line")
	case l.UnitPrice != nil && l.Quantity == nil:
		r.fail(l.UnitPrice.at, "", "`unit_price` needs `quantity`; a price of the whole line is `amount`")
	}
}

func (r *mappingReader) returns(m *Mapping, n ast.Node) {
	s := r.section(n, "returns", "when", "reference", "within", "spread")
	m.Returns = r.conditions(s.get("when"), "returns.when")
	m.Order.Reference = r.field(s, "reference")
	m.Spread = s.truth("spread", false)
	text, ok := s.text("within")
	if !ok {
		return
	}
	days, found := strings.CutSuffix(strings.TrimSuffix(text, "s"), " day")
	n2, err := strconv.Atoi(days)
	if !found || err != nil || n2 < 1 || n2 > 10_000 {
		r.fail(r.at(s.get("within")), "", "`within` is %q; write days, such as 365 days", text)
		return
	}
	m.Within = n2
}

// conditions reads a list of conditions, or one.
func (r *mappingReader) conditions(n ast.Node, name string) []Condition {
	if n == nil {
		return nil
	}
	nodes := []ast.Node{n}
	if sequence, ok := n.(*ast.SequenceNode); ok {
		nodes = sequence.Values
	}
	all := make([]Condition, len(nodes)) // the columns' indexes are set later: it must not move
	for i, node := range nodes {
		c := &all[i]
		s := r.section(node, name, "column", "in", "begins", "matches", "empty")
		column, ok := s.text("column")
		if !ok {
			r.fail(s.where, "", "a condition of %s needs a `column`", name)
			continue
		}
		c.Column = column
		r.use(column, r.at(s.get("column")), &c.index)
		c.In = s.list("in")
		c.Begins, _ = s.text("begins")
		if text, ok := s.text("matches"); ok {
			expression, err := regexp.Compile(text)
			if err != nil {
				r.fail(r.at(s.get("matches")), "", "`matches` is no regular expression: %v", err)
			}
			c.Matches = expression
		}
		if s.get("empty") != nil {
			empty := s.truth("empty", true)
			c.Empty = &empty
		}
		if s.get("in") == nil && s.get("begins") == nil && s.get("matches") == nil && s.get("empty") == nil {
			r.fail(s.where, "", "a condition of %s asks nothing: give `in`, `begins`, `matches` or `empty`", name)
		}
	}
	return all
}

func commonCurrencies() []string {
	return []string{"CNY", "EUR", "USD", "GBP", "JPY", "HKD", "TWD", "KRW", "SGD", "INR", "AUD", "CAD", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "BRL", "MXN"}
}
