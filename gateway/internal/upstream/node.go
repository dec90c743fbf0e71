package upstream

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"

	"snaplight/gateway/internal/metrics"
	"snaplight/gateway/internal/wire"
)

// Limits bound what clients get of a node.
type Limits struct {
	// ClientBytes bounds one client's answers that are expected, or delivered and not yet sent.
	ClientBytes int
}

const (
	// inFlight is how many requests a node has at a time at most. It answers one after the other, so
	// a few keep it busy while messages travel. More would only wait at the node, where turns are
	// not fair.
	inFlight = 16
	// answerPatience is how long a node may take for an answer. Clients give up a connection that
	// sends nothing for as long.
	answerPatience = 30 * time.Second
	// firstID is the first request id. From here on, all ids have nine bytes in RLP, so that
	// messages keep their length.
	firstID = 1 << 56
)

// Node is one connected node that serves state, by snap or by hash.
type Node struct {
	key     string // the public key in hex, as in its enode
	name    string
	address string
	by      wire.By
	snap    uint64 // the version of snap; of no meaning by hash
	since   time.Time
	peer    *p2p.Peer
	limits  Limits
	metrics *metrics.Metrics
	ethRW   p2p.MsgReadWriter
	snapRW  p2p.MsgReadWriter // nil by hash

	announcing sync.Mutex // locked before mu: one announcement at a time
	followed   bool       // its head comes from JSON-RPC

	mu     sync.Mutex
	wake   *sync.Cond // signalled when something may be sent, or when the node is lost
	status wire.Status
	lanes  map[*Lane]struct{} // bounded by the number of the gateway's clients
	sent   map[uint64]*pending
	nextID uint64
	turns  turns
	spare  int // bytes of node data that may come unexpectedly, or have; see spareBytes
	lost   bool
}

func newNode(peer *p2p.Peer, by wire.By, snap uint64, status wire.Status, limits Limits, m *metrics.Metrics) *Node {
	n := &Node{
		key:     hex.EncodeToString(crypto.FromECDSAPub(peer.Node().Pubkey())[1:]),
		name:    peer.Fullname(),
		address: peer.RemoteAddr().String(),
		by:      by,
		snap:    snap,
		since:   time.Now(),
		peer:    peer,
		limits:  limits,
		metrics: m,
		status:  status,
		lanes:   make(map[*Lane]struct{}),
		sent:    make(map[uint64]*pending),
		nextID:  firstID,
	}
	n.turns = newTurns(func() time.Duration { return time.Since(n.since) })
	n.wake = sync.NewCond(&n.mu)
	return n
}

// Name is the node's own name, which must not be trusted.
func (n *Node) Name() string { return n.name }

// Key is the node's public key in hex, as in its enode URL, without the leading 04.
func (n *Node) Key() string { return n.key }

// By is how the node is asked for state.
func (n *Node) By() wire.By { return n.by }

// Snap is the version of snap that both sides speak. It has no meaning by hash.
func (n *Node) Snap() uint64 { return n.snap }

// Status is the node's Status with its newest block range, in the form of eth/69, or by hash of
// eth/66.
func (n *Node) Status() wire.Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

// Join gives a client a lane, or nil if the node has been lost. All clients of a network share one
// visitor's part of the node's time.
func (n *Node) Join(client Client, network netip.Prefix) *Lane {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lost {
		return nil
	}
	lane := &Lane{node: n, client: client, share: n.turns.join(network)}
	n.lanes[lane] = struct{}{}
	return lane
}

// send sends requests to the node in fair turns until the node is lost.
func (n *Node) send() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for !n.lost {
		lane := n.next()
		if lane == nil {
			n.wake.Wait()
			continue
		}
		p, id := n.take(lane)
		n.mu.Unlock()
		err := n.write(p.Request, id)
		n.metrics.Requests.With(p.Kind()).Inc()
		n.mu.Lock()
		if err != nil {
			return // the reader gets the same error and ends everything
		}
	}
}

func (n *Node) write(request wire.Request, id uint64) error {
	rw := n.snapRW
	if request.Protocol == wire.Eth {
		rw = n.ethRW
	}
	payload := request.Payload(id)
	return rw.WriteMsg(p2p.Msg{Code: request.Code, Size: uint32(len(payload)), Payload: bytes.NewReader(payload)})
}

// answer hands a node's answer to the client that asked.
func (n *Node) answer(protocol wire.Protocol, msg p2p.Msg) error {
	if msg.Size > wire.FrameLimit {
		return fmt.Errorf("an answer of %d bytes", msg.Size)
	}
	buf := make([]byte, wire.AnswerRoom+int(msg.Size))
	if _, err := io.ReadFull(msg.Payload, buf[wire.AnswerRoom:]); err != nil {
		return err
	}
	answer, err := wire.ParseAnswer(buf)
	if err != nil {
		return err
	}
	offsets := n.by.Offsets(n.snap)
	first := offsets.Snap
	if protocol == wire.Eth {
		first = offsets.Eth
	}

	n.mu.Lock()
	p := n.sent[answer.ID]
	if p == nil || p.Protocol != protocol || p.Code+1 != msg.Code {
		n.mu.Unlock()
		return errors.New("an answer that was not asked for")
	}
	if err := p.Fits(answer); err != nil {
		n.mu.Unlock()
		return err
	}
	lane, closed := p.lane, p.lane.closed
	frame := answer.Frame(first+msg.Code, p.ID)
	n.settle(answer.ID, len(frame))
	waited := n.turns.clock() - p.sentAt
	n.wake.Signal()
	n.mu.Unlock()

	n.metrics.AnswerSeconds.With(p.Kind()).Observe(waited.Seconds())
	if closed {
		n.metrics.Discarded.Inc()
		return nil
	}
	n.metrics.AnswerBytes.With(p.Kind()).Add(float64(len(frame)))
	lane.client.Deliver(frame, len(p.Body))
	return nil
}

// newRange notes an announcement of the node and passes it on. If the head comes from the node's JSON-RPC,
// that one is newer and stays.
func (n *Node) newRange(blocks wire.BlockRange) {
	n.announcing.Lock()
	defer n.announcing.Unlock()
	if n.followed {
		earliest := blocks.Earliest
		blocks = n.Status().BlockRange
		blocks.Earliest = earliest
	}
	n.announce(blocks)
}

// announce tells all clients the new range, if it has changed. The caller holds announcing, so that
// the newest range is announced last.
func (n *Node) announce(blocks wire.BlockRange) {
	blocks = blocks.Ordered()
	n.mu.Lock()
	var clients []Client
	if n.status.BlockRange != blocks {
		n.status.BlockRange = blocks
		clients = n.clients()
	}
	n.mu.Unlock()
	for _, client := range clients {
		client.BlockRange(blocks)
	}
}

// lose tells all clients that the node is lost.
func (n *Node) lose(reason wire.Reason, text string) {
	n.mu.Lock()
	n.lost = true
	clients := n.clients()
	n.wake.Broadcast()
	n.mu.Unlock()
	for _, client := range clients {
		client.NodeLost(reason, text)
	}
}

func (n *Node) clients() []Client {
	clients := make([]Client, 0, len(n.lanes))
	for lane := range n.lanes {
		clients = append(clients, lane.client)
	}
	return clients
}

// overdue returns whether an answer of the node takes too long.
func (n *Node) overdue() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.turns.clock()
	for _, p := range n.sent {
		if now-p.sentAt > answerPatience {
			return true
		}
	}
	return false
}

// Info describes a node for people and pages.
type Info struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	By        string    `json:"by"`
	Snap      uint64    `json:"snap,omitempty"` // not by hash
	NetworkID uint64    `json:"networkId"`
	Genesis   string    `json:"genesisHash"`
	Latest    *uint64   `json:"latestBlock"` // null if the node has not told it, which only happens by hash
	Hash      string    `json:"latestBlockHash"`
	Clients   int       `json:"clients"`
	Since     time.Time `json:"since"`
}

// Info returns a description of the node.
func (n *Node) Info() Info {
	n.mu.Lock()
	defer n.mu.Unlock()
	info := Info{
		ID: n.key, Name: n.name, By: n.by.String(), NetworkID: n.status.NetworkID, Genesis: n.status.Genesis.Hex(),
		Hash: n.status.LatestHash.Hex(), Clients: len(n.lanes), Since: n.since.UTC(),
	}
	if n.by == wire.BySnap {
		info.Snap = n.snap
	}
	if n.status.KnowsLatest() {
		latest := n.status.Latest
		info.Latest = &latest
	}
	return info
}
