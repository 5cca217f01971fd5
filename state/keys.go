package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// The classes of keys within a shard. The class of a row is also the first byte of its changelog key.
const (
	classMember   = 'm'
	classKey      = 'o' // of what is counted under a key, which stands beside members and is none
	classPosition = 'p'
	classDue      = 't'
	classEnd      = 0xff // above all classes
)

// A member is written so that no member's encoding is a prefix of another's, and so that encodings order
// as the members do: 0x00 becomes 0x00 0xff, and 0x00 0x01 ends it. Without the end "a" + "bX" and
// "ab" + "X" would be one key; without the escape "a\x00\x01" would end early.
const (
	escape        = 0x00
	escapedZero   = 0xff
	memberEnd     = 0x01
	memberPastEnd = 0x02 // replaces memberEnd in the upper bound of a member's rows
)

// keyMark begins the name of a key in all calls that take a member. No member has it: their ids are UTF-8.
const keyMark = "\xff"

// KeyName is the name under which the rows of a key (a device, a store) are kept, in all calls that take a member. Such rows
// are beside those of members, and Members does not list them.
func KeyName(key string) string { return keyMark + key }

// KeyOf is the inverse of KeyName; false: the name is a member's.
func KeyOf(name string) (key string, is bool) { return strings.CutPrefix(name, keyMark) }

// shardLen is the length of the shard number that every key in Pebble begins with. Four bytes, so that
// every int32 has a place of its own and Shard cannot fail.
const shardLen = 4

// dueLen is the length of the due time in a due row.
const dueLen = 8

func appendShard(dst []byte, shard int32) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(shard)) // a bijection is what is wanted
}

func shardOf(key []byte) int32 {
	return int32(binary.BigEndian.Uint32(key)) // the inverse of appendShard
}

// appendMember appends the class and the self-delimiting member, or key.
func appendMember(dst []byte, member string) []byte {
	if key, is := KeyOf(member); is {
		dst, member = append(dst, classKey), key
	} else {
		dst = append(dst, classMember)
	}
	for i := range len(member) {
		dst = append(dst, member[i])
		if member[i] == escape {
			dst = append(dst, escapedZero)
		}
	}
	return append(dst, escape, memberEnd)
}

// splitMember is the inverse of appendMember followed by a row key. The row shares memory with key.
func splitMember(key []byte) (member string, row []byte, err error) {
	if len(key) == 0 || key[0] != classMember && key[0] != classKey {
		return "", nil, fmt.Errorf("%w: %x begins neither with %q nor with %q", ErrKey, key, classMember, classKey)
	}
	rest := key[1:]
	var unescaped []byte // where the member holds a zero byte, or is a key
	if key[0] == classKey {
		unescaped = []byte(keyMark)
	}
	for {
		i := bytes.IndexByte(rest, escape)
		if i < 0 || i+1 == len(rest) {
			return "", nil, fmt.Errorf("%w: the member in %x has no end", ErrKey, key)
		}
		switch rest[i+1] {
		case memberEnd:
			if unescaped == nil {
				return string(rest[:i]), rest[i+2:], nil
			}
			return string(append(unescaped, rest[:i]...)), rest[i+2:], nil
		case escapedZero:
			unescaped = append(append(unescaped, rest[:i]...), escape)
			rest = rest[i+2:]
		default:
			return "", nil, fmt.Errorf("%w: the member in %x has 00 %02x", ErrKey, key, rest[i+1])
		}
	}
}

// rowOf is the row of splitMember alone, for keys that are known to be well formed.
func rowOf(key []byte) []byte {
	for from := 1; ; from += 2 { // behind the class
		i := bytes.IndexByte(key[from:], escape)
		if from += i; key[from+1] == memberEnd {
			return key[from+2:]
		}
	}
}

// appendDue appends the part of a due row's key after its class: the time in ms such that bytes order as
// time does, also before 1970, and the member, which needs no escape at the end of a key.
func appendDue(dst []byte, due time.Time, member string) []byte {
	return append(appendDueTime(dst, due), member...)
}

func appendDueTime(dst []byte, due time.Time) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(due.UnixMilli())^(1<<63)) // the sign bit is flipped
}

// splitDue is the inverse of appendDue.
func splitDue(key []byte) (DueMember, bool) {
	if len(key) < dueLen {
		return DueMember{}, false
	}
	ms := int64(binary.BigEndian.Uint64(key) ^ (1 << 63)) // the sign bit is flipped back
	return DueMember{At: time.UnixMilli(ms).UTC(), Member: string(key[dueLen:])}, true
}

// successor returns the smallest key above all keys with the prefix. The prefix must have a byte that is
// not 0xff; ours have their class.
func successor(prefix []byte) []byte {
	next := bytes.TrimRight(prefix, "\xff")
	next = bytes.Clone(next)
	next[len(next)-1]++
	return next
}
