// Package state keeps the state of the shards of one process on the local disk, in Pebble.
//
// The changelog in Kafka is the only log. What is here is a copy of it, folded to the last value of each
// row, that can always be thrown away and built again; it exists so that a restart reads only the tail of
// the changelog, and a member's rows are one seek away. The package knows bytes: rows have keys and
// values that mean something to the caller, and a changelog is a position. It must never import the
// rules, the schemas, or a Kafka client, and it must not know what a member's rows say, except through
// Options.DueOf.
//
// # The path of a change
//
//	           Put, SetDue            Records → changelog → committed
//	lane ───────────────────▶ Overlay ───────────────────────────────▶ Apply ─▶ one Pebble batch
//	  ▲                          │                                               rows, due rows, position
//	  └───── View: Get, Scan ◀───┴── newest overlay, older overlay, store ◀──────────────┘
//
//	standby, restore: changelog records ─▶ Replay ─▶ the same batch
//
// A transaction's changes stay in an Overlay until it is known to be committed. Then Apply takes them
// in. If it was aborted, or nobody knows, the overlay is dropped and the store has never seen it.
//
// # Keys
//
//	shard (4, big endian) | 'm' | member, escaped | row key    → row
//	shard                 | 'o' | key, escaped | row key       → row of what is counted under a key (KeyName)
//	shard                 | 'p'                                → position: format, cluster, topic, offset, time
//	shard                 | 't' | due (8, ms, ordered) | member → nothing
//
// The changelog's key is that of a row without its shard, from its class on. In a member 0x00 is written as
// 0x00 0xff, and 0x00 0x01 ends it. The directory holds STATE.json, which says whose store this is and in
// which layout, and db/, which is Pebble's.
//
// # Invariants
//
//   - S1. Apply, Replay and Drop are one batch each: rows, due rows and position change together or not at all.
//   - S2. Pebble has no log of its own. After a crash the store is as it was at some earlier moment between
//     two batches, one moment for all shards, not before the last Flush that returned. So each shard's rows
//     are what its own position says, and what is missing is in the changelog from there on.
//   - S3. What was applied is flushed within FlushEvery, and by Close. That bounds what a kill costs.
//   - S4. A shard's position never goes back and never changes its log, but through Drop. (A crash takes
//     the rows back with it: S2.)
//   - S5. Keys are self-delimiting: no two of (shard, member, row) share a key, and keys order by shard,
//     member and row, as bytes.
//   - S6. The first damage that is found ends the store: every call returns ErrCorrupt from then on, and
//     likewise ErrFailed once Pebble's memory and disk may differ. Nothing wrong is ever served.
//   - S7. A directory belongs to one app, and to one Store at a time. Nothing is written to, or removed
//     from, a directory that is not a store.
//   - S8. A View shows of each row what the newest overlay that knows it says, deletions included, else
//     what the store says, in the order of keys.
//   - S9. After a Replay the due rows are those that DueOf names: every row for which it names one has its due
//     row, and none is left of a row that was replaced or deleted.
//   - S10. Rows that are kept at hand (Options.IsHot) are what Pebble has, or are not found there: see hot_rows.go.
//
// # When the process or the disk dies
//
//	| what happens                       | what the next Open finds, and what to do                        |
//	| ---------------------------------- | --------------------------------------------------------------- |
//	| kill, power cut                    | an earlier moment (S2): read the changelog from Position on     |
//	| during Drop, or Load               | the shard before or after; an unfinished Load has offset 0      |
//	| during the first Open              | an empty store, or none                                         |
//	| during Destroy                     | what is left can be destroyed, or is an empty store             |
//	| disk full, or its writes fail      | (running) Err and Apply say so, reads go on, Pebble tries again |
//	|                                    | once a second at most; when it succeeds all is well             |
//	| MANIFEST cannot be written         | (running) ErrFailed: Close and Open                             |
//	| a file is damaged or missing       | ErrCorrupt, from Open or a later read: Close, Destroy, Open     |
//	| the directory is another app's     | ErrForeign                                                      |
//	| a later version wrote it           | ErrFormat                                                       |
//
// An Apply that waits for room in the memtables while the MANIFEST fails for good waits for ever, and
// Close with it. It takes three quarters of Options.MemoryBytes of unflushed writes at that very moment; then the
// process has to be killed, and nothing is lost by that.
//
// # Goroutines
//
// Open starts two, and Close ends and awaits them: one flushes every FlushEvery if there is anything to
// flush, one writes log lines that Pebble's callbacks hand over without waiting. Pebble has its own for
// flushes and compactions, and ends them in Close. A Store may be used by many goroutines. A shard has one
// writer at a time (its lane or its standby) and any number of readers. Overlay and View have one user.
package state
