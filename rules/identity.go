package rules

import (
	"accrue/schemas"
)

// What the hashes of ids are made of; the number keeps an event id and an order id of the same text apart.
const (
	eventID = 1 // + kind of fact
	orderID = 2 // + number of the status

	redemptionID = 3
	countersID   = 4 // of what is counted for limits
)

// hashID is FNV-1a over the class and the id, finished with a mix so that its low half is as good as its high half. It is
// stored, so it must never change.
func hashID(class, detail byte, id string) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	h = (h ^ uint64(class)) * prime
	h = (h ^ uint64(detail)) * prime
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * prime
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return h
}

func eventHash(kind factKind, event string) uint32 {
	return uint32(hashID(eventID, byte(kind), event))
}

func orderHash(status schemas.OrderStatus, order string) uint32 {
	return uint32(hashID(orderID, statusNumber(status), order))
}

// sealedHash is the identity of an order whose facts are folded away.
func sealedHash(order string) uint64 { return hashID(orderID, 0xff, order) }

func statusNumber(status schemas.OrderStatus) byte {
	for i, s := range statuses {
		if s == status {
			return byte(i)
		}
	}
	return byte(len(statuses))
}

// scanned is up to how many ids a member's list is searched from end to end; beyond it an index is made.
const scanned = 256

// knows says whether a fact of the window may carry the id: a false yes is possible, a false no is not.
func (a *Account) knows(hash uint32) bool {
	items := a.ids.items
	if len(items) <= scanned {
		for i := range items {
			if items[i].hash == hash {
				return true
			}
		}
		return false
	}
	return a.carrying(hash) > 0
}

// carrying is how many ids have this hash.
func (a *Account) carrying(hash uint32) (n int) {
	items := a.ids.items
	if len(items) <= scanned {
		for i := range items {
			if items[i].hash == hash {
				n++
			}
		}
		return n
	}
	if a.idIndex == nil {
		a.idIndex = newHashBag(len(items))
		for i := range items {
			a.idIndex.add(items[i].hash)
		}
	}
	return a.idIndex.count(hash)
}

func (a *Account) remember(hash uint32, at int64) {
	a.ids.addAlone(newIDAt(at, hash))
	if a.idIndex != nil {
		a.idIndex.add(hash)
	}
}

// isSealed says whether the order was decided and its facts are folded away.
func (a *Account) isSealed(order string) bool {
	if a.sealed.len() == 0 {
		return false
	}
	hash, items := sealedHash(order), a.sealed.items
	if len(items) <= scanned {
		for i := range items {
			if items[i].hash == hash {
				return true
			}
		}
		return false
	}
	if a.sealedIndex == nil {
		a.sealedIndex = make(map[uint64]struct{}, len(items))
		for i := range items {
			a.sealedIndex[items[i].hash] = struct{}{}
		}
	}
	_, known := a.sealedIndex[hash]
	return known
}
