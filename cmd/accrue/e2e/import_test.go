package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// orderMap is a mapping for the files of this test.
const orderMap = `
source: shop
times: {form: yyyy-MM-dd HH:mm, zone: UTC}
order: {order_id: id, member_id: member, occurred_at: at, currency: {value: EUR}}
line: {sku: sku, quantity: pieces, unit_price: price}
`

// A file that is broken in its middle is imported, mended and imported again: the second time adds what was left out, and nothing else.
func TestImportAgain(t *testing.T) {
	s := newStage(t, "imported", euros)
	e := s.engine("a", 1, "")
	s.accrue("", "topics", "apply", "--config", e.config)
	e.start()
	dir := t.TempDir()
	mapping := filepath.Join(dir, "map.yaml")
	s.write(mapping, orderMap)
	const orders = 2000 // of four members, two rows of 1.50 and 2.50 each
	rows := []string{"id,member,at,sku,pieces,price"}
	for n := range orders {
		head := fmt.Sprintf("%d,m%d,2026-01-%02d 10:%02d", n, n%4, 1+n*28/orders, n%60)
		rows = append(rows, head+",tea,1,1.50", head+",cup,1,2.50")
	}
	whole := filepath.Join(dir, "whole.csv")
	s.write(whole, strings.Join(rows, "\n"))
	broken := filepath.Join(dir, "broken.csv")
	rows[2001] = strings.Replace(rows[2001], "tea", `"tea`, 1) // the first row of order 1000: a quote that nobody closes
	s.write(broken, strings.Join(rows, "\n"))

	s.accrue("", "import", "--orders", broken, "--map", mapping, "--config", e.config)
	w := s.wallet()
	w.awaitPoints("m0 1996, m1 2000, m2 2000, m3 2000", time.Minute)
	s.accrue("", "import", "--orders", whole, "--map", mapping, "--config", e.config)
	w.awaitPoints("m0 2000, m1 2000, m2 2000, m3 2000", time.Minute)
	if sent := w.awaitAnswers(time.Minute); len(sent) != 2*orders-1 {
		t.Errorf("%d events are on the topic, not %d", len(sent), 2*orders-1)
	}
	s.accrue("", "verify", "--config", e.config)
}
