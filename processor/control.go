package processor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"accrue/rules"
	"accrue/rules/programme"
)

const (
	// PublishAhead is how much later than it was appended, by the broker's clock, a version must take effect. Until then every
	// lane has seen it (ControlFresh), also for events that are ahead of the clock.
	PublishAhead = 10 * time.Minute
	// ControlFresh is for how long a lane may decide since the control topic was last read to its end.
	ControlFresh = time.Minute

	// maxProgrammeBytes bounds the files of a version together: with a third more for base64 they fit into a record.
	maxProgrammeBytes = 8 << 20
	// maxIgnored bounds how many records are remembered that are ignored; all are counted.
	maxIgnored = 100
)

// Formats are the numbers of what the instances of an app have to agree on.
type Formats struct {
	Control   int `json:"control"`   // of the control topic's records
	Grammar   int `json:"grammar"`   // of programmes
	Rows      int `json:"rows"`      // of the changelog's rows
	Semantics int `json:"semantics"` // of decisions
}

// ourFormats are those that this version of the engine knows.
func ourFormats() Formats {
	return Formats{Control: 1, Grammar: 1, Rows: rules.RowFormat, Semantics: rules.Semantics}
}

// KnownFormats are the highest numbers that this version of the engine reads and writes.
func KnownFormats() Formats { return ourFormats() }

// knows says that whatever is written with those formats can be read here.
func (f Formats) knows(other Formats) bool {
	return f.Control >= other.Control && f.Grammar >= other.Grammar && f.Rows >= other.Rows && f.Semantics >= other.Semantics
}

func (f Formats) String() string {
	return fmt.Sprintf("control %d, grammar %d, rows %d, semantics %d", f.Control, f.Grammar, f.Rows, f.Semantics)
}

// AppRecord is what is the same for all instances of an app.
type AppRecord struct {
	ID      string  `json:"id"`
	Shards  int32   `json:"shards"`
	Formats Formats `json:"formats"`
}

// controlRecord is one record of `<app>-control`, as JSON: an app, or a version of its programme. What it means stands in
// deploy/docs/versions.md.
type controlRecord struct {
	Format    int              `json:"format"`
	App       *AppRecord       `json:"app,omitempty"`
	Programme *programmeRecord `json:"programme,omitempty"`
}

// programmeRecord is a version of the programme.
type programmeRecord struct {
	Version   string          `json:"version"` // as programme.Programme has it: a digest of the files is in it
	Grammar   int             `json:"grammar"`
	Effective *time.Time      `json:"effective"` // null: from the beginning, which only the first version is
	By        string          `json:"by"`
	Note      string          `json:"note,omitempty"`
	Files     []programmeFile `json:"files"`
}

// programmeFile is one file of a programme.
type programmeFile struct {
	Name    string `json:"name"`
	Content []byte `json:"content"` // base64 in JSON
}

// Published is a version as it stands on the control topic.
type Published struct {
	Offset    int64
	Version   string               // as the record names it; empty: it could not be read
	Programme *programme.Programme // nil: ignored
	Files     map[string][]byte    // nil: ignored
	Effective time.Time            // zero: from the beginning
	At        time.Time            // when it was appended, by the broker's clock
	By        string               // who published it, by their own word
	Note      string
	Ignored   string // why every instance ignores it; empty: it counts
}

// Control is the control topic, folded in its order. What it is follows from the records alone, so that every instance
// that has read as far has the same. The zero Control has read nothing.
type Control struct {
	App       *AppRecord  // nil: no instance was ever started
	Published []Published // in the order of the topic; of those that are ignored the first ones
	Ignored   int         // records that are ignored
	Next      int64       // the next offset to read

	secret   []byte // lots are drawn with it; empty: none can be drawn here
	versions programme.Versions
	ledger   *rules.Ledger
	needs    *rules.NeedsSecret // a version that counts draws lots, and there is no secret here; nil: no trouble
}

// Versions are those that count, by the time from which they are in force. Where two have the same time, the one published
// later is there.
func (c *Control) Versions() programme.Versions { return c.versions }

// Standing is what has become of a published programme.
type Standing string

// What can become of a published programme.
const (
	StandsIgnored  Standing = "ignored"  // it counts for nobody
	StandsReplaced Standing = "replaced" // one published later is in force from the same time
	StandsInForce  Standing = "in_force"
	StandsToCome   Standing = "to_come"
	StandsPast     Standing = "past"
)

// Standing says what has become of p, which c has published, at an instant.
func (c *Control) Standing(p *Published, now time.Time) Standing {
	counts := slices.ContainsFunc(c.versions, func(v programme.Version) bool { return v.Programme == p.Programme })
	switch {
	case p.Programme == nil:
		return StandsIgnored
	case !counts:
		return StandsReplaced
	case c.versions.At(now) == p.Programme:
		return StandsInForce
	case p.Effective.After(now):
		return StandsToCome
	}
	return StandsPast
}

// Ledger is the function of those versions; nil: there is none yet, or one of them draws lots and there is no secret.
func (c *Control) Ledger() *rules.Ledger {
	if c.needs != nil {
		return nil
	}
	return c.ledger
}

// NeedsSecret says which version draws lots, where Control was read without a secret for them; nil: none, or there is one.
func (c *Control) NeedsSecret() *rules.NeedsSecret { return c.needs }

// Take adds the next record. It never fails: what is not as it should be is ignored, for good and by all.
func (c *Control) Take(r Record) {
	c.Next = r.Offset + 1
	if r.Control {
		return
	}
	published := Published{Offset: r.Offset, At: r.Timestamp}
	record, err := c.decode(r.Value)
	switch {
	case err != nil:
	case record.App != nil:
		if c.App == nil {
			c.App = record.App
			return
		}
		// Instances that start together each write it; it only ever says the same, or newer formats, or more shards (Reshard).
		err = c.nextApp(record.App)
		if err == nil {
			return
		}
	default:
		err = c.takeProgramme(record.Programme, &published)
		if errors.Is(err, errRepeated) {
			return
		}
	}
	if err != nil {
		published.Ignored, published.Programme, published.Files = err.Error(), nil, nil
		if c.Ignored++; c.Ignored > maxIgnored {
			return
		}
	}
	c.Published = append(c.Published, published)
}

// errRepeated says that a record says once more what is known: the first version, from instances that started together.
var errRepeated = errors.New("the first version once more")

func (c *Control) decode(value []byte) (*controlRecord, error) {
	record := &controlRecord{}
	d := json.NewDecoder(bytes.NewReader(value))
	if err := d.Decode(record); err != nil {
		return nil, fmt.Errorf("it is no JSON record of the control topic: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its JSON")
	}
	most := ourFormats().Control
	if c.App != nil {
		most = c.App.Formats.Control
	}
	switch {
	case record.Format < 1 || record.Format > most:
		return nil, fmt.Errorf("it has format %d, this app has formats up to %d", record.Format, most)
	case (record.App == nil) == (record.Programme == nil):
		return nil, errors.New("it has neither an app nor a programme, or both")
	case record.App == nil && c.App == nil:
		return nil, errors.New("no app stands before it")
	}
	return record, nil
}

// nextApp takes a later record of the app.
func (c *Control) nextApp(a *AppRecord) error {
	if a.ID != c.App.ID || a.Shards < c.App.Shards {
		return fmt.Errorf("it is of app %s with %d shards, this is app %s with %d, and there are never fewer", a.ID, a.Shards, c.App.ID, c.App.Shards)
	}
	if !a.Formats.knows(c.App.Formats) {
		return fmt.Errorf("it goes back from formats %s to %s", c.App.Formats, a.Formats)
	}
	c.App = a
	return nil
}

// takeProgramme takes a version in, or says why not.
func (c *Control) takeProgramme(r *programmeRecord, out *Published) error {
	out.Version, out.By, out.Note = r.Version, r.By, r.Note
	if r.Effective != nil {
		out.Effective = r.Effective.UTC().Truncate(time.Millisecond)
	}
	if r.Grammar > c.App.Formats.Grammar {
		return fmt.Errorf("it is of grammar %d, this app has grammars up to %d", r.Grammar, c.App.Formats.Grammar)
	}
	files := make(map[string][]byte, len(r.Files))
	size := 0
	for _, f := range r.Files {
		files[f.Name] = f.Content
		size += len(f.Content)
	}
	if size > maxProgrammeBytes {
		return fmt.Errorf("its files have %d bytes, more than %d", size, maxProgrammeBytes)
	}
	p, problems := programme.Parse(files)
	if p == nil {
		first, _, _ := strings.Cut(problems.String(), "\n")
		return fmt.Errorf("it is not a valid programme: %s", first)
	}
	if p.Version != r.Version {
		return fmt.Errorf("it says that it is %s, and its files are %s", r.Version, p.Version)
	}
	out.Programme, out.Files = p, files
	if err := c.follows(out); err != nil {
		return err
	}
	versions := c.versions.With(programme.Version{From: out.Effective, Programme: p})
	ledger, err := rules.NewLedger(versions, rules.Secret(c.secret))
	if errors.As(err, &c.needs) { // it counts all the same: other instances have the secret
		c.versions = versions
		return nil
	}
	if err != nil {
		return err
	}
	c.versions, c.ledger, c.needs = versions, ledger, nil
	return nil
}

// follows says why a version cannot follow those before it.
func (c *Control) follows(v *Published) error {
	switch {
	case len(c.versions) == 0 && !v.Effective.IsZero():
		return errors.New("the first version has to be in force from the beginning")
	case len(c.versions) == 0:
		return nil
	case v.Effective.IsZero() && v.Version == c.versions[0].Programme.Version:
		return errRepeated
	case v.Effective.IsZero():
		return fmt.Errorf("the app began with %s: a later version needs a time", c.versions[0].Programme.Version)
	case v.Effective.Before(v.At.Add(PublishAhead)):
		return fmt.Errorf("it was appended at %s and would be in force from %s: %s ahead are needed, so that nobody decides without it",
			v.At.Format(time.RFC3339), v.Effective.Format(time.RFC3339), PublishAhead)
	}
	if why := c.versions.Refusals(programme.Version{From: v.Effective, Programme: v.Programme}); len(why) > 0 {
		return errors.New(strings.Join(why, "; "))
	}
	return nil
}

// encodeProgramme makes the record of a version.
func encodeProgramme(version string, files map[string][]byte, effective time.Time, by, note string, grammar int) ([]byte, error) {
	size := 0
	r := &programmeRecord{Version: version, Grammar: grammar, By: by, Note: note}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		r.Files = append(r.Files, programmeFile{name, files[name]})
		size += len(files[name])
	}
	if size > maxProgrammeBytes {
		return nil, fmt.Errorf("the programme has %d bytes, and at most %d fit on the control topic: make its files smaller", size, maxProgrammeBytes)
	}
	if !effective.IsZero() {
		r.Effective = &effective
	}
	return json.Marshal(controlRecord{Format: 1, Programme: r})
}

func encodeApp(a AppRecord) ([]byte, error) { return json.Marshal(controlRecord{Format: 1, App: &a}) }
