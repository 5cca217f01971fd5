package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"accrue/processor"
)

// A transaction that no coordinator knows is shown with its writer, where that is known, and with what ends it in each partition.
func TestHangingTransactionsAreExplained(t *testing.T) {
	var out bytes.Buffer
	printTxns(&out, "shop", []string{"k1:9092", "k2:9092"}, []processor.OpenTransaction{
		{
			ID: "shop-b-0", ProducerID: 4, State: "Ongoing", Began: time.Now(), Timeout: 10 * time.Second, Ours: true, Alive: true,
			Partitions: []processor.Partition{{Topic: "shop-state", Partition: 1}},
		},
		{
			ProducerID: 3, State: "hanging", Began: time.Now(), Writer: "shop-a-0", Ours: true, Starts: []int64{192, 17},
			Partitions: []processor.Partition{{Topic: "__consumer_offsets", Partition: 7}, {Topic: "shop-state", Partition: 4}},
		},
	})
	for _, want := range []string{
		"producer 3 (shop-a-0)  hanging",
		"gone   __consumer_offsets/7 shop-state/4",
		"kafka-transactions.sh --bootstrap-server k1:9092,k2:9092 abort --topic __consumer_offsets --partition 7 --start-offset 192\n",
		"kafka-transactions.sh --bootstrap-server k1:9092,k2:9092 abort --topic shop-state --partition 4 --start-offset 17\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "shop-b-0 hangs") || strings.Count(out.String(), "kafka-transactions.sh") != 2 {
		t.Errorf("something else hangs, too:\n%s", out.String())
	}
}
