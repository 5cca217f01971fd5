package scenario

import (
	"path"
	"strings"
	"time"

	"accrue/rules/programme"
)

// IsFile reports whether a file is a scenario by its name: scenario.yaml, or a name that ends with .scenario.yaml.
func IsFile(name string) bool {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	return base == "scenario.yaml" || strings.HasSuffix(base, ".scenario.yaml")
}

// step is an event or an expectation, as written.
type step struct {
	pos  programme.Position
	kind string // the key that says what it is
	what *value // the value of that key
	keys map[string]*value
}

// script is a scenario file with its programme.
type script struct {
	reader
	title    string
	member   string
	seed     string // under which lots are drawn
	versions programme.Versions
	files    []Version // of which they were read
	steps    []step
}

// The keys of a step after the one that says what it is.
func stepKeys(kind string) []string {
	switch kind {
	case "order":
		return []string{"order", "member", "at", "event", "status", "currency", "total", "lines", "channel", "store", "device", "ip", "payment", "coupons", "attributes"}
	case "refund":
		return []string{"refund", "member", "at", "event", "lines", "amount"}
	case "cancel":
		return []string{"cancel", "member", "at", "event"}
	case "check-in":
		return []string{"check-in", "member", "at", "event", "activity", "channel", "store", "device", "ip", "attributes"}
	case "referral":
		return []string{"referral", "by", "at", "event", "code", "device", "ip"}
	case "profile":
		return []string{"profile", "member", "at", "event", "joined", "birthday", "zone", "segments", "attributes", "ends"}
	case "command":
		return []string{"command", "member", "at", "event", "operator", "reason", "points", "grant", "tier", "until"}
	case "spend", "return":
		return []string{kind, "member", "at", "event", "points"}
	case "again":
		return []string{"again"}
	case "expect":
		return []string{"expect"}
	}
	return nil
}

func expectKeys() []string {
	return []string{"member", "at", "balance", "pending", "tier", "until", "change", "points", "expires", "campaign", "entry", "why", "decision", "reason", "alerts", "notices"}
}

// readScript reads a scenario with its programme. Where problems were found it is not to be run.
func readScript(files map[string][]byte, name string, content []byte, problems *Problems) *script {
	s := &script{reader: reader{problems, time.UTC}}
	root := readTree(name, content, problems)
	if root == nil {
		return s
	}
	keys := s.keys(root, "a scenario", "title", "member", "seed", "versions", "steps")
	s.title, s.member = s.text(keys["title"], "title"), s.text(keys["member"], "member")
	if s.seed = s.text(keys["seed"], "seed"); s.seed == "" {
		s.seed = "scenario"
	}
	s.readVersions(files, name, keys["versions"])
	steps := keys["steps"]
	if steps == nil || steps.kind != list || len(steps.items) == 0 {
		problems.add(root.pos, "a scenario needs `steps`: a list of events and expectations")
		return s
	}
	for _, item := range steps.items {
		if item.kind != mapping || len(item.fields) == 0 || stepKeys(item.fields[0].key.text) == nil {
			problems.add(item.pos, "a step begins with order, refund, cancel, check-in, referral, profile, command, spend, return, again or expect")
			continue
		}
		first := item.fields[0]
		kind := first.key.text
		s.steps = append(s.steps, step{first.key.pos, kind, first.value, s.keys(item, "the step `"+kind+"`", stepKeys(kind)...)})
	}
	return s
}

// readVersions parses the programme: all files that `versions` does not name are its first version.
func (s *script) readVersions(files map[string][]byte, name string, later *value) {
	first := map[string][]byte{}
	for file, content := range files {
		if !IsFile(file) {
			first[file] = content
		}
	}
	type named struct {
		file string
		from *value
		pos  programme.Position
	}
	var list []named
	if later != nil {
		for _, item := range later.items {
			keys := s.keys(item, "a version", "file", "from")
			file := path.Join(path.Dir(name), s.text(keys["file"], "file"))
			if _, known := files[file]; !known || keys["from"] == nil {
				s.problems.add(item.pos, "a version is {file: a file beside the scenario, from: a time}; there is no %s", file)
				continue
			}
			delete(first, file)
			list = append(list, named{file, keys["from"], item.pos})
		}
	}
	s.version(first, time.Time{}, programme.Position{File: name, Line: 1, Column: 1})
	for _, v := range list {
		from := s.instant(v.from, "from")
		if n := len(s.versions); n > 0 && !s.versions[n-1].From.Before(from) {
			s.problems.add(v.pos, "versions are listed in the order of their times")
		}
		s.version(map[string][]byte{v.file: files[v.file]}, from, v.pos)
	}
}

func (s *script) version(files map[string][]byte, from time.Time, pos programme.Position) {
	p, problems := programme.Parse(files)
	if p == nil {
		s.problems.add(pos, "the programme cannot be used")
		for _, problem := range problems {
			if problem.Severity == programme.Error {
				*s.problems = append(*s.problems, Problem{problem.Pos, strings.TrimPrefix(problem.String(), Problem{Pos: problem.Pos}.String())})
			}
		}
		return
	}
	if len(s.versions) == 0 {
		s.zone = p.Zone
	}
	s.versions = append(s.versions, programme.Version{From: from, Programme: p})
	s.files = append(s.files, Version{from, files})
}
