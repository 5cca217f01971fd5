package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"accrue/processor"
)

// jobsUser is one user with the permissions of one job, and no others.
func jobsUser(c processor.Config, job processor.Job, more ...kfake.ACL) kfake.Opt {
	acls := more
	for _, p := range c.Permissions(job) {
		acl := kfake.ACL{Resource: p.Resource, Name: p.Name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: p.Operation, Allow: true}
		if p.Prefixed {
			acl.Pattern = kmsg.ACLResourcePatternTypePrefixed
		}
		acls = append(acls, acl)
	}
	return kfake.User("SCRAM-SHA-512", string(job), "secret", acls...)
}

// The permissions that the documentation lists are enough: topics are made, an instance grants and lets go of effects, and an operator
// looks, publishes and commands, each as a user who has nothing else; then the app gets more shards.
func TestDocumentedPermissionsAreEnough(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := processor.DefaultConfig()
	c.App = "shop"
	orders := kfake.ACL{
		Resource: kmsg.ACLResourceTypeTopic, Name: c.Topics.Orders, Pattern: kmsg.ACLResourcePatternTypeLiteral,
		Operation: kmsg.ACLOperationWrite, Allow: true,
	} // a producer's, so that the operator of this test can send orders
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("SCRAM-SHA-512", "admin", "admin"),
		jobsUser(c, processor.JobRun), jobsUser(c, processor.JobTopics), jobsUser(c, processor.JobOperate, orders))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	registry := srfake.New()
	defer registry.Close()
	const text = "programme: shop\ncurrency: CNY\ntime_zone: Asia/Shanghai\nreturn_window: 90 days\nrules:\n" +
		"  - {id: spend, title: Spend, on: order, earn: {points: 1, per: 1.00}}\n"
	programme := write("programme.yaml", text)
	password := write("password", "secret\n")
	configs := map[processor.Job]string{}
	for _, job := range processor.Jobs() {
		configs[job] = write(string(job)+".yaml", fmt.Sprintf("app: shop\ninstance: a\nprogramme: %s\ndata: %s\nlanes: 1\nkafka:\n  brokers: [%s]\n"+
			"  sasl: {mechanism: SCRAM-SHA-512, user: %s, password_file: %s}\nregistry: {url: %s}\ntopics: {partitions: 2, replication_factor: 1}\nhttp: {listen: off}\n",
			programme, filepath.Join(dir, "data"), strings.Join(cluster.ListenAddrs(), ", "), job, password, registry.URL()))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	as := func(job processor.Job, input string, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(ctx, append(args, "--config", configs[job]), strings.NewReader(input), &out, &errs); code != exitDone {
			t.Fatalf("%s as %s ended with %d:\n%s%s", strings.Join(args, " "), job, code, &out, &errs)
		}
		return out.String()
	}
	as(processor.JobTopics, "", "config", "check", "--for", "topics")
	as(processor.JobTopics, "", "topics", "apply")
	for _, job := range processor.Jobs() {
		as(job, "", "config", "check", "--for", string(job))
	}
	running, stop := context.WithCancel(ctx)
	var log bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- run(running, []string{"run", "--config", configs[processor.JobRun]}, nil, &log, &log) }()
	now := time.Now().UTC().Format(time.RFC3339)
	as(processor.JobOperate, `{"topic":"commerce.orders","value":{"event_id":"e1","order_id":"o1","member_id":"m1","status":"PAID","occurred_at":"`+now+
		`","currency":"CNY","lines":[{"line_id":"1","sku":"s","amount":1200}]}}`+"\n", "send")
	as(processor.JobOperate, `{"topic":"rewards.commands","value":{"event_id":"c1","member_id":"m1","occurred_at":"`+now+
		`","operator":"li","reason":"thanks","kind":"GRANT","points":7}}`+"\n", "send")
	grants := as(processor.JobOperate, "", "tail", "rewards.point-grants", "--from", "beginning", "-n", "2")
	if !strings.Contains(grants, `"available_delta":12,`) || !strings.Contains(grants, `"available_delta":7,`) {
		t.Errorf("granted:\n%s", grants)
	}
	next := write("next.yaml", strings.Replace(text, "points: 1,", "points: 2,", 1))
	ahead := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for _, args := range [][]string{
		{"rules", "publish", next, "--effective", ahead, "--yes"},
		{"rules", "list"},
		{"txn", "list"},
		{"state", "get", "m1"},
		{"verify"},
		{"backtest", "--programme", programme, "--from", c.Topics.Orders},
	} {
		as(processor.JobOperate, "", args...)
	}
	operator, err := processor.LoadConfig(configs[processor.JobOperate], nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := connect(ctx, operator)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: c.Topics.Orders, Value: []byte("rubbish")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	as(processor.JobOperate, "", "tail", c.Topics.DeadLetters, "--from", "beginning", "-n", "1")
	if told := as(processor.JobOperate, "", "dlq", "retry", "--reason", "unreadable", "--yes"); !strings.Contains(told, "1 letter sent again") {
		t.Errorf("retried: %s", told)
	}
	stop()
	if code := <-ended; code != exitDone || strings.Contains(log.String(), "AUTHORIZATION") {
		t.Errorf("the instance ended with %d:\n%s", code, &log)
	}
	if told := as(processor.JobTopics, "", "topics", "reshard", "--shards", "3", "--yes"); !strings.Contains(told, "shop has 3 shards now") {
		t.Errorf("resharded: %s", told)
	}
}
