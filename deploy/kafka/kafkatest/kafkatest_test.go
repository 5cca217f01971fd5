package kafkatest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"accrue/deploy/kafka/kafkatest"
)

// The promise of the package that the other tests build on: a record that three nodes took is still there when one was
// killed, the killed node comes back, and the registry answers.
func TestThreeNodesSurviveTheKillOfOne(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cluster := kafkatest.Start(t, 3)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Bootstrap()...), kgo.ConsumeTopics("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, 1, 3, nil, "t"); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte("kept")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	topics, err := admin.ListTopics(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	leader := int(topics["t"].Partitions[0].Leader)

	if err := cluster.Kill(leader); err != nil {
		t.Fatal(err)
	}
	fetches := client.PollFetches(ctx)
	if err := fetches.Err(); err != nil || fetches.NumRecords() != 1 || string(fetches.Records()[0].Value) != "kept" {
		t.Fatalf("after the leader was killed: %d records, error %v; want the one that was taken", fetches.NumRecords(), err)
	}
	if err := cluster.Start(leader); err != nil {
		t.Fatal(err)
	}
	brokers, err := admin.ListBrokers(ctx)
	if err != nil || len(brokers) != 3 {
		t.Fatalf("after the node came back: %d brokers, error %v; want 3", len(brokers), err)
	}
	checkRegistry(t, cluster)
}

func checkRegistry(t *testing.T, cluster *kafkatest.Cluster) {
	t.Helper()
	url, err := cluster.RegistryURL()
	if err != nil {
		t.Fatal(err)
	}
	again, err := cluster.RegistryURL()
	if err != nil || again != url {
		t.Fatalf("the second call returned %q, error %v; want the same registry %q", again, err, url)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/subjects", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET /subjects answered %s", response.Status)
	}
}
