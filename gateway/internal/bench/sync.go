package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/protocols/snap"
	"github.com/ethereum/go-ethereum/ethdb/pebble"
	"github.com/ethereum/go-ethereum/log"
)

// SyncFigures are those of one whole sync.
type SyncFigures struct {
	Cores    int     `json:"cores"`
	Accounts int     `json:"accounts"`
	Seconds  float64 `json:"seconds"`
	Rate     float64 `json:"accountsPerSecond"`
}

// What go-ethereum gives its database where little memory is spent.
const (
	pebbleCache   = 512
	pebbleHandles = 1024
)

// Sync runs go-ethereum's syncer on so many cores, with peers in this process and Pebble on disk.
func Sync(state *State, cores, peers int) (SyncFigures, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	folder, err := os.MkdirTemp("", "snaplight-gethbench-")
	if err != nil {
		return SyncFigures{}, err
	}
	defer os.RemoveAll(folder)
	store, err := pebble.New(filepath.Join(folder, "db"), pebbleCache, pebbleHandles, "", false)
	if err != nil {
		return SyncFigures{}, err
	}
	db := rawdb.NewDatabase(store)
	defer db.Close()
	syncer := snap.NewV1Syncer(db, rawdb.PathScheme)
	var all []*inProcess
	for i := range peers {
		peer := &inProcess{id: fmt.Sprint("peer-", i), state: state, syncer: syncer, questions: make(chan func() error, 64), failed: make(chan error, 1)}
		if err := syncer.Register(peer); err != nil {
			return SyncFigures{}, err
		}
		go peer.work()
		defer close(peer.questions)
		all = append(all, peer)
	}
	runtime.GC()
	start := time.Now()
	if err := syncer.Sync(&types.Header{Root: state.Root}, make(chan struct{})); err != nil {
		return SyncFigures{}, err
	}
	seconds := time.Since(start).Seconds()
	for _, peer := range all {
		select {
		case err := <-peer.failed:
			return SyncFigures{}, err
		default:
		}
	}
	if got := syncer.Progress().AccountSynced; got < uint64(state.Len()) {
		return SyncFigures{}, fmt.Errorf("%d of %d accounts were synced", got, state.Len())
	}
	return SyncFigures{cores, state.Len(), seconds, float64(state.Len()) / seconds}, nil
}

// inProcess is a peer that answers from memory, one request after the other, as a connection does.
type inProcess struct {
	id        string
	state     *State
	syncer    snap.Syncer
	questions chan func() error // bounded: the syncer has one request of a kind with a peer
	failed    chan error
}

func (p *inProcess) work() {
	for question := range p.questions {
		if err := question(); err != nil {
			select {
			case p.failed <- err:
			default:
			}
		}
	}
}

// ID implements snap.SyncPeerV2, as all below.
func (p *inProcess) ID() string { return p.id }

// Log is the peer's own.
func (p *inProcess) Log() log.Logger { return log.Root() }

// RequestAccountRange answers from the state. Bodies travel slim, so they are expanded here as where a message comes in.
func (p *inProcess) RequestAccountRange(id uint64, _, origin, limit common.Hash, bytes int) error {
	p.questions <- func() error {
		keys, slim, proof := p.state.Range(origin, limit, bytes)
		full := make([][]byte, len(slim))
		for i := range slim {
			var err error
			if full[i], err = types.FullAccountRLP(slim[i]); err != nil {
				return err
			}
		}
		return p.syncer.OnAccounts(p, id, keys, full, proof)
	}
	return nil
}

// RequestTrieNodes answers from the state.
func (p *inProcess) RequestTrieNodes(id uint64, _ common.Hash, _ int, paths []snap.TrieNodePathSet, _ int) error {
	p.questions <- func() error {
		var nodes [][]byte
		for _, set := range paths {
			nodes = append(nodes, p.state.Node(nibbles(set[0])))
		}
		return p.syncer.OnTrieNodes(p, id, nodes)
	}
	return nil
}

// nibbles undoes the hex-prefix form.
func nibbles(compact []byte) []byte {
	var out []byte
	if len(compact) > 0 && compact[0]&0x10 != 0 {
		out = append(out, compact[0]&15)
	}
	for _, b := range compact[min(1, len(compact)):] {
		out = append(out, b>>4, b&15)
	}
	return out
}

// RequestStorageRanges is never called: plain accounts have none.
func (p *inProcess) RequestStorageRanges(uint64, common.Hash, []common.Hash, []byte, []byte, int) error {
	return fmt.Errorf("plain accounts have no storage")
}

// RequestByteCodes is never called: plain accounts have none.
func (p *inProcess) RequestByteCodes(uint64, []common.Hash, int) error {
	return fmt.Errorf("plain accounts have no code")
}

// RequestAccessLists is never called by a syncer of snap/1.
func (p *inProcess) RequestAccessLists(uint64, []common.Hash, int) error {
	return fmt.Errorf("snap/1 has no access lists")
}
