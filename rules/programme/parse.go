package programme

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sort"
	"time"
)

// Parse reads a programme from its files, by name. Several files are one programme: their keys are merged, and their rules
// are taken in the order of the file names. All problems of all files are returned at once, in order; the Programme is nil
// where one of them is an error. Parse never fails otherwise, whatever the bytes are.
func Parse(files map[string][]byte) (*Programme, Problems) {
	p := newParser()
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	if len(names) == 0 {
		p.fail(Position{}, "there is no programme file")
		return nil, p.problems
	}
	if len(names) > maxFiles {
		p.fail(Position{File: names[0]}, "the programme has %d files; at most %d are read", len(names), maxFiles)
		return nil, p.problems
	}
	whole := true // every file could be read, so what is missing is really missing
	for _, name := range names {
		whole = p.readFile(name, files[name]) && whole
	}
	p.header(Position{File: names[0], Line: 1, Column: 1}, whole)
	p.tiers(p.fields.get("tiers"))
	p.rules()
	p.check()
	problems := p.problems.sort()
	if problems.Failed() {
		return nil, problems
	}
	p.out.Version = p.out.ID + "@" + digest(names, files)
	return p.out, problems
}

// digest is the start of the SHA-256 of a file, or of the hashes of several in the order of their names.
func digest(names []string, files map[string][]byte) string {
	sum := sha256.Sum256(files[names[0]])
	if len(names) > 1 {
		all := sha256.New()
		for _, name := range names {
			one := sha256.Sum256(files[name])
			all.Write(one[:])
		}
		sum = [32]byte(all.Sum(nil))
	}
	return hex.EncodeToString(sum[:4])
}

// The keys of a programme file, and those that only later versions of the grammar have.
var (
	headerKeys = []string{ //nolint:gochecknoglobals // never changed
		"programme", "currency", "currencies", "time_zone", "earn_on", "rounding", "stacking", "return_window",
		"remember_orders", "limits", "clawback", "redemptions", "tiers", "rules",
	}
	laterHeaderKeys = []string{"expiry", "fraud"} //nolint:gochecknoglobals // never changed
)

// programmeParser turns trees into a Programme.
type programmeParser struct {
	reader
	out    *Programme
	fields fields  // the keys of all files
	lists  []*node // the values of `rules`, one a file

	currencyKnown bool // else amounts of any number of decimals are read, and thrown away
	compiler      *compiler
	read          []*ruleRead
	withoutRules  bool
}

// ruleRead is a rule with what is needed to check it against the others.
type ruleRead struct {
	rule     *Rule
	fields   fields
	named    []*node // the values of boost.of
	complete bool    // no part of it failed, so that what is not there was not written
}

func newParser() *programmeParser {
	return &programmeParser{
		out: &Programme{
			Currency: Currency{Digits: 2}, Scale: 2, Rates: map[string]Rate{}, Zone: time.UTC, EarnOn: "PAID",
			ReturnWindow: Duration{Days: 90}, RememberOrders: Duration{Months: 36},
		},
		fields: fields{found: map[string]entry{}},
	}
}

// readFile parses one file and merges its keys.
func (p *programmeParser) readFile(name string, content []byte) bool {
	src, problem := newSource(name, content)
	if problem != nil {
		p.report(*problem)
		return false
	}
	root := readYAML(src, p.report)
	f, ok := p.mapping(root, "a programme", headerKeys, laterHeaderKeys)
	if !ok {
		return false
	}
	if p.fields.node == nil {
		p.fields.node = root
	}
	for _, e := range root.entries {
		key := e.key.text
		if f.found[key].key != e.key {
			continue // a repetition, reported
		}
		if key == "rules" {
			p.lists = append(p.lists, e.value)
		} else if first, twice := p.fields.found[key]; twice && slices.Contains(headerKeys, key) {
			p.fail(e.key.pos, "key `%s` twice, first in %s:%d", key, first.key.pos.File, first.key.pos.Line)
			continue
		}
		p.fields.found[key] = e
	}
	return true
}
