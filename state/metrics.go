package state

import "time"

// Metrics are the store's figures at one moment. What counts up does so since Open.
type Metrics struct {
	RowsWritten  int64 // puts and deletes, due rows and positions included
	BytesWritten int64 // of batches

	Flushes        int64
	Compactions    int64
	CompactionTime time.Duration
	DebtBytes      int64 // what compactions have still to do
	WriteStalls    int64 // times that writers had to wait for flushes or compactions
	SlowWrites     int64 // operations on the disk of more than 5 s

	DiskBytes     int64
	MemtableBytes int64
	CacheBytes    int64
	CacheHits     int64 // blocks
	CacheMisses   int64
	ReadDepth     int // tables that a read may have to look into
}

// Metrics returns the store's figures; of a closed store, zeros.
func (s *Store) Metrics() Metrics {
	if !s.gate.enter() {
		return Metrics{}
	}
	defer s.gate.leave()
	m := s.db.Metrics()
	return Metrics{
		RowsWritten:    s.rowsWritten.Load(),
		BytesWritten:   s.bytesWritten.Load(),
		Flushes:        m.Flush.Count,
		Compactions:    m.Compact.Count,
		CompactionTime: m.Compact.Duration,
		DebtBytes:      int64(m.Compact.EstimatedDebt), // below 2^63
		WriteStalls:    s.health.stalls.Load(),
		SlowWrites:     s.health.slowWrites.Load(),
		DiskBytes:      int64(m.DiskSpaceUsage()), // below 2^63
		MemtableBytes:  int64(m.MemTable.Size),    // below 2^63
		CacheBytes:     m.BlockCache.Size,
		CacheHits:      m.BlockCache.Hits,
		CacheMisses:    m.BlockCache.Misses,
		ReadDepth:      m.ReadAmp(),
	}
}
