package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"accrue/processor"
	"accrue/rules/explain"
	"accrue/rules/programme"
)

// control reads the versions of the programme. The topic is short: it is read for each page.
func (c *Console) control(ctx context.Context) (*processor.Control, error) {
	client, err := c.kafka()
	if err != nil {
		return nil, err
	}
	secret, err := c.o.Config.Random.Key()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return processor.ReadControl(ctx, client, c.o.Config.App, secret)
}

// versionRow is a version as it is listed.
type versionRow struct {
	processor.Published
	State processor.Standing
}

// part is one part of a programme in sentences.
type part struct {
	ID    string // of a level, rule or threshold
	Lines []string
}

// section is a part of the page of a programme.
type section struct {
	Kind  explain.Kind
	Parts []part
}

func (c *Console) showProgramme(w http.ResponseWriter, r *http.Request, v *visit) error {
	control, err := c.control(r.Context())
	if err != nil {
		return err
	}
	data := struct {
		*visit
		Versions            []versionRow
		Chosen              *processor.Published
		Sections            []section
		Source              []sourceFile
		Against             string
		Changes             []programme.Change
		Sentences           string
		Old                 *processor.Published
		ChosenID, AgainstID string
	}{visit: v, Against: r.FormValue("against")}
	for _, p := range control.Published {
		data.Versions = append(data.Versions, versionRow{p, control.Standing(&p, v.Now)})
	}
	slices.SortStableFunc(data.Versions, func(a, b versionRow) int { return b.Effective.Compare(a.Effective) })
	data.Chosen = findVersion(control, r.FormValue("version"), v.Now)
	if data.Chosen != nil {
		data.Sections = sectionsOf(data.Chosen.Programme, v.Language)
		data.Source = sourceOf(data.Chosen)
		data.ChosenID = data.Chosen.Version
	}
	if data.Against != "" && data.Chosen != nil {
		if data.Old = findVersion(control, data.Against, v.Now); data.Old != nil {
			data.Changes = programme.Compare(data.Old.Files, data.Chosen.Files)
			data.Sentences = explain.Changes(data.Old.Programme, data.Chosen.Programme, v.Language, 0)
			data.AgainstID = data.Old.Version
		}
	}
	c.write(w, r, http.StatusOK, "programme", data)
	return nil
}

// findVersion finds a version that can be shown; the one in force where none is named or there is no such.
func findVersion(c *processor.Control, name string, now time.Time) *processor.Published {
	var inForce *processor.Published
	for i := range slices.Backward(c.Published) {
		p := &c.Published[i]
		switch {
		case p.Programme == nil:
		case p.Version == name:
			return p
		case len(c.Versions()) > 0 && c.Versions().At(now) == p.Programme:
			inForce = p
		}
	}
	return inForce
}

// sectionsOf says a programme in sentences, those of one subject together.
func sectionsOf(p *programme.Programme, language explain.Language) []section {
	var all []section
	for _, s := range explain.Sentences(p, language) {
		if len(all) == 0 || all[len(all)-1].Kind != s.About.Kind {
			all = append(all, section{Kind: s.About.Kind})
		}
		now := &all[len(all)-1]
		if len(now.Parts) == 0 || now.Parts[len(now.Parts)-1].ID != s.About.ID {
			now.Parts = append(now.Parts, part{ID: s.About.ID})
		}
		last := &now.Parts[len(now.Parts)-1]
		last.Lines = append(last.Lines, s.Text)
	}
	return all
}

// sourceFile is one file of a version.
type sourceFile struct{ Name, Text string }

func sourceOf(p *processor.Published) []sourceFile {
	var files []sourceFile
	for name, text := range p.Files {
		files = append(files, sourceFile{name, strings.ToValidUTF8(string(text), "�")})
	}
	slices.SortFunc(files, func(a, b sourceFile) int { return strings.Compare(a.Name, b.Name) })
	return files
}
