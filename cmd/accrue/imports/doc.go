// Package imports turns order files of others into Order events: rows of an invoice become an order, cancellations and rows with
// negative pieces become REFUNDED events of the earlier orders that they take back.
//
// A file goes through in three sorted passes, so that it may have any size and its rows any order:
//
//	rows ──▶ by order ──▶ documents ──▶ by member and time ──▶ events ──▶ by time ──▶ out
//	          (group.go)                  (returns.go)                     (importer.go)
//
// Memory is bounded: each pass sorts pieces of Options.SortBytes, two at a time, and merges them from temporary files. Beside
// them there are the rows of one order (at most maxLines), and of one member the lines that may still come back (at most
// maxOpen, those of within Mapping.Within; the oldest are forgotten first, and counted).
//
// It never guesses: a row that does not say exactly what the mapping asks for is refused with its line and why, and with it the
// whole order, as an order with a line missing would earn too little. Amounts are exact, in minor units; there is no float.
//
// Event ids follow from what the file says (its name for itself, order, status, time), never from where a row stands, so the
// same file imported twice gives the same events, which the engine answers DUPLICATE.
//
// The package reads and writes no topics and holds no global state; an Importer is for one goroutine.
package imports
