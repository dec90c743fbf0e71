package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

// hashesPerRequest is go-ethereum's: its old syncer asked for no more at a time.
const hashesPerRequest = 384

// HashFigures are the figures of one sync by hash.
type HashFigures struct {
	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpuSeconds"` // of this process
	Accounts int     `json:"accounts"`
	Slots    int     `json:"slots"`
	Nodes    int     `json:"nodes"` // distinct trie nodes
	Codes    int     `json:"codes"`
	// DistinctBytes is the size of the distinct trie nodes and codes.
	DistinctBytes int64 `json:"distinctBytes"`
	// Items is how many came. It is above the sum of both if something was asked for again.
	Items     int   `json:"items"`
	ItemBytes int64 `json:"itemBytes"`
	Bytes     int64 `json:"bytes"` // of answers, with RLP and request ids, before compression
	Requests  int   `json:"requests"`
	Open      int   `json:"open"`
	// Waiting is how long nothing could be done because no answer was there.
	Waiting float64 `json:"waitingSeconds"`
}

// SyncByHash syncs a state from a node (enode://) or a server of WebSockets (ws://) into memory, by
// go-ethereum's scheduler for trie nodes and codes, with this many requests in flight. go-ethereum
// itself syncs by hash no more, so what is around the scheduler is made here: as in its old syncer,
// one goroutine gives requests out, takes in answers and writes batches.
func SyncByHash(url string, root common.Hash, open int) (HashFigures, error) {
	source, err := dialSource(url)
	if err != nil {
		return HashFigures{}, err
	}
	defer source.close()
	s := &hashSync{
		source: source, db: rawdb.NewMemoryDatabase(), open: open, paths: make(map[common.Hash][]string), codes: make(map[common.Hash]bool),
		seen: make(map[common.Hash]bool), answers: make(chan hashAnswer, open),
	}
	s.figures.Open = open
	s.scheduler = state.NewStateSync(root, s.db, s.onLeaf, rawdb.HashScheme)
	start, cpu := time.Now(), ownCPU()
	err = s.run()
	s.figures.Seconds, s.figures.CPU = time.Since(start).Seconds(), (ownCPU() - cpu).Seconds()
	return s.figures, err
}

// source answers requests for node data with an answer's payload.
type source struct {
	ask   func(hashes []common.Hash) ([]byte, error)
	close func()
}

func dialSource(url string) (source, error) {
	if strings.HasPrefix(url, "enode:") {
		d, err := dialDirect(url, wire.ByHash)
		if err != nil {
			return source{}, err
		}
		return source{func(hashes []common.Hash) ([]byte, error) { return d.ask(wire.GetNodeDataCode, hashes) }, d.close}, nil
	}
	c, err := wsclient.Dial(context.Background(), url, wsclient.Options{By: wire.ByHash})
	if err != nil {
		return source{}, err
	}
	return source{func(hashes []common.Hash) ([]byte, error) { return c.Ask(wire.Eth, wire.GetNodeDataCode, hashes) }, c.Close}, nil
}

// hashSync is one sync. Its maps have what is in flight, or waits to be asked for again, which the
// scheduler bounds by the size of the state.
type hashSync struct {
	source    source
	db        ethdb.Database
	scheduler *trie.Sync
	open      int
	figures   HashFigures

	paths    map[common.Hash][]string // where nodes are wanted
	codes    map[common.Hash]bool     // codes that are wanted
	again    []common.Hash            // what an answer left out
	inFlight int
	seen     map[common.Hash]bool // what has come, to count distinct ones; bounded by the state
	answers  chan hashAnswer
}

type hashAnswer struct {
	asked   []common.Hash
	payload []byte
	err     error
}

func (s *hashSync) onLeaf(keys [][]byte, _ []byte) error {
	if len(keys) == 1 {
		s.figures.Accounts++
	} else {
		s.figures.Slots++
	}
	return nil
}

func (s *hashSync) run() error {
	for {
		for s.inFlight < s.open {
			hashes := s.next()
			if len(hashes) == 0 {
				break
			}
			s.inFlight++
			s.figures.Requests++
			go func() {
				payload, err := s.source.ask(hashes)
				s.answers <- hashAnswer{hashes, payload, err}
			}()
		}
		if s.inFlight == 0 {
			break
		}
		waiting := time.Now()
		answer := <-s.answers
		s.figures.Waiting += time.Since(waiting).Seconds()
		s.inFlight--
		if err := s.take(answer); err != nil {
			return err
		}
		if s.scheduler.MemSize() >= ethdb.IdealBatchSize {
			if err := s.commit(); err != nil {
				return err
			}
		}
	}
	if pending := s.scheduler.Pending(); pending > 0 {
		return fmt.Errorf("%d nodes and codes are wanted and nothing is asked for", pending)
	}
	return s.commit()
}

// next returns what to ask for: at first what was left out, then what the scheduler wants. A hash
// that is in flight is not asked for again if it is wanted elsewhere as well.
func (s *hashSync) next() []common.Hash {
	count := min(len(s.again), hashesPerRequest)
	hashes := append(make([]common.Hash, 0, hashesPerRequest), s.again[:count]...)
	s.again = s.again[count:]
	for len(hashes) < hashesPerRequest {
		paths, nodes, codes := s.scheduler.Missing(hashesPerRequest - len(hashes))
		if len(nodes)+len(codes) == 0 {
			break
		}
		for i, hash := range nodes {
			if len(s.paths[hash]) == 0 {
				hashes = append(hashes, hash)
			}
			s.paths[hash] = append(s.paths[hash], paths[i])
		}
		for _, hash := range codes {
			if !s.codes[hash] {
				s.codes[hash] = true
				hashes = append(hashes, hash)
			}
		}
	}
	return hashes
}

// take gives an answer's items to the scheduler.
func (s *hashSync) take(answer hashAnswer) error {
	if answer.err != nil {
		return answer.err
	}
	var message struct {
		ID    uint64
		Items [][]byte
	}
	if err := rlp.DecodeBytes(answer.payload, &message); err != nil {
		return err
	}
	if len(message.Items) == 0 {
		return errors.New("the peer has nothing of what was asked for: is it the state's root, and does the peer have it?")
	}
	s.figures.Bytes += int64(len(answer.payload))
	for _, item := range message.Items {
		s.figures.Items++
		s.figures.ItemBytes += int64(len(item))
		if err := s.deliver(crypto.Keccak256Hash(item), item); err != nil {
			return err
		}
	}
	for _, hash := range answer.asked {
		if len(s.paths[hash]) > 0 || s.codes[hash] {
			s.again = append(s.again, hash)
		}
	}
	return nil
}

func (s *hashSync) deliver(hash common.Hash, item []byte) error {
	paths, isCode := s.paths[hash], s.codes[hash]
	if len(paths) == 0 && !isCode {
		return fmt.Errorf("an item that nobody wants: %s", hash)
	}
	delete(s.paths, hash)
	delete(s.codes, hash)
	if isCode {
		s.figures.Codes++
		s.figures.DistinctBytes += int64(len(item))
		if err := s.scheduler.ProcessCode(trie.CodeSyncResult{Hash: hash, Data: item}); err != nil {
			return err
		}
	}
	if len(paths) > 0 && !s.seen[hash] {
		s.seen[hash] = true
		s.figures.Nodes++
		s.figures.DistinctBytes += int64(len(item))
	}
	for _, path := range paths {
		if err := s.scheduler.ProcessNode(trie.NodeSyncResult{Path: path, Data: item}); err != nil {
			return err
		}
	}
	return nil
}

func (s *hashSync) commit() error {
	batch := s.db.NewBatch()
	if err := s.scheduler.Commit(batch); err != nil {
		return err
	}
	return batch.Write()
}
