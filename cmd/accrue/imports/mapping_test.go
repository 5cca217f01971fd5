package imports_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accrue/cmd/accrue/imports"
	"accrue/schemas"
)

// A mapping's mistakes are told all at once, each with its place and what was probably meant.
func TestMappingProblems(t *testing.T) {
	for name, tc := range map[string]struct{ mapping, want string }{
		"all at once": {
			`source: shop
file: {format: cvs, encoding: utf8, delimiter: "", colums: [a]}
numbers: {decimal: ",", thousands: ",", rounding: up}
times: {form: [2006-01-02, yyyy-MM-DD], zone: Europe/Londn}
skip: [{column: a, in: [1]}, {begins: x}, {column: b}]
order:
  order_id: nr
  member_id: {column: kunde, value: x}
  status: {column: s, values: {ok: PAYD}}
  currency: {value: EURO}
  chanel: web
  attributes: {land: {column: l, otherwise: x}}
line: {quantity: q, unit_price: p, amount: a}
returns: {when: [{column: nr, matches: "("}], within: a year, spread: maybe}
`, `map.yaml:2:16: ` + "`format` is \"cvs\"; it is one of csv, jsonl (did you mean \"csv\"?)" + `
map.yaml:2:31: ` + "`encoding` is \"utf8\"; it is one of utf-8, utf-16, utf-16le, utf-16be, gbk, gb18030, latin-1, windows-1252 (did you mean \"utf-8\"?)" + `
map.yaml:2:48: ` + "`delimiter` is one character, such as \";\", or tab, not \"\"" + `
map.yaml:2:52: unknown key ` + "`colums`" + ` in file (did you mean "columns"?)
map.yaml:3:11: ` + "`decimal` and `thousands` are the same: \",\"" + `
map.yaml:3:51: ` + "`rounding` is \"up\"; it is one of refuse, half_up, down" + `
map.yaml:4:15: pattern "2006-01-02" has digits: write the form of a time, such as yyyy-MM-dd HH:mm:ss, not an example
map.yaml:4:15: pattern "yyyy-MM-DD" has "DD", which is no part of a time: write yyyy MM dd HH mm ss, or rfc3339, unix, unix_ms; text goes in ' '
map.yaml:4:47: "Europe/Londn" is no time zone (did you mean "Europe/London"?)
map.yaml:5:31: a condition of skip needs a ` + "`column`" + `
map.yaml:5:44: a condition of skip asks nothing: give ` + "`in`, `begins`, `matches` or `empty`" + `
map.yaml:7:3: ` + "`occurred_at` of order is missing: which column says when it was" + `
map.yaml:8:15: order.member_id takes either ` + "`column` or `value`" + `, a constant
map.yaml:9:12: ` + "`status` becomes \"PAYD\"; it is one of PLACED, PAID, COMPLETED, CANCELLED, REFUNDED: write a table of `values`, such as {shipped: COMPLETED}, for a column that says it otherwise (did you mean \"PAID\"?)" + `
map.yaml:10:14: "EURO" is no currency of ISO 4217 (did you mean "EUR"?)
map.yaml:11:3: unknown key ` + "`chanel`" + ` in order (did you mean "channel"?)
map.yaml:12:45: ` + "`otherwise` goes with a table of `values`" + `
map.yaml:13:8: line has both ` + "`unit_price`, of a piece, and `amount`" + `, of the whole line: name one
map.yaml:14:40: ` + "`matches` is no regular expression: error parsing regexp: missing closing ): `(`" + `
map.yaml:14:55: ` + "`within` is \"a year\"; write days, such as 365 days" + `
map.yaml:14:71: ` + "`spread` is \"maybe\"; it is one of true, false",
		},
		"nothing there": {"source: x\n", "map.yaml:1:1: `times` is missing: the form of times, such as `times: {form: yyyy-MM-dd HH:mm:ss, zone: Europe/London}`\n" +
			"map.yaml:1:1: `order` is missing: which columns hold order_id, member_id, occurred_at, currency\n" +
			"map.yaml:1:1: `line` is missing: which columns hold sku, quantity, unit_price or amount"},
		"no zone":    {good(t, "zone: UTC", "form: yyyy-MM-dd"), "map.yaml:2:36: key `form` twice\nmap.yaml:2:9: `zone` of times is missing: their form says no zone, so say where they are, such as `zone: Europe/London`, or UTC"},
		"a constant": {good(t, "member_id: member", "member_id: {value: m}"), "map.yaml:3:35: `member_id` of order is a constant; it takes a column"},
		"empty":      {"# nothing\n", "map.yaml:1:1: the file is empty; accrue import --help shows a mapping"},
		"no YAML":    {"order: [\n", "map.yaml:1:8: not valid YAML: sequence end token ']' not found"},
		"a list":     {"- a\n", "map.yaml:1:1: the mapping is a section: its keys belong below it, as `key: value`"},
		"two in one": {good(t, "", "") + "---\nsource: y\n", "map.yaml:6:1: a second document; a mapping is one"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := imports.ReadMapping("map.yaml", []byte(tc.mapping))
			got := strings.TrimRight(problems.String(), "\n")
			if name == "nothing there" || name == "a list" || name == "no zone" { // there the first ones matter
				for _, line := range strings.Split(tc.want, "\n") {
					if !strings.Contains(got, line) {
						t.Errorf("it lacks %q:\n%s", line, got)
					}
				}
				return
			}
			if diff := cmp.Diff(strings.Split(tc.want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// good is a mapping without problems, in which a text is replaced by another.
func good(t *testing.T, from, to string) string {
	t.Helper()
	text := `source: shop
times: {form: yyyy-MM-dd HH:mm:ss, zone: UTC}
order: {order_id: id, member_id: member, occurred_at: at, currency: {value: EUR}}
line: {sku: sku, quantity: pieces, amount: amount}
`
	if !strings.Contains(text, from) {
		t.Fatalf("%q is not in the mapping", from)
	}
	return strings.Replace(text, from, to, 1)
}

// Columns that the file does not have are told where the mapping names them.
func TestMappingDoesNotFit(t *testing.T) {
	m, problems := imports.ReadMapping("map.yaml", []byte(good(t, "", "")))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for file, want := range map[string]string{
		"id,membr,at,sku,pieces,total\n": `map.yaml:3:34: the file has no column "member" (did you mean "membr"?)
map.yaml:4:44: the file has no column "amount"; it has id, membr, at, sku, pieces, total`,
		"id,member,at,sku,pieces,amount,at\n": "map.yaml:3:55: the file has column \"at\" twice: name its columns in `file: {columns: [...]}`, and leave out its header line",
		"i\x00d\x00,":                         "map.yaml:3:19: the file's header line is no text in utf-8: say in `file: {encoding: ...}` which it is; there are utf-8, utf-16, utf-16le, utf-16be, gbk, gb18030, latin-1, windows-1252",
		"":                                    "the file is empty",
	} {
		_, err := imports.New(m, imports.Options{Refused: func(imports.Refusal) {}, Event: func(*schemas.Order) error { return nil }}).
			Run(t.Context(), "x.csv", bytes.NewReader([]byte(file)))
		if err == nil || err.Error() != want {
			t.Errorf("%q:\n%v\nwant\n%s", file, err, want)
		}
		if wrong := (*imports.MappingError)(nil); errors.As(err, &wrong) != (file != "") {
			t.Errorf("%q: the error is a %T", file, err)
		}
	}
}

// The parser of mappings survives any bytes.
func FuzzMapping(f *testing.F) {
	f.Add([]byte("source: x\ntimes: {form: yyyy}\norder: {order_id: a}\nline: {amount: a}\nskip: [{column: x, empty: true}]\n"))
	f.Add([]byte("source: [\n"))
	f.Add([]byte("returns: {when: &a [*a]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, problems := imports.ReadMapping("map.yaml", text); m == nil && len(problems) == 0 {
			t.Error("there is neither a mapping nor a problem")
		}
	})
}
