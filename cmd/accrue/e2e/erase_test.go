package e2e_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Members are erased while two engines are killed with -9, in the midst of orders with shared devices, a budget and invitations. Of
// none of them anything is left on any shard, their wallets are at 0, and what comes late brings nothing back.
func TestNothingIsLeftOfTheErased(t *testing.T) {
	const members, erased, rounds = 400, 60, 4
	t.Logf("seed %d", shared.seed)
	random := rand.New(rand.NewPCG(shared.seed, 4))
	s := newStage(t, "erase", `programme: shop
currency: EUR
time_zone: Europe/Berlin
return_window: 30 days
tiers: {by: points, over: 12 months, levels: [{id: member, at: 0}, {id: gold, at: 100}]}
rules:
  - {id: spend, on: order, earn: {points: 1, per: 1.00}}
  - {id: launch, on: order, earn: {points: 5}, budget: {points: 3000, queue: true}}
  - {id: later, on: order, earn: {points: 2}, hold: 7 days}
  - {id: invite, on: referral, after: first_order, earn: {referrer: 20, referee: 10}}
fraud:
  - {id: shared, on: order, measure: distinct(member), by: device, within: 24h, over: 3, action: flag}
  - {id: farm, on: referral, measure: count, by: referrer, within: 24h, over: 2, action: hold}
`)
	engines := []*engine{s.engine("a", 2, "state: {flush_every: 1s}\n"), s.engine("b", 1, "")}
	s.accrue("", "topics", "apply", "--config", engines[0].config)
	w := s.wallet()
	for _, e := range engines {
		e.start()
	}
	sending := func(lines []string) {
		done := make(chan error, 1)
		go func() { done <- s.send(engines[0].config, lines) }()
		victim := engines[random.IntN(len(engines))]
		w.awaitMoment(random)
		victim.kill()
		if random.IntN(3) == 0 {
			victim.wipe()
		}
		victim.start()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	history := eraseHistory(random, members, 3000)
	for round := range rounds {
		part := history[len(history)*round/rounds : len(history)*(round+1)/rounds]
		if round == rounds-1 { // in the last round they are erased, between their events
			now := time.Now().UTC().Format(time.RFC3339Nano)
			for i := range erased {
				at := random.IntN(len(part) + 1)
				line := fmt.Sprintf(`{"topic":"rewards.commands","value":{"event_id":"erase-%d","member_id":%q,"occurred_at":%q,"operator":"ops","kind":"ERASE"}}`, i, shopper(i), now)
				part = append(part[:at:at], append([]string{line}, part[at:]...)...)
			}
		}
		sending(part)
	}
	w.awaitAnswers(2 * time.Minute)
	for i := range erased { // what comes late
		history[i] = fmt.Sprintf(`{"topic":"commerce.orders","value":{"event_id":"late-%d","order_id":"late-%d","member_id":%q,"status":"PAID","occurred_at":%q,"currency":"EUR","device_id":"d1","lines":[{"line_id":"1","sku":"s","quantity":1,"amount":9900}]}}`,
			i, i, shopper(i), time.Now().UTC().Format(time.RFC3339Nano))
	}
	sending(history[:erased])
	w.awaitAnswers(2 * time.Minute)
	s.awaitReady(engines...)
	s.await("nothing is left of those who were erased", time.Minute, func() string {
		w.read()
		dump := s.dump(engines[0])
		for i := range erased {
			for _, name := range []string{shopper(i), hex.EncodeToString([]byte(shopper(i)))} { // rows are in the dump in words and as they are
				if at := strings.Index(dump, name); at >= 0 {
					return fmt.Sprintf("of %s there is ...%s...", shopper(i), dump[max(0, at-300):min(len(dump), at+200)])
				}
			}
		}
		return ""
	})
	for _, e := range engines {
		e.stop()
	}
	balances := map[string]sums{}
	for grant, sum := range w.grants {
		_, rest, _ := strings.Cut(grant, " of ")
		member, _, _ := strings.Cut(rest, " by ")
		b := balances[member]
		balances[member] = sums{b[0] + sum[0], b[1] + sum[1], b[2] + sum[2]}
	}
	for i := range erased {
		if b := balances[shopper(i)]; b[0] != 0 || b[1] != 0 {
			t.Errorf("%s was erased and has %d points, %d held", shopper(i), b[0], b[1])
		}
		if tier := w.tiers[shopper(i)]; tier != "" && tier != "member" {
			t.Errorf("%s was erased and is %s", shopper(i), tier)
		}
	}
	for id, n := range w.entries {
		if n != 1 {
			t.Errorf("entry %s stands there %d times", id, n)
		}
	}
	for _, e := range engines {
		s.accrue("", "state", "verify", "--config", e.config)
	}
}

// shopper is a name that stands in no row by chance.
func shopper(i int) string { return fmt.Sprintf("shopper-number-%d-of-all", i) }

// eraseHistory are orders on shared devices, refunds of some, and invitations.
func eraseHistory(random *rand.Rand, members, events int) (lines []string) {
	begin := time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Second)
	for i := range events {
		at := begin.Add(time.Duration(i) * 2 * time.Second).Format(time.RFC3339Nano)
		member := shopper(random.IntN(members))
		if random.IntN(6) == 0 {
			lines = append(lines, fmt.Sprintf(`{"topic":"engagement.referrals","value":{"event_id":"i%d","code":"c","referrer_id":%q,"referee_id":%q,"occurred_at":%q}}`,
				i, shopper(random.IntN(members)), member, at))
			continue
		}
		lines = append(lines, fmt.Sprintf(`{"topic":"commerce.orders","value":{"event_id":"o%d","order_id":"o%d","member_id":%q,"status":"PAID","occurred_at":%q,"currency":"EUR","device_id":"d%d","lines":[{"line_id":"1","sku":"s","quantity":1,"amount":%d}]}}`,
			i, i, member, at, random.IntN(members/3), 100*(5+random.IntN(50))))
		if random.IntN(10) == 0 {
			lines = append(lines, fmt.Sprintf(`{"topic":"commerce.orders","value":{"event_id":"r%d","order_id":"o%d","member_id":%q,"status":"REFUNDED","occurred_at":%q,"currency":"EUR"}}`, i, i, member, at))
		}
	}
	return lines
}
