// Package processor is the engine around the rules: it reads events from Kafka, lets each member's account decide, and
// writes grants, tier changes and decisions in the same transaction that commits what was read, exactly once. It knows
// rules, state and schemas; none of them knows it, or Kafka.
//
// # One order, from topic to grant
//
//		commerce.orders/5 ──poll──▶ decode ──▶ home shard? ──no──▶ <app>-effects/home ─┐ (same transaction)
//		                                          │ yes                                │
//		<app>-effects/5 ──────────poll────────────┤◀───────────────────────────────────┘
//		                                          ▼
//		                      Shard.Handle: account (overlay, cache, Pebble) decides
//		                                          │
//		      entries, tier changes, decision ────┼──── changed rows ──▶ overlay
//		                                          ▼
//		     produce ▶ flush ▶ commit offsets + changelog position in the transaction ▶ end ▶ outcome known
//		                                          │
//		                    committed: overlay ──▶ Pebble       else: drop it, decide again
//
//	 1. Lane.Step (lane.go) polls. Lane.decideRecord (decide.go) decodes each record and finds its member's home (route.go):
//	    the shard that Kafka's own partitioner gives to the member in the value, whatever the record's key. A record that is
//	    away from home is forwarded through `<app>-effects`, with its bytes and place. What cannot be processed becomes a dead
//	    letter (deadletter.go).
//	 2. Shard.Handle (shard.go) loads the account and lets it decide. Outputs go into the transaction (transaction.go),
//	    changed rows into its overlay, where the next record finds them. Pebble is not touched. What the event earns another
//	    member goes to that member's home through `<app>-effects`, too, and is taken in there like a record (effects.go). So does
//	    what a threshold asks of a device, a store and so on, which has a home as members have; the event's decision is then
//	    written with the last answer, in a later transaction.
//	 3. Between two batches time decides for members with something due (timers.go).
//	 4. At the commit interval Lane.end adds the changed rows as changelog records and flushes. Lane.flushed commits the
//	    offsets within the transaction. Meanwhile the next transaction is filled; nothing of it is produced yet.
//	 5. Lane.ended learns the outcome. Committed: Lane.apply writes overlay and position to Pebble, one batch a shard.
//	    Anything else: recover.go.
//
// # Parts
//
//	control.go programmes.go   the versions of the programme: the control topic folded, followed, and when a lane may decide
//	control_read.go        reading and writing that topic, also for `accrue rules publish`
//	engine.go prepare.go   start and stop of a process: store, checks of the cluster, lanes; the store opened anew
//	lane.go transaction.go THE loop: Step, and a transaction's way from full to applied (lane_options.go: its surroundings)
//	decide.go timers.go    what fills a transaction: records, and time
//	backlog.go             the order in which what was polled is decided
//	recover.go             aborts, producers that are discarded, and what is asked again
//	toolarge.go            what never gets through: records of which what comes is too large, endless aborts
//	assignment.go          shards that come and go;   restore.go   their way to the committed position
//	shard.go accounts.go   a shard: one decoded record in, outputs out; no Kafka. Also what `accrue simulate` runs
//	kafka.go               all that a lane knows of Kafka: one interface of orders and events
//	client.go consumer.go producer.go reader.go   that interface on franz-go
//	standby.go writers.go  shards that are followed, ready to be taken over; and who may write to the store
//	balance.go fleet.go    who gets which shards: what members tell each other, and what their leader makes of it
//	route.go               homes, forwarded records, names of topics
//	load.go reshard.go     a changelog filled from a dump;   an app that gets more shards
//	effects.go             what accounts ask of each other, on its way to the other's shard
//	status.go observe.go   what a lane tells others: readiness, reports for metrics (meter.go, gauges.go)
//	answers.go quiet.go    whether brokers answer at all; log lines that would repeat themselves
//	errors.go              classify: what an error asks for, decided in one place
//	config*.go connect.go topics*.go metrics.go http.go   what surrounds it
//
// # Goroutines
//
// Each lane has one, started by Engine.runLanes; it runs Lane.Run, and everything in lane, shard and rules happens in it.
// The clock is LaneOptions.Now, the world is Kafka.Poll. A client (client.go) has goroutines of its own and of franz-go's;
// they touch nothing of the lane and speak through events only. The store has its own, see package state.
//
// # Invariants
//
//   - L1. Nothing of a transaction is produced before the outcome of the one before it is known.
//   - L2. Pebble holds committed changes only, with the changelog position they belong to in the same batch.
//   - L3. Each transaction commits, in the name of member and generation as they are then, the `<app>-effects` offset of
//     every shard that it worked on, moved or not. Beside each effects offset, also where only markers were passed, stands
//     the shard's changelog position: last acknowledged offset + 1 after the flush, or the position before where it wrote
//     nothing to that changelog.
//   - L4. A shard is served only once its store is at the position of its committed offset; both come from one stable answer.
//   - L5. One record, one answer: a decision, a dead letter, or a forwarded record (whose answer is given at home). What one account
//     asks of another (effects.go) is taken in once and answered by none. A record that asks elsewhere has its offset committed
//     with its questions, and its one decision with the last answer, or when that is given up.
//   - L6. A transaction in which nothing was produced is never ended: the broker does not know it, and offsets committed in
//     one stay pending for good. What was read for it (markers) is committed with the next.
//   - L7. Memory that an abort or an unknown outcome touched is thrown away: overlays and accounts.
//   - L8. Between Revoked or Lost and Release no other member gets the shards, and after Lost nothing is committed for them.
//   - L9. A shard of the store has one writer at a time: the lane that it is assigned to, else one lane that follows it
//     (writers.go). What was read or committed before is dropped where the writer has changed meanwhile.
//   - L10. A lane decides an event only by all versions that are in force at its time: versions are on the control topic
//     PublishAhead before, and nothing is decided by what was known longer than ControlFresh ago. Which versions count follows from the topic
//     alone. A Ledger never changes: another version makes another one, by which accounts are opened anew (Shard.Use).
//
// # Standby copies and assignment
//
//   - The leader of the group (fleet.go) gives each shard a target: stickily, evenly by lane and instance, and of those who have
//     room to the one whose instance has most of it in its store. Lanes of an instance share a store and count as one there.
//   - A shard is held by its target only where the target is near: at most two grains of positions behind, or ready by its own
//     word. Else it stays where it is or, where its owner is gone, goes to whoever is nearest, and the target follows it
//     meanwhile: the leader says that it is wanted there. So nobody waits for a restore from nothing while a copy exists.
//   - Each shard is followed by as many other instances as `standbys` says, spread evenly; each by one lane of the instance.
//   - Who follows a shard (standby.go) reads its changelog into the store all the time, with read_committed: what it holds is
//     committed. It serves nothing, commits nothing and is in nobody's way: small pieces between two batches.
//   - Once all that are wanted of a lane are near their changelog's end, it joins again and says so (Kafka.Rejoin); then the
//     leader moves them. One whose lag does not come down by a tenth in a minute is taken as it is: a fleet is not uneven
//     for ever. A lane asks for the same shards once in 10 s at most, and positions are coarse: so rebalances end.
//   - A shard that is assigned where it was followed is restored as any other, from where it is: the tail. Its store can be
//     beyond the position in the metadata by markers, which are no rows. By more it cannot: offsets are fetched when all of the
//     shard's transactions are settled (L4), and the owner before can commit nothing later, its generation being of yesterday
//     (C7). If it were, it would be what is committed all the same, and the inputs read again would be duplicates.
//   - A shard that is let go stays in the store as an old copy, which counts when the next owner or follower is looked for.
//
// # Every point where it can die
//
// The numbers stand as comments at their place. "Open" means: the transaction is aborted when its producer is fenced (by the
// next start of the same instance, or by whoever takes the shards over, at once) or when it times out; readers with
// read_committed never see it. Beside the tests in the table, TestSimulator (sim_test.go) comes by every point, in many
// orders of everything else, and fails if it did not.
//
//	point | what is true in Kafka               | in Pebble         | what the next start does                      | test
//	------+-------------------------------------+-------------------+-----------------------------------------------+-----
//	C1    | open or not begun; offsets as before | as before        | fences, decides the same records again        | TestLaneDiesAnywhere
//	C2    | open, all produced; offsets as before | as before       | the same                                      | TestLaneDiesAnywhere
//	C3    | open, committed or aborted, unknown  | as before        | fences, which settles it; reads stable offsets| TestLaneDiesAnywhere,
//	      |                                      |                  | with the position; catches up to it           | TestCommitWithoutAnswer
//	C4    | committed                            | behind           | catches up from Pebble's position             | TestLaneDiesAnywhere
//	C5    | committed                            | applied, maybe   | Pebble is at an earlier batch boundary:       | TestLaneDiesAnywhere
//	      |                                      | not flushed      | catches up from there                         |
//	C6    | nothing open                         | a prefix of the  | goes on from its position                     | TestRestore
//	      |                                      | changelog        |                                               |
//	C7    | a zombie's commit is refused: its    | as before        | the zombie aborts and joins again; the new    | TestEnginesComeAndGo,
//	      | generation is of yesterday (KIP-447) |                  | owner waits for no one, it fences the writer  | TestTransactionOfTheDeadIsFenced
//	C8    | shards are wanted elsewhere while a  | as before        | (alive) commits what was decided, then lets   | TestEnginesComeAndGo
//	      | transaction is open                  |                  | go; if it cannot, it aborts first             |
//	C9    | nothing open                         | lost or damaged  | restored from the changelog, all of it        | TestRestore
//	C10   | changelog cut off or created anew    | of another log   | refuses the shard: expected, found, what to do| TestChangelogOfAnother
//	C11   | an id is used by two processes       | -                | both are fenced, and stop saying so           | TestInstanceUsedTwice
//	C12   | brokers, registry or disk away       | as before        | (alive) waits, not ready, goes on by itself   | TestRegistryAway, TestLaneGoesOnAfterFaults,
//	      |                                      |                   |                                               | TestLongOutage, TestDiskFull, TestDiskSlow
//	C13   | a version is appended while lanes    | -                | (alive) it is in force 10 minutes later; lanes| TestVersionWhileDeciding,
//	      | decide, outside of transactions      |                  | that have not read to the topic's end within  | TestNothingIsDecidedUnsure
//	      |                                      |                  | a minute wait, not ready                      |
//	C14   | the number of shards is changed:     | as before        | (the command) run again it goes on; instances | TestReshardDiesAnywhere
//	      | nothing is moved, or everything      |                  | refuse to start before it has finished        |
//
// # Not obvious
//
//   - A shard can be ahead of what its lane knows: while the lane was out of the group and did not know, another lane of the
//     process took it over in the same store. What the first one still has to apply is in the changelog below, so it is there
//     (Lane.overtaken).
//   - What an abort takes back it also takes back from time: timers wait until the backlog is decided once more (Lane.drop).
//   - franz-go does not refuse to commit after a failed produce; failures are counted in acks (producer.go).
//   - EndTxn that is refused may have been carried out: the refusal can answer a repetition. Only what was never asked to
//     commit is known to be aborted.
//   - With transaction.version 2 (KIP-890) the producer's epoch rises with each transaction: it is read anew for each.
//   - A commit with an empty member id would be taken from anybody. So it is refused here.
//   - kgo.BlockRebalanceOnPoll is not used, see client.
//   - A log can end in markers, and compaction takes records away: progress in the changelog is what the fetch says, not what
//     was delivered (reader.go); progress in the inputs is seen because markers are kept in what is polled (consumer.go).
//   - The writer's id stands in the metadata of the last committed transaction. Where a shard's new owner dies within its first
//     transaction, the metadata still names the owner before it: so it is also looked for among the transactions that are open
//     and wrote to the shard's changelog. Only one that wrote to no changelog is left to its timeout.
package processor
