package console

import (
	"cmp"
	"net/http"
	"slices"

	"accrue/processor"
)

// shardRow is a shard as the brokers and the instances know it.
type shardRow struct {
	fleetShard
	State    string // at its owner; empty: the owner was not asked
	Position int64
	Progress int64 // percent of the changelog, while it is restored; -1: it is not
	Why      string
	Copies   []shardCopy
}

// shardCopy is what another instance keeps of a shard.
type shardCopy struct {
	Instance string
	Ready    bool  // it could take the shard over at once
	Behind   int64 // changelog offsets; -1: not known
}

func (c *Console) showShards(w http.ResponseWriter, r *http.Request, v *visit) error {
	data := struct {
		*visit
		Rows     []shardRow
		Fleet    *fleet
		Here     string
		Lanes    []processor.LaneStatus
		NotReady map[string][]string // by instance
		Asked    int
		State    string
	}{visit: v, NotReady: map[string][]string{}}
	state := c.feed.look(func(_ *tally, f *fleet) { data.Fleet = f })
	data.State = v.feedText(state)
	reports := c.reports(r.Context(), data.Fleet)
	if e := c.o.Engine(); e != nil {
		data.Lanes, data.Here = e.Status(), e.Instance()
	}
	for i := range reports {
		if len(reports[i].NotReady) > 0 {
			data.NotReady[cmp.Or(reports[i].Instance, "–")] = reports[i].NotReady
		}
	}
	data.Rows = shardRows(data.Fleet, reports)
	c.write(w, r, http.StatusOK, "shards", data)
	return nil
}

// shardRows puts together what brokers and instances say.
func shardRows(f *fleet, reports []instanceReport) []shardRow {
	rows := map[int32]*shardRow{}
	at := func(shard int32) *shardRow {
		if rows[shard] == nil {
			rows[shard] = &shardRow{fleetShard: fleetShard{Shard: shard}, Progress: -1}
		}
		return rows[shard]
	}
	if f != nil {
		for _, s := range f.Shards {
			at(s.Shard).fleetShard = s
		}
		for _, lane := range f.Lanes {
			for shard, ready := range lane.Follows {
				row := at(shard)
				if row.Owner != nil && row.Owner.Instance == lane.Instance { // it has just become the owner
					continue
				}
				row.Copies = append(row.Copies, shardCopy{lane.Instance, ready, -1})
			}
		}
	}
	for i := range reports {
		for _, s := range reports[i].Shards {
			at(s.Shard).fill(reports[i].Instance, &s)
		}
	}
	list := make([]shardRow, 0, len(rows))
	for _, row := range rows {
		slices.SortFunc(row.Copies, func(a, b shardCopy) int { return cmp.Compare(a.Instance, b.Instance) })
		list = append(list, *row)
	}
	slices.SortFunc(list, func(a, b shardRow) int { return cmp.Compare(a.Shard, b.Shard) })
	return list
}

// fill adds what an instance says of a shard.
func (row *shardRow) fill(instance string, s *shardReport) {
	if s.Standby {
		i := slices.IndexFunc(row.Copies, func(x shardCopy) bool { return x.Instance == instance })
		if i < 0 {
			i = len(row.Copies)
			row.Copies = append(row.Copies, shardCopy{Instance: instance})
		}
		row.Copies[i].Behind = s.Behind
		return
	}
	row.State, row.Position, row.Why = s.State, s.Position, s.Why
	if s.State == "serving" { // the brokers were asked some seconds ago
		row.Changelog = max(row.Changelog, row.Position)
	}
	if s.State == "restoring" && row.Changelog > 0 {
		row.Progress = min(100, max(0, s.Position)*100/row.Changelog)
	}
}
