// Package console is the page on which people watch the engine and decide: shop managers, support, operators. Every instance
// serves it for the whole fleet, from what stands on Kafka.
//
// What a page shows comes from one of three places:
//
//   - the feed (feed.go): one read_committed consumer of the outputs, without a group, which looks back a bounded time. It starts
//     with the first reader and ends some minutes after the last one, so that an engine that nobody watches pays nothing;
//   - a member's rows (member.go): from the store of this process where it serves the shard, else from the changelog on Kafka;
//   - the control topic, and the status of the engine in this process.
//
// What a person decides goes to the topic of commands as a record like any other, with the name of the operator and the reason
// (action.go). The console itself holds nothing: a session is a cookie that the token of the port has signed, so it is valid on every
// instance and ends with the token.
//
// Pages are html/template, which escapes what comes from members; scripts are files of our own (Content-Security-Policy allows no other).
package console
