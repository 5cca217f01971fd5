package rules

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"accrue/rules/programme"
)

// This file is about what limits count. A limit that a version brings finds counted what was granted before: so what any version
// of the ledger binds is counted from the beginning, whichever version is in force.

// counter counts what a limit binds in one local period.
type counter struct {
	per    programme.Period
	number int32 // which period; see programme.Period.Number
	times  int64
	points int64
}

// periodSet are kinds of periods; the bit of each is its number.
type periodSet uint8

func periodsOf(limits []programme.Limit) (s periodSet) {
	for i := range limits {
		s |= 1 << limits[i].Per
	}
	return s
}

// counting is what is counted for limits.
type counting struct {
	all   periodSet            // over all rules
	rules map[string]periodSet // by rule id
	// mark tells one such set from another; 0: no version binds anything that another does not. The base and the head of an
	// account keep the mark with which they counted.
	mark uint64
}

// countingOf is what any of the versions binds.
func countingOf(versions programme.Versions) counting {
	c := counting{rules: map[string]periodSet{}}
	for _, v := range versions {
		c.all |= periodsOf(v.Programme.Limits)
		for _, rule := range v.Programme.Rules {
			c.rules[rule.ID] |= periodsOf(rule.Limits)
		}
	}
	same := true
	for _, v := range versions {
		same = same && periodsOf(v.Programme.Limits) == c.all
		for _, rule := range v.Programme.Rules {
			same = same && periodsOf(rule.Limits) == c.rules[rule.ID]
		}
	}
	if same {
		return c
	}
	var text strings.Builder
	text.WriteString(strconv.Itoa(int(c.all)))
	for _, id := range slices.Sorted(maps.Keys(c.rules)) {
		if c.rules[id] != 0 {
			text.WriteString("\x00" + id + "\x00" + strconv.Itoa(int(c.rules[id])))
		}
	}
	c.mark = max(hashID(countersID, 0, text.String()), 1)
	return c
}

// of is what is counted of a rule.
func (c *counting) of(rule *programme.Rule) periodSet {
	if c.mark == 0 { // the same in each version
		return periodsOf(rule.Limits)
	}
	return c.rules[rule.ID]
}

// countGrant counts a grant in the current period of each kind.
func countGrant(counters []counter, kinds periodSet, points int64, in *periods) ([]counter, error) {
	for per := programme.PerDay; per <= programme.PerEver; per++ {
		if kinds&(1<<per) == 0 {
			continue
		}
		number := in.number(per)
		i := 0
		for i < len(counters) && counters[i].per != per {
			i++
		}
		if i == len(counters) {
			counters = append(counters, counter{per: per, number: number})
		}
		k := &counters[i]
		if k.number < number {
			*k = counter{per: per, number: number}
		}
		k.times++
		var err error
		if k.points, err = addInt(k.points, points); err != nil {
			return counters, err
		}
	}
	return counters, nil
}

// recount enters that a grant of an instant has so many points now, of which others were counted when it was granted; 0: none. In a
// period that has passed nothing is counted any more.
func (s *standing) recount(of *counting, rule string, booked int64, p *programme.Programme, was, is int64) error {
	if was == is {
		return nil
	}
	in := periods{local: s.local(booked, p)}
	var err error
	if s.limits, err = recounted(s.limits, of.all, was, is, &in); err != nil {
		return err
	}
	kinds := of.rules[rule]
	if kinds == 0 {
		return nil
	}
	use := s.use(rule)
	use.counters, err = recounted(use.counters, kinds, was, is, &in)
	return err
}

// recounted does so with the counters of one limit after the other.
func recounted(counters []counter, kinds periodSet, was, is int64, in *periods) ([]counter, error) {
	for per := programme.PerDay; per <= programme.PerEver; per++ {
		if kinds&(1<<per) == 0 {
			continue
		}
		number := in.number(per)
		i := slices.IndexFunc(counters, func(c counter) bool { return c.per == per })
		if i < 0 {
			i, counters = len(counters), append(counters, counter{per: per, number: number})
		}
		k := &counters[i]
		if k.number < number {
			*k = counter{per: per, number: number}
		} else if k.number > number {
			continue
		}
		if was == 0 {
			k.times++
		} else if is == 0 {
			k.times = max(k.times-1, 0)
		}
		points, err := addInt(k.points, is-was)
		if err != nil {
			return counters, err
		}
		k.points = max(points, 0)
	}
	return counters, nil
}

func putCounters(w *writer, list []counter) {
	w.uvarint(uint64(len(list)))
	for _, c := range list {
		w.byte(byte(c.per))
		w.varint(int64(c.number))
		w.varint(c.times)
		w.varint(c.points)
	}
}

func getCounters(r *reader) []counter {
	n := r.count()
	if n == 0 {
		return nil
	}
	list := make([]counter, n)
	for i := range list {
		list[i] = counter{programme.Period(r.byte()), int32(r.varint()), r.varint(), r.varint()}
	}
	return list
}
