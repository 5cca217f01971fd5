// Package explain says a programme in plain sentences, in English or Chinese, for the person who has to sign it: every key of
// the grammar, those left out with what they mean then, one fact a sentence.
//
// What is said is decided once, for all languages; a language is only the texts of its phrases (phrases_*.go), with
// {placeholders} for what the programme fills in. Sentences carry what they are about, so that two versions of a programme can
// be compared in words.
//
// The package is pure: a Programme in, text out, the same text each time. Numbers are exact; an example is what the ledger
// itself gives.
package explain
