package processor

import "fmt"

// converged says that all is as it should be without faults.
func (w *world) converged() bool { return w.step%8 == 0 && w.unrest() == "" }

// unrest says what is not yet as it should be; empty: nothing.
func (w *world) unrest() string {
	switch {
	case !w.shop.done():
		return "not all is written"
	case len(w.broker.open)+len(w.broker.ending) > 0:
		return fmt.Sprintf("%d transactions are open, %d without markers", len(w.broker.open), len(w.broker.ending))
	case w.broker.group.joining:
		return "the group is rebalancing"
	}
	served := make(map[int32]string)
	copies := 0
	for _, p := range w.processes {
		if !p.up {
			return p.name + " is down"
		}
		for _, l := range p.lanes {
			if why := l.unrest(served, &copies); why != "" {
				return l.client.name + ": " + why
			}
		}
	}
	if want := int(w.plan.shards) * min(w.plan.standbys, len(w.processes)-1); copies < want {
		return fmt.Sprintf("%d copies are followed, not %d", copies, want)
	}
	if len(served) < int(w.plan.shards) {
		return fmt.Sprintf("only %v are served", served)
	}
	return ""
}

// unrest says what a lane has still to do, and counts the copies that are as they should be.
func (l *simLane) unrest(served map[int32]string, copies *int) string {
	c := l.client
	switch {
	case c.state != stable, len(c.events) > 0, len(c.ops) > 0:
		return fmt.Sprintf("its client is in state %d with %d events and %d operations", c.state, len(c.events), len(c.ops))
	case l.producer != open, l.waiting != nil, l.ending != nil, l.backlog.records > 0, len(l.letting) > 0:
		return "it is not done"
	case l.current != nil && !l.current.empty():
		return "its transaction is open"
	}
	for h := range l.inOrder() {
		if h.state != serving {
			return fmt.Sprintf("shard %d is %s", h.id, h.state)
		}
		if other := served[h.id]; other != "" {
			return fmt.Sprintf("shard %d is served by %s, too", h.id, other)
		}
		served[h.id] = c.name
		for _, p := range h.parts {
			log := c.b.partitions[p.Partition]
			if max(p.next, log.start) < log.end() {
				return fmt.Sprintf("%s/%d is read up to %d of %d", p.Topic, p.Partition.Partition, p.next, log.end())
			}
		}
		due, err := h.store.Due(c.w.now, 1, h.shard.overlays...)
		if err != nil || len(due) > 0 {
			return fmt.Sprintf("shard %d has members due: %v %v", h.id, due, err)
		}
	}
	for s := range l.followed() {
		switch log := c.b.changelog(s.id); {
		case s.wanted:
			return fmt.Sprintf("shard %d is wanted here", s.id)
		case s.state != following || !s.known || s.at < log.end():
			return fmt.Sprintf("the copy of shard %d is %s up to %d of %d", s.id, s.state, s.at, log.end())
		}
		*copies++
	}
	return ""
}

// recreate deletes the changelog and makes a new one: nobody may serve from it.
func (w *world) recreate() {
	w.recreated = true
	w.broker.topicID = "another changelog"
	w.tracef("the changelog is created anew")
	for _, p := range w.processes {
		p.cut()
		p.wipe = w.random.IntN(2) == 0
		p.bury(0)
	}
	for bound := w.step + calmSteps; w.failure == nil; {
		w.tick()
		refusing := 0
		for _, p := range w.processes {
			for _, l := range p.lanes {
				for h := range l.inOrder() {
					_, committed := w.check.positions[h.id]
					switch {
					case !committed:
					case h.state == refused:
						refusing++
					case h.state == serving:
						w.fail("refused", "shard %d is served from another changelog", h.id)
					}
				}
			}
		}
		if refusing == len(w.check.positions) {
			return
		}
		if w.step >= bound {
			w.fail("liveness", "%d shards are refused", refusing)
		}
	}
}
