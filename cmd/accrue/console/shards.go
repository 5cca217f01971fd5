package console

import (
	"net/http"
	"slices"

	"accrue/processor"
)

// shardRow is a shard as this process and the brokers know it.
type shardRow struct {
	fleetShard
	Here     string // the state in this process; empty: it has nothing of it
	Lane     int
	Standby  bool
	Position int64
	Progress int64 // percent of the changelog, while it is restored
	Behind   int64 // of a copy; -1: not known
	Why      string
}

func (c *Console) showShards(w http.ResponseWriter, r *http.Request, v *visit) error {
	data := struct {
		*visit
		Rows     []shardRow
		Fleet    *fleet
		Lanes    []processor.LaneStatus
		NotReady []string
		State    string
	}{visit: v}
	state := c.feed.look(func(_ *tally, f *fleet) { data.Fleet = f })
	data.State = v.feedText(state)
	var shards int32
	if e := c.o.Engine(); e != nil {
		shards, data.Lanes, data.NotReady = e.Shards(), e.Status(), e.NotReady()
	}
	rows := map[int32]*shardRow{}
	for s := range shards {
		rows[s] = &shardRow{fleetShard: fleetShard{Shard: s}, Behind: -1}
	}
	if data.Fleet != nil {
		for _, s := range data.Fleet.Shards {
			rows[s.Shard] = &shardRow{fleetShard: s, Behind: -1}
		}
	}
	for i := range data.Lanes {
		for _, s := range data.Lanes[i].Shards {
			if row := rows[s.Shard]; row != nil {
				row.fill(data.Lanes[i].Lane, &s)
			}
		}
	}
	for _, row := range rows {
		data.Rows = append(data.Rows, *row)
	}
	slices.SortFunc(data.Rows, func(a, b shardRow) int { return int(a.Shard - b.Shard) })
	c.write(w, r, http.StatusOK, "shards", data)
	return nil
}

func (row *shardRow) fill(lane int, s *processor.ShardStatus) {
	row.Here, row.Lane, row.Standby, row.Position, row.Behind = s.State, lane, s.Standby, s.Position, s.Lag
	if s.Why != nil {
		row.Why = s.Why.Error()
	}
	if s.State == "serving" { // the brokers were asked some seconds ago
		row.Changelog = max(row.Changelog, row.Position)
	}
	if s.State == "restoring" && row.Changelog > 0 {
		row.Progress = min(100, max(0, s.Position)*100/row.Changelog)
	}
}
