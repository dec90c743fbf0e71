// Package gethsync lets go-ethereum's own syncer sync over a WebSocket.
package gethsync

import (
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/eth/protocols/snap"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/rlp"

	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

// Peer shows a WebSocket to go-ethereum's syncer as a peer: requests return at once, and answers
// are delivered later.
type Peer struct {
	client *wsclient.Client
	syncer snap.Syncer
	id     string
	logger log.Logger

	mu     sync.Mutex
	fault  error
	counts map[string]int
}

// NewPeer makes a peer from a connection.
func NewPeer(id string, client *wsclient.Client, syncer snap.Syncer) *Peer {
	return &Peer{client: client, syncer: syncer, id: id, logger: log.New("peer", id), counts: make(map[string]int)}
}

// Fault returns the first error of the syncer or of this adapter about an answer, or nil.
func (p *Peer) Fault() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

// Requests returns how many requests of a kind there were.
func (p *Peer) Requests(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[kind]
}

// ask sends a request, decodes its answer and delivers it.
func (p *Peer) ask(kind string, code uint64, answer any, deliver func() error, fields ...any) error {
	p.mu.Lock()
	p.counts[kind]++
	p.mu.Unlock()
	go func() {
		payload, err := p.client.Ask(wire.Snap, code, fields...)
		if err == nil {
			err = rlp.DecodeBytes(payload, answer)
		}
		if err == nil {
			err = deliver()
		}
		if err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.fault == nil {
				p.fault = fmt.Errorf("%s: %w", kind, err)
			}
		}
	}()
	return nil
}

// ID implements snap.SyncPeerV2, as do all methods below.
func (p *Peer) ID() string { return p.id }

// Log returns the peer's own logger.
func (p *Peer) Log() log.Logger { return p.logger }

// RequestAccountRange asks for accounts.
func (p *Peer) RequestAccountRange(id uint64, root, origin, limit common.Hash, bytes int) error {
	var answer snap.AccountRangePacket
	return p.ask("accounts", wire.GetAccountRangeCode, &answer, func() error {
		hashes, accounts, err := answer.Unpack()
		if err != nil {
			return err
		}
		return p.syncer.OnAccounts(p, id, hashes, accounts, answer.Proof)
	}, root, origin, limit, uint64(bytes))
}

// RequestStorageRanges asks for slots.
func (p *Peer) RequestStorageRanges(id uint64, root common.Hash, accounts []common.Hash, origin, limit []byte, bytes int) error {
	var answer snap.StorageRangesPacket
	return p.ask("storage", wire.GetStorageRangesCode, &answer, func() error {
		hashes, slots := answer.Unpack()
		return p.syncer.OnStorage(p, id, hashes, slots, answer.Proof)
	}, root, accounts, origin, limit, uint64(bytes))
}

// RequestByteCodes asks for codes.
func (p *Peer) RequestByteCodes(id uint64, hashes []common.Hash, bytes int) error {
	var answer snap.ByteCodesPacket
	return p.ask("codes", wire.GetByteCodesCode, &answer, func() error {
		return p.syncer.OnByteCodes(p, id, answer.Codes)
	}, hashes, uint64(bytes))
}

// RequestTrieNodes asks for nodes.
func (p *Peer) RequestTrieNodes(id uint64, root common.Hash, _ int, paths []snap.TrieNodePathSet, bytes int) error {
	var answer snap.TrieNodesPacket
	return p.ask("nodes", wire.GetTrieNodesCode, &answer, func() error {
		return p.syncer.OnTrieNodes(p, id, answer.Nodes)
	}, root, paths, uint64(bytes))
}

// RequestAccessLists is never called by a syncer of snap/1.
func (p *Peer) RequestAccessLists(uint64, []common.Hash, int) error {
	return fmt.Errorf("snap/1 has no access lists")
}
