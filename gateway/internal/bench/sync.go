package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/protocols/snap"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/pebble"
)

// Order says what to sync.
type Order struct {
	Cores int `json:"cores"`
	State int `json:"state"` // the index of its file
	// Over is the state that is synced before, which is not timed. The figures are those of
	// healing.
	Over *int `json:"over"`
}

// SyncFigures are the figures of one sync.
type SyncFigures struct {
	Cores int `json:"cores"`
	State int `json:"state"`
	Counts
	Seconds float64 `json:"seconds"`
	// CPU is the CPU time of this whole process: of the syncer, of Pebble, of Go's garbage
	// collector, and of the peers that serve.
	CPU float64 `json:"cpuSeconds"`
	// Serving is how long all peers together took to find their answers. It is no part of a sync
	// from other machines. It is measured by the clock, so other work on the machine makes it
	// longer. On one core, it can be subtracted from both times; on several cores, only from CPU.
	Serving float64 `json:"servingSeconds"`
	Rate    float64 `json:"accountsPerSecond"`
	// Bytes are those of answers: keys, slim bodies, values, proofs, codes, nodes, without framing.
	Bytes int64 `json:"bytes"`
	// Requests is how many requests were answered.
	Requests int64 `json:"requests"`
	Nodes    int64 `json:"nodes"` // asked for one by one, to heal
}

// The database sizes that go-ethereum uses where memory is short.
const (
	pebbleCache   = 512
	pebbleHandles = 1024
)

// Sync runs go-ethereum's syncer on this many cores, with peers in this process and Pebble on disk,
// and then checks what is on disk.
//
// With Over, the same syncer then gets the other state's root, as go-ethereum's downloader does
// when the chain has gone on. Its own notes say that all ranges are complete, so it only heals. The
// first sync may use all cores.
//
// The states are a large part of the heap, so Go's garbage collector runs less often than in a
// node. This favours go-ethereum.
func Sync(states []*State, order Order, peers int) (figures SyncFigures, err error) {
	if order.Cores < 1 {
		return figures, errors.New("cores are needed, at least one")
	}
	if order.State < 0 || order.State >= len(states) || order.Over != nil && (*order.Over < 0 || *order.Over >= len(states)) {
		return figures, fmt.Errorf("there are %d states", len(states))
	}
	folder, err := os.MkdirTemp("", "snaplight-gethbench-")
	if err != nil {
		return figures, err
	}
	defer os.RemoveAll(folder)
	store, err := pebble.New(filepath.Join(folder, "db"), pebbleCache, pebbleHandles, "", false)
	if err != nil {
		return figures, err
	}
	db := rawdb.NewDatabase(store)
	defer db.Close()
	return syncInto(db, states, order, peers)
}

func syncInto(db ethdb.Database, states []*State, order Order, peers int) (figures SyncFigures, err error) {
	syncer := snap.NewV1Syncer(db, rawdb.PathScheme)
	byRoot := make(map[common.Hash]*State)
	for _, state := range states {
		byRoot[state.Root] = state
	}
	all := make([]*inProcess, peers)
	for i := range all {
		all[i] = newInProcess(fmt.Sprint("peer-", i), byRoot, syncer)
		if err := syncer.Register(all[i]); err != nil {
			return figures, err
		}
		defer all[i].close()
	}
	target := states[order.State]
	if order.Over != nil {
		base := states[*order.Over]
		if _, err := measure(syncer, base.Root, all); err != nil {
			return figures, err
		}
		if err := check(db, base); err != nil {
			return figures, err
		}
	}
	runtime.GC()
	before := runtime.GOMAXPROCS(order.Cores)
	figures, err = measure(syncer, target.Root, all)
	runtime.GOMAXPROCS(before)
	if err != nil {
		return figures, err
	}
	figures.Cores, figures.State, figures.Counts = order.Cores, order.State, target.Counts()
	figures.Rate = float64(figures.Accounts) / figures.Seconds
	return figures, check(db, target)
}

// measure syncs one root.
func measure(syncer snap.Syncer, root common.Hash, peers []*inProcess) (figures SyncFigures, err error) {
	for _, peer := range peers {
		peer.forget()
	}
	start, cpu := time.Now(), ownCPU()
	if err := syncer.Sync(&types.Header{Root: root}, make(chan struct{})); err != nil {
		return figures, err
	}
	figures.Seconds, figures.CPU = time.Since(start).Seconds(), (ownCPU() - cpu).Seconds()
	for _, peer := range peers {
		served, err := peer.told()
		if err != nil {
			return figures, err
		}
		figures.Serving += served.took.Seconds()
		figures.Bytes += served.bytes
		figures.Requests += served.requests
		figures.Nodes += served.nodes
	}
	return figures, nil
}
