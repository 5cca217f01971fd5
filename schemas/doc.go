// Package schemas holds the records that Accrue reads and writes: their Avro schemas (*.avsc), the Go types, the codec
// with its guards against hostile input, the Confluent wire format, the registry client and the JSON-lines form.
//
// All amounts are int64 minor units of the record's currency, all points are int64, all times are UTC with millisecond
// precision. An optional text that is absent is the empty string, an optional time that is absent is the zero time, an
// empty list or map is nil.
//
//	Kafka value  --wire.go-->  schema id, body  --decoder.go-->  *Order, *CheckIn, ...  --encoder.go-->  Kafka value
//	                                                  ^  |
//	                              writer's schema, registry.go
//	JSON line    --jsonlines.go-->  Message{Topic, Key, Value}  --AppendLine-->  JSON line
//
// One table a record (records.go) says which fields there are and where they lie in the Go type. The Avro codec and the
// JSON-lines form are both driven by it (avro.go, json.go), so a field cannot exist in one form and lack in the other; a
// test compares the tables with the *.avsc files. Nothing uses reflection per record.
//
// # Invariants
//
//   - S1: whatever the bytes, decoding ends with a record or an error, never a panic, within memory that the limits of
//     [Limits] bound, and within time proportional to the length of the body.
//   - S2: a body is decoded to its last byte or refused; a prefix of a body is never a record.
//   - S3: an error that lies in the record is a [*BadRecord]; any other error is worth another try.
//   - S4: a text in a record is valid UTF-8, a time is within the years 1 to 9999; so each record has a JSON-lines form.
//
// The package imports no other package of the project, and hamba/avro in codec.go only, so that another Avro library can
// take its place.
package schemas
