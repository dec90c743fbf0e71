package bench

import (
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/protocols/snap"
	"github.com/ethereum/go-ethereum/log"
)

// inProcess is a peer that answers from memory, one request after the other, as a connection does.
type inProcess struct {
	id        string
	states    map[common.Hash]*State // by root
	syncer    snap.Syncer
	questions chan func() error // bounded: one request of each kind at a time
	over      chan struct{}     // closed when nothing more is answered
	ended     chan struct{}     // closed when the last answer has ended

	mu     sync.Mutex
	served served
	fault  error
}

// served is what a peer has answered.
type served struct {
	bytes, requests, nodes int64
	took                   time.Duration // for finding what was asked for
}

// questionsWaiting is more than the number of the syncer's kinds of requests.
const questionsWaiting = 16

func newInProcess(id string, states map[common.Hash]*State, syncer snap.Syncer) *inProcess {
	p := &inProcess{id: id, states: states, syncer: syncer}
	p.questions, p.over, p.ended = make(chan func() error, questionsWaiting), make(chan struct{}), make(chan struct{})
	go p.work()
	return p
}

func (p *inProcess) work() {
	defer close(p.ended)
	for {
		select {
		case question := <-p.questions:
			if err := question(); err != nil {
				p.mu.Lock()
				if p.fault == nil {
					p.fault = err
				}
				p.mu.Unlock()
			}
		case <-p.over:
			return
		}
	}
}

// close ends the peer, and waits until it has ended.
func (p *inProcess) close() {
	close(p.over)
	<-p.ended
}

// forget resets what told returns.
func (p *inProcess) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served = served{}
}

// told returns what has been served, and the first error of the syncer.
func (p *inProcess) told() (served, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served, p.fault
}

// askState queues a question about one state, see ask.
func (p *inProcess) askState(root common.Hash, find func(*State) (bytes, nodes int), deliver func() error) error {
	state := p.states[root]
	if state == nil {
		return fmt.Errorf("there is no state %s", root)
	}
	return p.ask(func() (int, int) { return find(state) }, deliver)
}

// ask queues a question. Find looks for the answer and returns its size in bytes. Deliver hands it
// to the syncer, which verifies it at once, as it does in a connection's reader.
func (p *inProcess) ask(find func() (bytes, nodes int), deliver func() error) error {
	question := func() error {
		start := time.Now()
		bytes, nodes := find()
		took := time.Since(start)
		p.mu.Lock()
		p.served.took += took
		p.served.bytes += int64(bytes)
		p.served.nodes += int64(nodes)
		p.served.requests++
		p.mu.Unlock()
		return deliver()
	}
	select {
	case p.questions <- question:
		return nil
	case <-p.over:
		return fmt.Errorf("%s has ended", p.id)
	}
}

func size(lists ...[][]byte) (bytes int) {
	for _, list := range lists {
		for _, item := range list {
			bytes += len(item)
		}
	}
	return bytes
}

// ID implements snap.SyncPeerV2, as do all methods below.
func (p *inProcess) ID() string { return p.id }

// Log returns the peer's own logger.
func (p *inProcess) Log() log.Logger { return log.Root() }

// RequestAccountRange answers from the state. Bodies are sent slim, so they are expanded here, as
// they are where a message arrives.
func (p *inProcess) RequestAccountRange(id uint64, root, origin, limit common.Hash, bytes int) error {
	var keys []common.Hash
	var slim, proof [][]byte
	return p.askState(root, func(s *State) (int, int) {
		keys, slim, proof = s.Range(origin, limit, bytes)
		return len(keys)*common.HashLength + size(slim, proof), 0
	}, func() error {
		full := make([][]byte, len(slim))
		for i := range slim {
			var err error
			if full[i], err = types.FullAccountRLP(slim[i]); err != nil {
				return err
			}
		}
		return p.syncer.OnAccounts(p, id, keys, full, proof)
	})
}

// RequestStorageRanges answers from the state.
func (p *inProcess) RequestStorageRanges(id uint64, root common.Hash, accounts []common.Hash, origin, limit []byte, bytes int) error {
	var keys [][]common.Hash
	var values [][][]byte
	var proof [][]byte
	return p.askState(root, func(s *State) (total, _ int) {
		keys, values, proof = s.Slots(accounts, origin, limit, bytes)
		for i := range keys {
			total += len(keys[i])*common.HashLength + size(values[i])
		}
		return total + size(proof), 0
	}, func() error { return p.syncer.OnStorage(p, id, keys, values, proof) })
}

// RequestByteCodes answers from any state: the request names none.
func (p *inProcess) RequestByteCodes(id uint64, hashes []common.Hash, bytes int) error {
	var codes [][]byte
	return p.ask(func() (int, int) {
		codes = p.codes(hashes, bytes)
		return size(codes), 0
	}, func() error { return p.syncer.OnByteCodes(p, id, codes) })
}

func (p *inProcess) codes(hashes []common.Hash, bytes int) (codes [][]byte) {
	for _, hash := range hashes {
		if size(codes) >= bytes {
			break
		}
		for _, state := range p.states {
			if code := state.Code(hash); code != nil {
				codes = append(codes, code)
				break
			}
		}
	}
	return codes
}

// RequestTrieNodes answers from the state.
func (p *inProcess) RequestTrieNodes(id uint64, root common.Hash, _ int, paths []snap.TrieNodePathSet, bytes int) error {
	var nodes [][]byte
	return p.askState(root, func(s *State) (int, int) {
		nodes = s.Nodes(paths, bytes)
		return size(nodes), len(nodes)
	}, func() error { return p.syncer.OnTrieNodes(p, id, nodes) })
}

// RequestAccessLists is never called by a syncer of snap/1.
func (p *inProcess) RequestAccessLists(uint64, []common.Hash, int) error {
	return fmt.Errorf("snap/1 has no access lists")
}
