package state

import (
	"bytes"
	"cmp"
	"errors"
	"testing"
	"time"
)

// S5: encode and decode are inverses, bytes order as (member, row) does, and only what EncodeKey writes is read.
func FuzzKey(f *testing.F) {
	f.Add("a", []byte("bX"), "ab", []byte("X"))
	f.Add("a", []byte{}, "a\x00", []byte{})
	f.Add("a\x00\x01", []byte("x"), "a", []byte("\x00\x01x"))
	f.Add("", []byte{0}, "\x00\xff", []byte{0xff})
	f.Add("m-17", []byte("h"), "m-17", []byte("f1"))
	f.Fuzz(func(t *testing.T, member1 string, row1 []byte, member2 string, row2 []byte) {
		key1, key2 := EncodeKey(member1, row1), EncodeKey(member2, row2)
		member, row, err := DecodeKey(key1)
		if err != nil || member != member1 || !bytes.Equal(row, row1) {
			t.Fatalf("decode %x: %q %x %v, want %q %x", key1, member, row, err, member1, row1)
		}
		want := cmp.Or(cmp.Compare(member1, member2), bytes.Compare(row1, row2))
		if got := bytes.Compare(key1, key2); got != want {
			t.Fatalf("%x and %x compare as %d, want %d", key1, key2, got, want)
		}
		if prefix := EncodeKey(member1, nil); bytes.HasPrefix(key2, prefix) != (member1 == member2) {
			t.Fatalf("%x is taken for a row of member %q", key2, member1)
		}
	})
}

func FuzzDecodeKey(f *testing.F) {
	for _, key := range [][]byte{nil, {'m'}, {'m', 0}, {'m', 0, 1}, {'m', 0, 2}, {'p', 0, 1}, {'m', 0, 0xff, 0, 1, 7}} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		member, row, err := DecodeKey(key)
		switch {
		case err != nil && !errors.Is(err, ErrKey):
			t.Fatalf("error is not ErrKey: %v", err)
		case err == nil && !bytes.Equal(EncodeKey(member, row), key):
			t.Fatalf("%x decodes to %q %x, which is another key", key, member, row)
		}
	})
}

func FuzzPosition(f *testing.F) {
	at := time.UnixMilli(1_790_000_000_123).UTC()
	f.Add(Position{ClusterID: "kafka-1", TopicID: "AAAA", Offset: 1 << 40, AppliedAt: at}.encode())
	f.Add(Position{AppliedAt: time.UnixMilli(-1).UTC()}.encode())
	f.Add([]byte{positionFormat, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, row []byte) {
		p, err := decodePosition(row)
		if err != nil {
			return
		}
		again, err := decodePosition(p.encode())
		if err != nil || again != p {
			t.Fatalf("%x is %+v, which comes back as %+v, %v", row, p, again, err)
		}
	})
}

func TestPositionRowIsWhole(t *testing.T) {
	want := Position{ClusterID: "kafka-1", TopicID: "id", Offset: 300, AppliedAt: time.UnixMilli(1_790_000_000_123).UTC()}
	row := want.encode()
	if got, err := decodePosition(row); err != nil || got != want {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
	for n := range row {
		if p, err := decodePosition(row[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are taken for %+v", n, len(row), p)
		}
	}
	if _, err := decodePosition(append(row, 0)); err == nil {
		t.Error("a trailing byte is not noticed")
	}
	if _, err := decodePosition(Position{Offset: -1}.encode()); err == nil {
		t.Error("a negative offset is not noticed")
	}
}

func TestDueKeysOrderAsTime(t *testing.T) {
	var before []byte
	for _, ms := range []int64{-1 << 50, -1, 0, 1, 255, 256, 1 << 41} {
		key := appendDue(nil, time.UnixMilli(ms), "ada")
		if bytes.Compare(before, key) >= 0 {
			t.Errorf("%d ms does not order after the time before it", ms)
		}
		if d, ok := splitDue(key); !ok || d.At.UnixMilli() != ms || d.Member != "ada" {
			t.Errorf("%d ms comes back as %v", ms, d)
		}
		before = key
	}
	if _, ok := splitDue(make([]byte, dueLen-1)); ok {
		t.Error("a key without a whole time is taken for a due row")
	}
}

func TestSuccessor(t *testing.T) {
	for _, c := range []struct{ prefix, want string }{
		{"m", "n"}, {"ma", "mb"}, {"m\xff", "n"}, {"m\x00\xff\xff", "m\x01"},
	} {
		if got := successor([]byte(c.prefix)); string(got) != c.want {
			t.Errorf("successor of %q is %q, want %q", c.prefix, got, c.want)
		}
	}
}
