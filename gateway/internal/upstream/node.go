package upstream

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"

	"snaplight/gateway/internal/metrics"
	"snaplight/gateway/internal/wire"
)

// Limits of what clients get of a node.
type Limits struct {
	// ClientBytes bounds the answers of one client that are expected, or delivered and not yet sent to it.
	ClientBytes int
}

const (
	// inFlight is how many requests a node has at a time. It answers one after the other, so a few keep
	// it busy while messages travel; more would wait there, where turns are not fair.
	inFlight = 16
	// answerPatience is how long a node may owe an answer. Clients give up a connection that brings nothing for as long.
	answerPatience = 30 * time.Second
	// firstID starts the request ids: of nine bytes in RLP, all of them, so that messages keep their length.
	firstID = 1 << 56
)

// Node is one connected node that serves snap.
type Node struct {
	key     string // the public key in hex, as in its enode
	name    string
	address string
	snap    uint64
	since   time.Time
	peer    *p2p.Peer
	limits  Limits
	metrics *metrics.Metrics
	ethRW   p2p.MsgReadWriter
	snapRW  p2p.MsgReadWriter

	announcing sync.Mutex // taken before mu: one announcement at a time
	followed   bool       // its head comes by JSON-RPC

	mu     sync.Mutex
	wake   *sync.Cond // something may be sent, or the node is lost
	status wire.Status
	lanes  map[*Lane]struct{} // bounded by the gateway's clients
	sent   map[uint64]*pending
	nextID uint64
	turn   int // what the lane had that came last
	lost   bool
}

func newNode(peer *p2p.Peer, snap uint64, status wire.Status, limits Limits, m *metrics.Metrics) *Node {
	n := &Node{
		key:     hex.EncodeToString(crypto.FromECDSAPub(peer.Node().Pubkey())[1:]),
		name:    peer.Fullname(),
		address: peer.RemoteAddr().String(),
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
	n.wake = sync.NewCond(&n.mu)
	return n
}

// Name is what the node calls itself; not to be trusted.
func (n *Node) Name() string { return n.name }

// Key is the node's public key in hex, without the 04 in front: what stands in its enode URL.
func (n *Node) Key() string { return n.key }

// Snap is the version of snap that was agreed on.
func (n *Node) Snap() uint64 { return n.snap }

// Status is the node's, with its newest block range, as an eth/69 Status.
func (n *Node) Status() wire.Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

// Join gives a client its lane; nil if the node was lost meanwhile.
func (n *Node) Join(client Client) *Lane {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lost {
		return nil
	}
	lane := &Lane{node: n, client: client, used: n.turn}
	n.lanes[lane] = struct{}{}
	return lane
}

// send writes requests to the node, in fair turns, until it is lost.
func (n *Node) send() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for !n.lost {
		var lane *Lane
		if len(n.sent) < inFlight {
			lane = n.next()
		}
		if lane == nil {
			n.wake.Wait()
			continue
		}
		p := lane.take()
		id := n.nextID
		n.nextID++
		p.sentAt = time.Now().UnixNano()
		n.sent[id] = p
		n.mu.Unlock()
		err := n.write(p.Request, id)
		n.metrics.Requests.WithLabelValues(p.Kind()).Inc()
		n.mu.Lock()
		if err != nil {
			return // Its reader learns the same, and ends everything.
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

// answer hands a node's answer to whom it belongs.
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
	offsets := wire.SharedOffsets()
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
	if len(buf) > p.Limit()+wire.AnswerRoom {
		n.mu.Unlock()
		return fmt.Errorf("an answer of %d bytes where %d were expected", msg.Size, p.Expected)
	}
	delete(n.sent, answer.ID)
	lane, closed := p.lane, p.lane.closed
	frame := answer.Frame(first+msg.Code, p.ID)
	// What came counts, not what was expected.
	lane.reserved += len(frame) - p.Expected
	lane.used += len(frame) - p.Expected
	n.wake.Signal()
	n.mu.Unlock()

	n.metrics.AnswerSeconds.WithLabelValues(p.Kind()).Observe(float64(time.Now().UnixNano()-p.sentAt) / 1e9)
	if closed {
		n.metrics.Discarded.Inc()
		return nil
	}
	n.metrics.AnswerBytes.WithLabelValues(p.Kind()).Add(float64(len(frame)))
	lane.client.Deliver(frame, len(p.Body))
	return nil
}

// newRange notes a BlockRangeUpdate and passes it on. What the node's JSON-RPC says of its head is newer.
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

// announce tells all clients, if the range is another one. The caller holds announcing, so that the newest is told last.
func (n *Node) announce(blocks wire.BlockRange) {
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

// lose tells everybody that the node is gone.
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

// overdue says whether the node owes an answer for too long.
func (n *Node) overdue(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.sent {
		if now.UnixNano()-p.sentAt > int64(answerPatience) {
			return true
		}
	}
	return false
}

// Info describes a node for people and pages.
type Info struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Snap      uint64    `json:"snap"`
	NetworkID uint64    `json:"networkId"`
	Genesis   string    `json:"genesisHash"`
	Latest    uint64    `json:"latestBlock"`
	Hash      string    `json:"latestBlockHash"`
	Clients   int       `json:"clients"`
	Since     time.Time `json:"since"`
}

// Info says what is known of the node.
func (n *Node) Info() Info {
	n.mu.Lock()
	defer n.mu.Unlock()
	return Info{
		ID: n.key, Name: n.name, Snap: n.snap, NetworkID: n.status.NetworkID, Genesis: n.status.Genesis.Hex(),
		Latest: n.status.Latest, Hash: n.status.LatestHash.Hex(), Clients: len(n.lanes), Since: n.since.UTC(),
	}
}
