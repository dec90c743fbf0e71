package upstream

import (
	"time"

	"snaplight/gateway/internal/wire"
)

// Client is the client of a lane. Its methods must not block: the node's only reader calls them.
type Client interface {
	// Deliver hands over a whole frame: the answer to a request whose body was asked bytes long.
	// The client must call the lane's Release(len(frame)) when the frame has been sent.
	Deliver(frame []byte, asked int)
	// BlockRange says that the node has other blocks now. Only the last call counts.
	BlockRange(wire.BlockRange)
	// NodeLost says that the node is gone for good, and why.
	NodeLost(reason wire.Reason, text string)
}

// spareBytes bounds, for each node, what answers of node data may have beyond the bytes that are
// expected of them: those in flight, and what clients hold above their budgets because of such
// answers. A request for node data names no size. Its answer is 100 kB of trie nodes as a rule, but
// may be 2 MiB of bytecodes. If 2 MiB counted against the client's budget, a client would have one
// request in flight. Room for about 16 such answers, as many as a node has requests at a time.
const spareBytes = 32 << 20

// Lane is a client's way to its node: a queue of requests that wait for their turn and for room in
// the client's budget. The node's lock guards all fields.
type Lane struct {
	node     *Node
	client   Client
	queue    []*pending // bounded by the client's limit of open requests
	reserved int        // bytes of answers that are expected, or delivered and not yet sent
	share    share      // of the node's time
	closed   bool
}

// pending is a request that waits or that the node is answering.
type pending struct {
	wire.Request
	lane    *Lane
	sentAt  time.Duration // by the node's clock
	charged time.Duration // what its lane was charged when it was sent
}

// Submit queues a request behind the client's earlier ones. It does nothing after the node is lost.
func (l *Lane) Submit(request wire.Request) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed || n.lost {
		return
	}
	if len(l.queue) == 0 {
		n.turns.waits(&l.share)
	}
	l.queue = append(l.queue, &pending{Request: request, lane: l})
	n.wake.Signal()
}

// Release says that delivered bytes have been sent, so that more can be asked for.
func (l *Lane) Release(bytes int) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	l.reserve(-bytes)
	n.wake.Signal()
}

// Close ends the lane. Queued requests are forgotten, and answers of sent requests are dropped when
// they arrive.
func (l *Lane) Close() {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed {
		return
	}
	n.spare -= l.above()
	n.turns.leave(&l.share, len(l.queue) > 0)
	l.closed, l.queue = true, nil
	delete(n.lanes, l)
}

// reserve changes what counts against the client's budget.
func (l *Lane) reserve(bytes int) {
	l.node.spare -= l.above()
	l.reserved += bytes
	l.node.spare += l.above()
}

// above is how many bytes the client holds above its budget, because an answer was larger than
// expected. What a client held that has gone is freed.
func (l *Lane) above() int {
	if l.closed {
		return 0
	}
	return max(0, l.reserved-l.node.limits.ClientBytes)
}

// ready returns whether the lane's first request may be sent when its turn has come: its answer fits
// into the client's budget and what it may have more into the node's, or it is the client's only one
// in flight.
func (l *Lane) ready(budget int) bool {
	switch {
	case len(l.queue) == 0 || !l.share.known():
		return false
	case l.reserved == 0:
		return true
	}
	first := l.queue[0]
	return l.reserved+first.Expected <= budget && (first.Spare == 0 || l.node.spare+first.Spare <= spareBytes)
}

// next returns the lane whose turn it is, of those that are ready. It returns nil if there is none, or
// if the node has work enough. The search is linear, because a node has at most some hundreds of
// clients.
func (n *Node) next() *Lane {
	var best *Lane
	for lane := range n.lanes {
		if lane.ready(n.limits.ClientBytes) && (best == nil || lane.share.before(&best.share)) {
			best = lane
		}
	}
	if best == nil || !n.turns.hasRoom(&best.share, len(n.sent)) {
		return nil
	}
	return best
}

// take removes the lane's first request, which is sent now, and charges the lane for it.
func (n *Node) take(l *Lane) (p *pending, id uint64) {
	p = l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.reserve(p.Expected)
	n.spare += p.Spare
	n.turns.begin(&l.share, p, len(l.queue) > 0)
	id = n.nextID
	n.nextID++
	n.sent[id] = p
	return p, id
}

// settle notes that a request is answered by a frame of this many bytes. From here on these count,
// and not the expected ones.
func (n *Node) settle(id uint64, bytes int) {
	p := n.sent[id]
	delete(n.sent, id)
	visitors, lanes := n.active(p.lane.share.visitor, id)
	n.turns.end(&p.lane.share, p, visitors, lanes)
	p.lane.reserve(bytes - p.Expected)
	n.spare -= p.Spare
}

// active is how many visitors, and how many lanes of one of them, wait or are being answered. The id
// is that of the request for which they are counted.
func (n *Node) active(of *visitor, id uint64) (visitors, lanes int) {
	for lane := range n.lanes {
		v := lane.share.visitor
		if len(lane.queue) == 0 && lane.share.inFlight == 0 {
			continue
		}
		if v == of {
			lanes++
		}
		if v.counted != id {
			v.counted = id
			visitors++
		}
	}
	return visitors, lanes
}
