package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rpc"

	"snaplight/gateway/internal/wire"
)

// rpcPatience is how long a node may take to answer by JSON-RPC. Chosen without a measurement.
const rpcPatience = 10 * time.Second

// head is a block in JSON-RPC.
type head struct {
	Number  hexutil.Uint64
	Hash    common.Hash
	genesis common.Hash
}

// FollowHeads announces each new block of a node to the node's clients until the context ends. It
// reads them from the node's own JSON-RPC, because go-ethereum announces only every 32nd to its
// peers.
func (p *Pool) FollowHeads(ctx context.Context, id enode.ID, url string) {
	told := false
	for {
		err := p.followHeads(ctx, id, url, func() { told = false })
		p.clearHead(id)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, rpc.ErrNotificationsUnsupported):
			p.log.Info("only every 32nd block is announced: over HTTP a node cannot announce its blocks; use ws:// or IPC", "rpc", url)
			return
		case !told:
			p.log.Warn("the node's JSON-RPC does not announce its blocks; trying again, and until then "+
				"only every 32nd is announced", "rpc", url, "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(lastRetry):
		}
	}
}

// followHeads is one connection from its dial to its end.
func (p *Pool) followHeads(ctx context.Context, id enode.ID, url string, follows func()) error {
	soon, cancel := context.WithTimeout(ctx, rpcPatience)
	defer cancel()
	client, err := rpc.DialContext(soon, url)
	if err != nil {
		return err
	}
	defer client.Close()
	heads := make(chan head)
	subscription, err := client.EthSubscribe(soon, heads, "newHeads")
	if err != nil {
		return err
	}
	defer subscription.Unsubscribe()
	// Asked after subscribing, so that no block is missed in between.
	var genesis, now head
	if err := errors.Join(
		client.CallContext(soon, &genesis, "eth_getBlockByNumber", "0x0", false),
		client.CallContext(soon, &now, "eth_getBlockByNumber", "latest", false),
	); err != nil {
		return err
	}
	follows()
	p.log.Info("each block of the node is announced", "rpc", url, "block", uint64(now.Number))
	for {
		now.genesis = genesis.Hash
		if err := p.setHead(id, now); err != nil {
			return err
		}
		select {
		case now = <-heads:
		case err := <-subscription.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// setHead notes a node's head, also for a node that connects later.
func (p *Pool) setHead(id enode.ID, head head) error {
	p.mu.Lock()
	p.heads[id] = head
	node := p.connected(id)
	p.mu.Unlock()
	if node == nil {
		return nil
	}
	return node.setHead(head)
}

// clearHead lets the node's own announcements count again.
func (p *Pool) clearHead(id enode.ID) {
	p.mu.Lock()
	delete(p.heads, id)
	node := p.connected(id)
	p.mu.Unlock()
	if node != nil {
		node.announcing.Lock()
		node.followed = false
		node.announcing.Unlock()
	}
}

// largestAnnouncement is how long a node's announcement of a new block may be. A NewBlock has the
// whole block. Longer ones are ignored.
const largestAnnouncement = wire.FrameLimit

// announces returns whether a message announces a new block: in eth/69 a BlockRangeUpdate, in eth/66
// a NewBlockHashes, or a NewBlock, which go-ethereum sends to some peers in its place.
func announces(by wire.By, msg p2p.Msg) bool {
	if by == wire.ByHash {
		return (msg.Code == wire.NewBlockHashesCode || msg.Code == wire.NewBlockCode) && msg.Size <= largestAnnouncement
	}
	return msg.Code == wire.BlockRangeUpdateCode && msg.Size <= wire.BaseFrameLimit
}

// announced notes what a message announces.
func (n *Node) announced(msg p2p.Msg) error {
	payload, err := io.ReadAll(msg.Payload)
	if err != nil {
		return err
	}
	var blocks wire.BlockRange
	some := true
	switch {
	case n.by == wire.BySnap:
		blocks, err = wire.ParseBlockRange(payload)
	case msg.Code == wire.NewBlockCode:
		blocks, err = wire.ParseNewBlock(payload)
	default:
		blocks, some, err = wire.ParseNewBlockHashes(payload)
	}
	if err == nil && some {
		n.newRange(blocks)
	}
	return err
}

func (n *Node) setHead(head head) error {
	if genesis := n.Status().Genesis; genesis != head.genesis {
		return fmt.Errorf("it is on another chain (genesis %s) than the node (%s): is it the JSON-RPC of that node?", head.genesis, genesis)
	}
	n.announcing.Lock()
	defer n.announcing.Unlock()
	n.followed = true
	blocks := n.Status().BlockRange
	blocks.Latest, blocks.LatestHash = uint64(head.Number), head.Hash
	n.announce(blocks)
	return nil
}
