package programme

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"sort"
	"time"
)

// Parse reads a programme from its files, by name. Several files are one programme: their keys are merged, and their rules
// and thresholds are taken in the order of the file names. All problems of all files are returned at once, in order; the Programme is nil
// where one of them is an error. Parse never fails otherwise, whatever the bytes are.
func Parse(files map[string][]byte) (*Programme, Problems) {
	return newParser(notYet()).parse(files)
}

func (p *programmeParser) parse(files map[string][]byte) (*Programme, Problems) {
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
	before := p.errors
	p.tiers(p.fields.get("tiers"))
	p.soundTiers = p.errors == before
	p.compiler = newCompiler(p.out.Currency, p.out.Scale, p.levelIDs(), p.report)
	p.compiler.notYet = p.notYet
	if p.currencyKnown {
		p.compiler.currencies = slices.Sorted(maps.Keys(p.out.Rates))
	}
	p.rules()
	p.thresholds()
	p.check()
	p.lint()
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

// programmeParser turns trees into a Programme.
type programmeParser struct {
	reader
	out    *Programme
	fields fields             // the keys of all files
	lists  map[string][]*node // the values of keys whose lists are joined, one a file

	currencyKnown bool // else amounts of any number of decimals are read, and thrown away
	compiler      *compiler
	read          []*ruleRead
	byID          map[string]int // indices of rules in read
	guards        []thresholdRead
	soundTiers    bool // `tiers` has no error, or is not there
}

// ruleRead is a rule with what is needed to check it against the others.
type ruleRead struct {
	rule     *Rule
	fields   fields
	named    []*node // the values of boost.of
	complete bool    // no part of it failed, so that what is not there was not written
}

// newParser makes a parser that refuses what is not yet supported.
func newParser(notYet []string) *programmeParser {
	return &programmeParser{
		reader: reader{notYet: notYet},
		out: &Programme{
			Currency: Currency{Digits: 2}, Scale: 2, Rates: map[string]Rate{}, Zone: time.UTC, EarnOn: "PAID",
			ReturnWindow: Duration{Days: 90}, RememberOrders: Duration{Months: 36},
		},
		fields: fields{shape: &programmeShape, found: map[string]entry{}},
		lists:  map[string][]*node{},
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
	f, ok := p.mapping(root, &programmeShape)
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
		if key == "rules" || key == "fraud" {
			p.lists[key] = append(p.lists[key], e.value)
		} else if first, twice := p.fields.found[key]; twice && programmeShape.has(key) {
			p.fail(e.key.pos, "key `%s` twice, first in %s:%d", key, first.key.pos.File, first.key.pos.Line)
			continue
		}
		p.fields.found[key] = e
	}
	return true
}
