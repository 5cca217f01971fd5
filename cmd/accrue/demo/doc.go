// Package demo is what `accrue demo` puts around the engine so that nothing else need be installed: an embedded broker and
// schema registry whose data outlives them (broker.go, registry.go), a shop with members who order, return and check in, and
// now and then send rubbish (shop.go, events.go), and somebody who reads what the engine writes (report.go).
//
// The shop knows nothing of the engine, and the reader knows it only by its topics: the demo shows what any shop and any
// wallet would see.
package demo
