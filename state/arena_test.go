package state_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"accrue/state"
)

// Pieces stay as they were cut, however many follow and however long they are, until all are let go; what failed leaves nothing.
func TestArenaKeepsPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a state.Arena
		for range rapid.IntRange(1, 3).Draw(t, "transactions") {
			var want, got [][]byte
			for range rapid.IntRange(0, 60).Draw(t, "pieces") {
				piece := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.SampledFrom([]int{0, 1, 40, 3000, 9000, 70_000}).Draw(t, "length"))
				switch rapid.IntRange(1, 3).Draw(t, "how") {
				case 1:
					got = append(got, a.Keep(piece))
				case 2:
					kept, err := a.Append(4<<10, func(to []byte) ([]byte, error) { return append(to, piece...), nil })
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, kept)
				default:
					if kept, err := a.Append(10, func(to []byte) ([]byte, error) { return append(to, piece...), errors.New("broken") }); err == nil || kept != nil {
						t.Fatalf("a piece that failed was kept: %v", kept)
					}
					continue
				}
				want = append(want, piece)
			}
			for i := range want {
				if !bytes.Equal(want[i], got[i]) || cap(got[i]) != len(got[i]) && len(got[i]) < 8<<10 {
					t.Fatalf("piece %d of %d bytes has %d, room for %d", i, len(want[i]), len(got[i]), cap(got[i]))
				}
			}
			a.Reset()
		}
		if a.Keep(nil) != nil || a.Keep([]byte{}) == nil {
			t.Error("a row of no bytes is a row, and a deleted one is none")
		}
	})
}
