// Package upstream is the gateway's devp2p side. It keeps connections to nodes and passes clients'
// requests on to them in fair turns. It knows nothing of WebSockets.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"snaplight/gateway/internal/metrics"
	"snaplight/gateway/internal/wire"
)

// Network restricts which nodes are accepted.
type Network struct {
	ID      uint64       // 0 is any
	Genesis *common.Hash // nil is any
}

func (w Network) accepts(s wire.Status) bool {
	return (w.ID == 0 || w.ID == s.NetworkID) && (w.Genesis == nil || *w.Genesis == s.Genesis)
}

// ethLengths are the accepted versions of eth, with the number of their ids. What is used of 69 and
// later (Status, headers, block range) is the same in all. Both sides take the highest version that
// they share, so a node with which that is 66 has none of the others: it is asked by hash.
var ethLengths = map[uint]uint64{wire.Eth66Version: wire.Eth66Length, 69: 18, 70: 18, 71: 20, 72: 22}

// ethBy is how a node is asked with which this version of eth is shared.
func ethBy(version uint) wire.By {
	if version == wire.Eth66Version {
		return wire.ByHash
	}
	return wire.BySnap
}

// ethRequests are requests of eth that a node may send. Each gets an empty answer. GetNodeData is one
// in eth/66 alone.
var ethRequests = []uint64{wire.GetBlockHeadersCode, 0x05, 0x09, 0x0f}

// receiptsCode is the request whose answer has one more field since eth/70.
const receiptsCode = 0x0f

// statusPatience is how long a node's Status may take. Nodes give each other the same time.
const statusPatience = 5 * time.Second

// watchEvery is how often nodes are checked for answers that take too long.
const watchEvery = 5 * time.Second

// Pool is all connected nodes.
type Pool struct {
	log     *slog.Logger
	metrics *metrics.Metrics
	limits  Limits
	network Network
	snap    uint

	mu      sync.Mutex
	nodes   []*Node // in the order of their arrival; bounded by the number of configured nodes
	links   map[*p2p.Peer]*link
	heads   map[enode.ID]head // of nodes whose JSON-RPC is followed
	changed chan struct{}     // closed when the nodes change
}

// link connects the two protocols of one connection by snap.
type link struct {
	snap  chan p2p.MsgReadWriter
	node  chan *Node
	users int // how many protocols have not ended yet
}

// NewPool makes a pool for the nodes of a network that speak this version of snap, or eth/66.
func NewPool(snap uint, network Network, limits Limits, m *metrics.Metrics, log *slog.Logger) *Pool {
	return &Pool{
		log: log, metrics: m, limits: limits, network: network, snap: snap,
		links: make(map[*p2p.Peer]*link), heads: make(map[enode.ID]head), changed: make(chan struct{}),
	}
}

// Nodes returns the nodes that serve now.
func (p *Pool) Nodes() []*Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.nodes)
}

// Snap is the version of snap that nodes are asked by.
func (p *Pool) Snap() uint64 { return uint64(p.snap) }

// Pick returns the node with the fewest clients among those whose key starts with prefix and that
// are asked in one of these ways. If there is none, it waits for one until the context ends, and then
// returns nil.
func (p *Pool) Pick(ctx context.Context, prefix string, ways []wire.By) *Node {
	for {
		p.mu.Lock()
		changed := p.changed
		var best *Node
		fewest := 0
		for _, node := range p.nodes {
			if !strings.HasPrefix(node.key, prefix) || !slices.Contains(ways, node.by) {
				continue
			}
			node.mu.Lock()
			clients, lost := len(node.lanes), node.lost
			node.mu.Unlock()
			if !lost && (best == nil || clients < fewest) {
				best, fewest = node, clients
			}
		}
		p.mu.Unlock()
		if best != nil {
			return best
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// change wakes everyone who waits for other nodes. The lock is held.
func (p *Pool) change() {
	close(p.changed)
	p.changed = make(chan struct{})
	for _, by := range []wire.By{wire.BySnap, wire.ByHash} {
		count := 0
		for _, node := range p.nodes {
			if node.by == by {
				count++
			}
		}
		p.metrics.Nodes.With(by.String()).Set(float64(count))
	}
}

// protocols are the protocols that a p2p.Server of this pool speaks.
func (p *Pool) protocols(candidates enode.Iterator) []p2p.Protocol {
	protocols := []p2p.Protocol{{
		Name: "snap", Version: p.snap, Length: wire.SnapLength(uint64(p.snap)), DialCandidates: candidates,
		Run: p.runSnap,
	}}
	for version, length := range ethLengths {
		protocols = append(protocols, p2p.Protocol{
			Name: "eth", Version: version, Length: length,
			Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error { return p.runEth(peer, rw, version) },
		})
	}
	return protocols
}

func (p *Pool) link(peer *p2p.Peer) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.links[peer]
	if l == nil {
		l = &link{make(chan p2p.MsgReadWriter, 1), make(chan *Node, 1), 2}
		p.links[peer] = l
	}
	return l
}

// unlink is called once by each of the two protocols.
func (p *Pool) unlink(peer *p2p.Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.links[peer]; l.users > 1 {
		l.users--
	} else {
		delete(p.links, peer)
	}
}

// runSnap reads answers. It starts when runEth has made a node of the peer.
//
// A node that is asked by hash may share snap as well, as go-ethereum does. It would end the
// connection if snap ended, and old versions wait for snap before they greet by eth. So snap is kept
// open and nothing is asked by it.
func (p *Pool) runSnap(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
	if !peer.RunningCap("eth", slices.Collect(maps.Keys(ethLengths))) {
		p.log.Info("node left: it speaks no supported version of eth", "node", peer.Node().ID().TerminalString(), "name", peer.Fullname())
		return p2p.DiscUselessPeer
	}
	if peer.RunningCap("eth", []uint{wire.Eth66Version}) {
		return idleSnap(rw)
	}
	l := p.link(peer)
	defer p.unlink(peer)
	l.snap <- rw
	var node *Node
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		if msg.Code%2 == 0 {
			if err := decline(rw, wire.Snap, msg); err != nil {
				return err
			}
			continue
		}
		if node == nil {
			select {
			case node = <-l.node: // set before anything was asked
			default:
				return p2p.DiscProtocolError
			}
		}
		if err := node.answer(wire.Snap, msg); err != nil {
			return p.faulty(node, err)
		}
	}
}

// idleSnap answers what the node asks by a snap that is shared and not used.
func idleSnap(rw p2p.MsgReadWriter) error {
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		if msg.Code%2 != 0 {
			return p2p.DiscProtocolError // an answer, and nothing was asked
		}
		if err := decline(rw, wire.Snap, msg); err != nil {
			return err
		}
	}
}

// runEth checks the chain, makes a node of the peer, and reads its messages.
func (p *Pool) runEth(peer *p2p.Peer, rw p2p.MsgReadWriter, version uint) error {
	by := ethBy(version)
	var l *link
	if by == wire.BySnap {
		if !peer.RunningCap("snap", []uint{p.snap}) {
			p.log.Info("node left: it speaks neither snap nor eth/66", "node", peer.Node().ID().TerminalString(), "name", peer.Fullname(), "snap", p.snap)
			return p2p.DiscUselessPeer
		}
		l = p.link(peer)
		defer p.unlink(peer)
	}
	late := time.AfterFunc(statusPatience, func() { peer.Disconnect(p2p.DiscReadTimeout) })
	status, err := p.handshake(rw, version)
	late.Stop()
	if err != nil {
		p.log.Warn("node left", "node", peer.Node().ID().TerminalString(), "name", peer.Fullname(), "error", err)
		return p2p.DiscUselessPeer
	}
	node := newNode(peer, by, uint64(p.snap), status, p.limits, p.metrics)
	node.ethRW = rw
	if l != nil {
		node.snapRW = <-l.snap
		l.node <- node
	}

	p.mu.Lock()
	p.nodes = append(p.nodes, node)
	p.change()
	head, followed := p.heads[peer.ID()]
	p.mu.Unlock()
	if followed {
		if err := node.setHead(head); err != nil {
			p.log.Warn("the node's JSON-RPC is ignored", "error", err)
		}
	}
	p.log.Info("node connected", "node", node.key[:16], "name", node.name, "address", node.address, "by", by, "eth", version,
		"network", status.NetworkID, "block", status.Latest)

	var writer sync.WaitGroup
	writer.Go(node.send)
	done := make(chan struct{})
	writer.Go(func() { p.watch(node, done) })
	err = p.readEth(node, rw, version)
	close(done)
	// Nothing more is sent. Clients are told when p2p says why.
	node.mu.Lock()
	node.lost = true
	node.wake.Broadcast()
	node.mu.Unlock()
	writer.Wait()
	return err
}

// handshake reads the node's Status and sends it back: a gateway has no chain of its own, and this
// Status is about the right one.
func (p *Pool) handshake(rw p2p.MsgReadWriter, version uint) (wire.Status, error) {
	msg, err := rw.ReadMsg()
	if err != nil {
		return wire.Status{}, err
	}
	if msg.Code != wire.StatusCode || msg.Size > wire.BaseFrameLimit {
		return wire.Status{}, errors.New("its first message is not a Status")
	}
	payload, err := io.ReadAll(msg.Payload)
	if err != nil {
		return wire.Status{}, err
	}
	status, err := wire.ParseStatus(ethBy(version), payload)
	if err != nil {
		return status, err
	}
	if status.Version != uint64(version) || !p.network.accepts(status) {
		return status, fmt.Errorf("it is on another network: eth/%d, network %d, genesis %s", status.Version, status.NetworkID, status.Genesis)
	}
	if ethBy(version) == wire.BySnap {
		status.Version = wire.EthVersion // what is used of later versions is the same
	}
	status.BlockRange = status.BlockRange.Ordered()
	return status, p2p.Send(rw, wire.StatusCode, rawRLP(payload))
}

func (p *Pool) readEth(node *Node, rw p2p.MsgReadWriter, version uint) error {
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		byHash := node.by == wire.ByHash
		switch {
		case msg.Code == wire.BlockHeadersCode, byHash && msg.Code == wire.NodeDataCode:
			err = node.answer(wire.Eth, msg)
		case announces(node.by, msg):
			err = node.announced(msg)
		case slices.Contains(ethRequests, msg.Code), byHash && msg.Code == wire.GetNodeDataCode:
			if msg.Code == receiptsCode && version > wire.EthVersion {
				err = declineReceipts(rw, msg)
			} else {
				err = decline(rw, wire.Eth, msg)
			}
		default:
			err = msg.Discard() // announcements and transactions are not needed
		}
		if err != nil {
			return p.faulty(node, err)
		}
	}
}

// faulty ends a node that broke the protocol or whose connection failed.
func (p *Pool) faulty(node *Node, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, p2p.ErrShuttingDown) {
		return err
	}
	p.log.Warn("node broke the protocol", "node", node.key[:16], "name", node.name, "error", err)
	return p2p.DiscProtocolError
}

// watch ends a node when an answer of it takes too long.
func (p *Pool) watch(node *Node, done <-chan struct{}) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			if node.overdue() {
				p.log.Warn("node does not answer", "node", node.key[:16], "name", node.name, "seconds", answerPatience.Seconds())
				node.peer.Disconnect(p2p.DiscReadTimeout)
			}
		}
	}
}

// dropped is called when a connection to a node has ended, with p2p's reason.
func (p *Pool) dropped(id enode.ID, why string) {
	p.mu.Lock()
	node := p.connected(id)
	if node != nil {
		p.nodes = slices.DeleteFunc(p.nodes, func(n *Node) bool { return n == node })
		p.change()
	}
	p.mu.Unlock()
	reason := reasonOf(why)
	p.metrics.NodesLost.With(reason.String()).Inc()
	if node == nil {
		p.log.Info("node left before it served", "node", id.TerminalString(), "why", why)
		return
	}
	p.log.Warn("node lost", "node", node.key[:16], "name", node.name, "why", why)
	node.lose(reason, why)
}

// connected returns the node with this key, if it serves. The lock is held.
func (p *Pool) connected(id enode.ID) *Node {
	for _, node := range p.nodes {
		if node.peer.ID() == id {
			return node
		}
	}
	return nil
}

// reasonOf is the reason that clients are told. A node's own reasons are passed on, except those
// that would blame the client.
func reasonOf(why string) wire.Reason {
	switch why {
	case p2p.DiscQuitting.Error(), p2p.DiscRequested.Error():
		return wire.Quitting
	case p2p.DiscTooManyPeers.Error():
		return wire.TooMany
	case p2p.DiscReadTimeout.Error():
		return wire.Timeout
	case p2p.DiscNetworkError.Error(), io.EOF.Error():
		return wire.Transport
	case p2p.DiscProtocolError.Error(), p2p.DiscSubprotocolError.Error(), p2p.DiscUselessPeer.Error():
		return wire.Other
	}
	return wire.Transport // any network error
}
