package rules

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"accrue/rules/programme"
)

// This file draws lots: `chance` and `earn: {random: ...}`. What is drawn looks random to those who do not have the secret, and
// is the same whenever the fact is decided again: it is made of the fact's seed, which is 64 bits of an HMAC of the source event
// under the secret. The fact keeps its seed, so that another secret changes nothing of what was drawn before.

// Secret gives the ledger the key under which lots are drawn. Whoever knows it can foresee them.
func Secret(key []byte) Option {
	return func(l *Ledger) { l.secret = append([]byte(nil), key...) }
}

// NeedsSecret is the error of a ledger that has lots to draw and no secret to draw them with.
type NeedsSecret struct{ Programme, Rule string }

func (e *NeedsSecret) Error() string {
	return fmt.Sprintf("make ledger: rule %s of programme %s draws lots (`chance` or `random`), which needs a secret key", e.Rule, e.Programme)
}

// needsSecret fails where a rule draws lots and there is no secret.
func (l *Ledger) needsSecret(p *programme.Programme) error {
	for _, rule := range p.Rules {
		draws := rule.Chance.Den != 0 || rule.Earn != nil && rule.Earn.Random.To != 0
		if draws && rule.Mode != programme.Off && len(l.secret) == 0 {
			return &NeedsSecret{p.ID, rule.ID}
		}
	}
	return nil
}

// seedOf is the seed of a fact, made when it is first asked for.
func (r *run) seedOf(f *fact) uint64 {
	if !f.seeded {
		f.seed, f.seeded = r.account.ledger.seed(r.account.member, f.key), true
		r.account.change(f)
	}
	return f.seed
}

// seed is the first 64 bits of HMAC-SHA-256 of member, kind and event, each with its length before it.
func (l *Ledger) seed(member string, key factKey) uint64 {
	mac := hmac.New(sha256.New, l.secret)
	var text []byte
	for _, s := range [...]string{member, defaultTopic(key.kind), key.event} {
		text = append(strconv.AppendInt(text, int64(len(s)), 10), ':')
		text = append(text, s...)
	}
	mac.Write(text)
	return binary.BigEndian.Uint64(mac.Sum(nil))
}

// What is drawn of a fact for a rule.
const (
	drawsChance = "chance"
	drawsPoints = "random"
)

// draw is a number from 0 to below n, each equally likely: 64 bits of HMAC-SHA-256 of "what:rule:part:try" under the seed are
// drawn until they lie within the largest multiple of n.
func draw(seed uint64, what, rule string, part int32, n uint64) uint64 {
	most := math.MaxUint64 - (math.MaxUint64%n+1)%n // the last number below the largest multiple of n
	for try := 0; ; try++ {
		mac := hmac.New(sha256.New, binary.BigEndian.AppendUint64(nil, seed))
		mac.Write([]byte(what + ":" + rule + ":" + strconv.Itoa(int(part)) + ":" + strconv.Itoa(try)))
		if bits := binary.BigEndian.Uint64(mac.Sum(nil)); bits <= most {
			return bits % n
		}
	}
}

// lucky says whether the rule's chance is drawn for a fact; a rule without one always is.
func (r *run) lucky(c *candidate, f *fact) bool {
	chance := c.rule.Chance
	return chance.Den == 0 || draw(r.seedOf(f), drawsChance, c.rule.ID, r.part, uint64(chance.Den)) < uint64(chance.Num)
}

// randomPoints draws the points of `earn: {random: ...}`.
func (r *run) randomPoints(c *candidate, f *fact) exact {
	between := c.rule.Earn.Random
	return exactInt(between.From + int64(draw(r.seedOf(f), drawsPoints, c.rule.ID, r.part, uint64(between.To-between.From)+1)))
}
