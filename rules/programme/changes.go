package programme

import (
	"fmt"
	"slices"
	"strings"
)

// ChangeKind says what happened to a part of a programme between two versions.
type ChangeKind uint8

// The kinds of changes.
const (
	Added ChangeKind = iota + 1
	Removed
	Changed
)

// Change is one difference between two versions of a programme, as their authors wrote it.
type Change struct {
	Kind ChangeKind
	What string // "rule gold (gold earns more): boost.by", "expiry.after", "level gold"
	Old  string // as written, on one line; empty where it was added
	New  string // empty where it was removed
	Note string // what that means for what was before; empty: nothing that needs saying
}

// String is the change in words, one line.
func (c Change) String() string {
	var text string
	switch c.Kind {
	case Added:
		text = fmt.Sprintf("new: %s: %s", c.What, c.New)
	case Removed:
		text = fmt.Sprintf("removed: %s: it was %s", c.What, c.Old)
	default:
		text = fmt.Sprintf("changed: %s was %s, becomes %s", c.What, c.Old, c.New)
	}
	if c.Note != "" {
		text += " (" + c.Note + ")"
	}
	return text
}

// Compare says what changes from one version of a programme to another, given as files by name. It compares what is written,
// key by key: comments, order of keys and line breaks are no change, and neither is a list of one item in place of the item.
// Both must parse; what does not is left out. Changes come in the order of the grammar: header, tiers, rules, fraud.
func Compare(old, updated map[string][]byte) []Change {
	before, after := readAuthored(old), readAuthored(updated)
	var c comparison
	for i := range programmeShape.keys {
		switch key := programmeShape.keys[i].name; key {
		case "rules":
			c.listed("rule", before.items(key), after.items(key))
			c.order("rules", before.items(key), after.items(key))
		case "fraud":
			c.listed("threshold", before.items(key), after.items(key))
		case "tiers":
			c.tiers(before.fields.get(key), after.fields.get(key))
		default:
			c.values(key, before.fields.get(key), after.fields.get(key))
		}
	}
	return c.changes
}

// authored is a programme as its trees.
type authored struct{ *programmeParser }

// readAuthored reads the trees. What is wrong in them is for others to tell.
func readAuthored(files map[string][]byte) authored {
	p := newParser(nil)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p.readFile(name, files[name])
	}
	return authored{p}
}

// items are the values of a key whose lists are joined, in order.
func (w authored) items(key string) []*node {
	var items []*node
	for _, list := range w.lists[key] {
		items = append(items, itemsOf(list)...)
	}
	return items
}

// itemsOf are the items of a list; nothing where it is none.
func itemsOf(n *node) []*node {
	if n == nil || n.kind != listNode {
		return nil
	}
	return n.items
}

// valueAt is the value of a key in a mapping, nil where there is none.
func valueAt(n *node, key string) *node {
	if n == nil || n.kind != mapNode {
		return nil
	}
	for _, e := range n.entries {
		if e.key.text == key && e.value.kind != nullNode {
			return e.value
		}
	}
	return nil
}

// comparison gathers changes.
type comparison struct{ changes []Change }

func (c *comparison) add(change Change) { c.changes = append(c.changes, change) }

// values compares what stands at a key; nil: nothing does. Mappings are compared key by key.
func (c *comparison) values(what string, old, updated *node) {
	old, updated = single(old), single(updated)
	note := noteOf(what)
	switch {
	case old == nil && updated == nil:
	case old == nil:
		c.add(Change{Added, what, "", inline(updated), note})
	case updated == nil:
		c.add(Change{Removed, what, inline(old), "", note})
	case old.kind == mapNode && updated.kind == mapNode:
		for _, key := range keysOf(old, updated) {
			c.values(what+"."+key, valueAt(old, key), valueAt(updated, key))
		}
	case inline(old) != inline(updated):
		c.add(Change{Changed, what, inline(old), inline(updated), note})
	}
}

// keysOf are the keys of two mappings, those of the first first.
func keysOf(a, b *node) []string {
	var keys []string
	for _, n := range []*node{a, b} {
		for _, e := range n.entries {
			if !slices.Contains(keys, e.key.text) {
				keys = append(keys, e.key.text)
			}
		}
	}
	return keys
}

// tiers compares the levels by their ids, the rest as values.
func (c *comparison) tiers(old, updated *node) {
	if old == nil || updated == nil || old.kind != mapNode || updated.kind != mapNode {
		c.values("tiers", old, updated)
		return
	}
	for _, key := range keysOf(old, updated) {
		before, after := valueAt(old, key), valueAt(updated, key)
		if key == "levels" {
			from := len(c.changes)
			c.listed("level", itemsOf(before), itemsOf(after))
			noteBecomes(c.changes[from:], valueAt(updated, "becomes"))
			continue
		}
		c.values("tiers."+key, before, after)
	}
}

// noteBecomes says of removed levels what their members have then.
func noteBecomes(changes []Change, becomes *node) {
	for i := range changes {
		if changes[i].Kind != Removed {
			continue
		}
		if now := valueAt(becomes, strings.TrimPrefix(changes[i].What, "level ")); now != nil {
			changes[i].Note = "its members have " + now.text + " then, as long as they would have had it"
		}
	}
}

// listed compares what has ids: rules, thresholds, levels.
func (c *comparison) listed(kind string, old, updated []*node) {
	for _, n := range old {
		if other := withID(updated, idOf(n)); other == nil {
			c.add(Change{Kind: Removed, What: named(kind, n), Old: withoutID(n)})
		}
	}
	for _, n := range updated {
		other := withID(old, idOf(n))
		if other == nil {
			c.add(Change{Kind: Added, What: named(kind, n), New: withoutID(n)})
			continue
		}
		for _, key := range keysOf(other, n) {
			c.values(named(kind, n)+": "+key, valueAt(other, key), valueAt(n, key))
		}
	}
}

// order compares in which order those stand that both have: rules are taken in it.
func (c *comparison) order(what string, old, updated []*node) {
	common := func(list, other []*node) string {
		var ids []string
		for _, n := range list {
			if id := idOf(n); withID(other, id) != nil {
				ids = append(ids, id)
			}
		}
		return strings.Join(ids, ", ")
	}
	if before, after := common(old, updated), common(updated, old); before != after {
		c.add(Change{Kind: Changed, What: "the order of " + what, Old: before, New: after})
	}
}

func idOf(n *node) string {
	if id := valueAt(n, "id"); id != nil {
		return id.text
	}
	return ""
}

func withID(list []*node, id string) *node {
	for _, n := range list {
		if n.kind == mapNode && idOf(n) == id {
			return n
		}
	}
	return nil
}

// named is what people call it: "rule gold (gold earns more)".
func named(kind string, n *node) string {
	name := kind + " " + idOf(n)
	if title := valueAt(n, "title"); title != nil && title.kind == scalarNode {
		name += " (" + title.text + ")"
	}
	return name
}

// withoutID is a mapping as written, on one line, without what its name says already.
func withoutID(n *node) string {
	var parts []string
	for _, e := range n.entries {
		if key := e.key.text; key != "id" && key != "title" {
			parts = append(parts, key+" "+inline(e.value))
		}
	}
	return strings.Join(parts, ", ")
}

// single is the one item of a list that has one: the grammar takes either.
func single(n *node) *node {
	if n != nil && n.kind == listNode && len(n.items) == 1 {
		return n.items[0]
	}
	return n
}

// inline is a value on one line, as YAML has it in braces.
func inline(n *node) string {
	n = single(n)
	var parts []string
	switch n.kind {
	case mapNode:
		for _, e := range n.entries {
			parts = append(parts, e.key.text+": "+inline(e.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case listNode:
		for _, item := range n.items {
			parts = append(parts, inline(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case nullNode, brokenNode:
		return "nothing"
	case scalarNode:
	}
	return strings.Join(strings.Fields(n.text), " ")
}

// noteOf says what a change at a key means for what was before; the key is the end of what is compared.
func noteOf(what string) string {
	for _, n := range [...]struct{ end, note string }{
		{": budget", "what was given out of it so far counts against it"},
		{": budget.points", "what was given out of it so far counts against it"},
		{": at", "nobody falls before the end of the validity, and who reaches it rises at the next event"},
		{": limit", "what was granted so far in the period counts"},
		{": limit.points", "what was granted so far in the period counts"},
		{": limit.times", "what was granted so far in the period counts"},
		{"return_window", "orders from before keep the window that they had"},
		{"earn_on", "orders from before earn as they did"},
		{"expiry.after", "what was granted before keeps its expiry"},
		{"tiers.over", "counted anew from what is kept"},
		{"tiers.by", "counted anew from what is kept"},
	} {
		if strings.HasSuffix(what, n.end) {
			return n.note
		}
	}
	return ""
}
