package imports_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"

	"accrue/cmd/accrue/imports"
	"accrue/schemas"
)

// The same file in any encoding, packed or not, becomes the same events.
func TestEncodings(t *testing.T) {
	const file = "id,member,at,sku,pieces,amount\r\n1,m1,2024-01-01 10:00:00,%s,1,2.50\r\n"
	for name, tc := range map[string]struct {
		encoding, text string
		encode         encoding.Encoding
		prefix         string
	}{
		"utf-8":                {"utf-8", "茶 é", encoding.Nop, ""},
		"utf-8 with a mark":    {"utf-8", "茶 é", encoding.Nop, "\xef\xbb\xbf"},
		"utf-16 little endian": {"utf-16", "茶 é", unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM), ""},
		"utf-16 big endian":    {"utf-16", "茶 é", unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM), ""},
		"utf-16le bare":        {"utf-16le", "茶 é", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), ""},
		"utf-16be bare":        {"utf-16be", "茶 é", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), ""},
		"gbk":                  {"gbk", "茶叶", simplifiedchinese.GBK, ""},
		"gb18030":              {"gb18030", "茶 é", simplifiedchinese.GB18030, ""},
		"latin-1":              {"latin-1", "thé", charmap.ISO8859_1, ""},
		"windows-1252":         {"windows-1252", "thé €", charmap.Windows1252, ""},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := tc.encode.NewEncoder().String(fmt.Sprintf(file, tc.text))
			if err != nil {
				t.Fatal(err)
			}
			mapping := good(t, "", "") + "file: {encoding: " + tc.encoding + "}\n"
			got := importText(t, mapping, "x.csv", []byte(tc.prefix+text), imports.Options{})
			if !strings.Contains(got.events, `"sku":"`+tc.text+`"`) || got.refused != "" {
				t.Errorf("%s%s", got.events, got.refused)
			}
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			if _, err := w.Write([]byte(tc.prefix + text)); err != nil || w.Close() != nil {
				t.Fatal(err)
			}
			if again := importText(t, mapping, "x.csv.gz", packed.Bytes(), imports.Options{}); again.events != got.events {
				t.Errorf("packed it is something else: %s", again.events)
			}
		})
	}
	// Bytes that are no text are not taken for something else.
	got := importText(t, good(t, "", ""), "x.csv", fmt.Appendf(nil, file, "th\xe9"), imports.Options{})
	if got.events != "" || !strings.Contains(got.refused, "2: column sku holds bytes that are no text in this encoding") {
		t.Errorf("%s%s", got.events, got.refused)
	}
}

// What encoding/csv writes is read as it was, whatever is in it.
func TestCSVIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringMatching(`[a,;" \n\té茶]{0,12}`)
		delimiter := rapid.SampledFrom([]rune{',', ';', '\t', '|'}).Draw(r, "delimiter")
		var file bytes.Buffer
		w := csv.NewWriter(&file)
		w.Comma = delimiter
		rows := [][]string{{"id", "member", "at", "sku", "pieces", "amount"}}
		for i := range rapid.IntRange(1, 8).Draw(r, "rows") {
			rows = append(rows, []string{fmt.Sprint("o", i), "m", fmt.Sprintf("2024-01-01 10:00:%02d", i), "x" + text.Draw(r, "sku") + "x", "1", "1"})
		}
		if err := w.WriteAll(rows); err != nil {
			r.Fatal(err)
		}
		m, problems := imports.ReadMapping("m", []byte(good(t, "", "")+fmt.Sprintf("file: {delimiter: %q}\n", string(delimiter))))
		if len(problems) > 0 {
			r.Fatal(problems)
		}
		n := 1
		_, err := imports.New(m, imports.Options{
			Refused: func(no imports.Refusal) { r.Errorf("line %d is refused: %s", no.Line, no.Why) },
			Event: func(o *schemas.Order) error {
				if o.Lines[0].SKU != rows[n][3] {
					r.Errorf("row %d: %q is read as %q", n, rows[n][3], o.Lines[0].SKU)
				}
				n++
				return nil
			},
		}).Run(t.Context(), "x.csv", &file)
		if err != nil || n != len(rows) {
			r.Errorf("%d of %d rows, %v", n-1, len(rows)-1, err)
		}
	})
}

// Any bytes are imported or refused, and every row is accounted for: skipped, refused, or in an event.
func FuzzFile(f *testing.F) {
	f.Add([]byte("id,member,at,sku,pieces,amount\n1,m,2024-01-01 10:00:00,a,1,1\n1,m,2024-01-01 10:00:00,a,-1,-1\n"), false)
	f.Add([]byte("id,member,at,sku,pieces,amount\n\"1,m\n\"\"\n,,,,\n"), false)
	f.Add([]byte(`{"id":1,"member":"m","at":"2024-01-01 10:00:00","sku":["a"],"pieces":1.0,"amount":1e5}`), true)
	mapping := "source: s\ntimes: {form: yyyy-MM-dd HH:mm:ss, zone: UTC}\norder: {order_id: id, member_id: member, occurred_at: at, currency: {value: EUR}}\n" +
		"line: {sku: sku, quantity: pieces, amount: amount}\n"
	f.Fuzz(func(t *testing.T, file []byte, lines bool) {
		m, problems := imports.ReadMapping("m", []byte(mapping))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		name := "x.csv"
		if lines {
			name = "x.jsonl"
		}
		taken := int64(0)
		report, err := imports.New(m, imports.Options{Refused: func(imports.Refusal) {}, Event: func(o *schemas.Order) error {
			taken += int64(len(o.Lines) + len(o.RefundedLines))
			return nil
		}}).Run(t.Context(), name, bytes.NewReader(file))
		if err == nil && taken+report.Refused+report.Skipped < report.Rows-report.Refunds {
			t.Errorf("of %d rows %d are refused, %d skipped and %d in events", report.Rows, report.Refused, report.Skipped, taken)
		}
	})
}
