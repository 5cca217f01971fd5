package processor

import "testing"

// The broker places a group by Java's hash of its name, without its sign. The first is where a real broker had it.
func TestOffsetsPartition(t *testing.T) {
	for _, c := range []struct {
		group      string
		partitions int
		want       int32
	}{
		{"outage", 8, 7},
		{"hello", 50, 99162322 % 50},
		{"polygenelubricants", 50, 0}, // its hash is the least integer, which has no absolute value
		{"积分", 50, 988663 % 50},
		{"new", 0, 0},
	} {
		if got := offsetsPartition(c.group, c.partitions); got != c.want {
			t.Errorf("group %q of %d partitions: %d, want %d", c.group, c.partitions, got, c.want)
		}
	}
}
