package programme

import (
	"archive/zip"
	"bytes"
	_ "embed" // for the zone tables
	"fmt"
	"io"
	"sort"
	"sync"
	"time"

	"accrue/schemas"
)

// zoneTables is the zip of the IANA tables that Go ships (lib/time/zoneinfo.zip). The host's own are never read: two
// instances with different tables would decide differently.
//
//go:embed zoneinfo.zip
var zoneTables []byte

// zones is the index of zoneTables. It is a pure function of the bytes above, made once because opening the zip takes
// some milliseconds and a fleet of accounts asks for the same few zones again and again; nothing can change it.
//
//nolint:gochecknoglobals // an immutable cache of embedded data
var zones = sync.OnceValues(readZones)

type zoneIndex struct {
	names []string // sorted
	load  map[string]func() (*zone, error)
	laid  sync.Map // *time.Location → *zone, of those that were asked for: quicker than by name
}

// zone is a time zone with its changes laid out from 1900 to 2200. The tables give later changes as a rule, which
// time.Location works out at every question: half a microsecond, several times for each step of the calendar.
type zone struct {
	loc     *time.Location
	starts  []int64 // ascending, Unix seconds: offsets[i] holds from starts[i] to before starts[i+1]
	offsets []int64 // seconds east of UTC
	fixed   []*time.Location
}

func readZones() (*zoneIndex, error) {
	archive, err := zip.NewReader(bytes.NewReader(zoneTables), int64(len(zoneTables)))
	if err != nil {
		return nil, fmt.Errorf("open the embedded time zones: %w", err)
	}
	index := &zoneIndex{load: make(map[string]func() (*zone, error), len(archive.File))}
	for _, file := range archive.File {
		if file.FileInfo().IsDir() {
			continue
		}
		index.names = append(index.names, file.Name)
		index.load[file.Name] = sync.OnceValues(func() (*zone, error) {
			loc, err := readZone(file)
			if err != nil {
				return nil, err
			}
			return layOut(loc), nil
		})
	}
	sort.Strings(index.names)
	return index, nil
}

func layOut(loc *time.Location) *zone {
	z := &zone{loc: loc}
	last := time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	for at, more := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).In(loc), true; more && at.Before(last); at, more = periodEnd(at) {
		_, offset := at.Zone()
		if n := len(z.offsets); n > 0 && z.offsets[n-1] == int64(offset) {
			continue
		}
		z.starts = append(z.starts, at.Unix())
		z.offsets = append(z.offsets, int64(offset))
		z.fixed = append(z.fixed, time.FixedZone(loc.String(), offset))
	}
	z.starts = append(z.starts, last.Unix())
	return z
}

// periodEnd returns an instant after at until which the offset stays what it is at `at`, in the same zone; false: it stays
// for ever. Beyond the tables ZoneBounds ends a period with the 365th day of the year, and in a leap year gives an end that
// is not after `at` for the day that remains; no zone changes on that day.
func periodEnd(at time.Time) (time.Time, bool) {
	_, end := at.ZoneBounds()
	switch {
	case end.IsZero():
		return end, false
	case !end.After(at):
		return at.Add(secondsPerDay * time.Second), true
	}
	return end, true
}

// find returns the index of the offset that holds at an instant; false outside the years that are laid out.
func (z *zone) find(unix int64) (int, bool) {
	end := len(z.starts) - 1
	if unix < z.starts[0] || unix >= z.starts[end] {
		return 0, false
	}
	low, high := 0, end // starts[low] ≤ unix < starts[high]
	for high-low > 1 {
		if middle := (low + high) / 2; z.starts[middle] <= unix {
			low = middle
		} else {
			high = middle
		}
	}
	return low, true
}

// shownIn returns t with the same clock in a zone that never changes: asking it for hours and dates takes a few
// nanoseconds. It must not be moved to another instant.
func shownIn(t time.Time) time.Time {
	if z := laidOut(t.Location()); z != nil {
		if i, ok := z.find(t.Unix()); ok {
			return t.In(z.fixed[i])
		}
	}
	return t
}

// laidOut returns the zone of a Location that LoadZone gave; nil for any other.
func laidOut(loc *time.Location) *zone {
	index, err := zones()
	if err != nil {
		return nil
	}
	if z, ok := index.laid.Load(loc); ok {
		return z.(*zone)
	}
	load, ok := index.load[loc.String()]
	if !ok {
		return nil
	}
	z, err := load()
	if err != nil || z.loc != loc {
		return nil
	}
	index.laid.Store(loc, z)
	return z
}

func readZone(file *zip.File) (*time.Location, error) {
	r, err := file.Open()
	if err != nil {
		return nil, fmt.Errorf("open time zone %s: %w", file.Name, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read time zone %s: %w", file.Name, err)
	}
	loc, err := time.LoadLocationFromTZData(file.Name, data)
	if err != nil {
		return nil, fmt.Errorf("read time zone %s: %w", file.Name, err)
	}
	return loc, nil
}

// UnknownZone is the error for a name that the embedded tables do not have.
type UnknownZone struct {
	Name       string
	Suggestion string // a near name; empty: none is near
}

func (e *UnknownZone) Error() string {
	text := fmt.Sprintf("unknown time zone %q", e.Name)
	if e.Suggestion != "" {
		text += fmt.Sprintf(" (did you mean %q?)", e.Suggestion)
	}
	return text
}

// LoadZone returns the IANA time zone with the given name from the embedded tables, whatever the host has. The empty name
// and "Local" are no zones. The error is an *UnknownZone. It may be called by many goroutines; the second call with a name
// is cheap and returns the same Location.
func LoadZone(name string) (*time.Location, error) {
	index, err := zones()
	if err != nil {
		return nil, err
	}
	load, ok := index.load[name]
	if !ok {
		return nil, &UnknownZone{Name: name, Suggestion: schemas.Nearest(name, index.names)}
	}
	z, err := load()
	if err != nil {
		return nil, err
	}
	return z.loc, nil
}
