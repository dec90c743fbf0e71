package upstream

import (
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

// requestCost is what every request takes of a client's turn, in bytes. Even an empty answer costs
// the node look-ups and both sides a message. Chosen without a measurement.
const requestCost = 16 << 10

// Lane is a client's way to its node: a queue of requests that wait for their turn and for room in
// the client's budget. The node's lock guards all fields.
type Lane struct {
	node     *Node
	client   Client
	queue    []*pending // bounded by the client's limit of open requests
	reserved int        // bytes of answers that are expected, or delivered and not yet sent
	used     int        // bytes that it has had of the node, for fair turns
	closed   bool
}

// pending is a request that waits or that the node is answering.
type pending struct {
	wire.Request
	lane   *Lane
	sentAt int64 // nanoseconds, by the node's clock
}

// Submit queues a request behind the client's earlier ones. It does nothing after the node is lost.
func (l *Lane) Submit(request wire.Request) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed || n.lost {
		return
	}
	if len(l.queue) == 0 && l.used < n.turn {
		l.used = n.turn // A client that did not ask does not get its unused turns later.
	}
	l.queue = append(l.queue, &pending{Request: request, lane: l})
	n.wake.Signal()
}

// Release says that delivered bytes have been sent, so that more can be asked for.
func (l *Lane) Release(bytes int) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	l.reserved -= bytes
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
	l.closed, l.queue = true, nil
	delete(n.lanes, l)
}

// ready returns whether the lane's first request may be sent: its answer fits into the client's
// budget, or it is the only one in flight.
func (l *Lane) ready(budget int) bool {
	return len(l.queue) > 0 && (l.reserved == 0 || l.reserved+l.queue[0].Expected <= budget)
}

// next returns the lane whose turn it is, or nil: of the ready lanes, the one that has had least.
// The search is linear, because a node has at most some hundreds of clients.
func (n *Node) next() *Lane {
	var best *Lane
	for lane := range n.lanes {
		if lane.ready(n.limits.ClientBytes) && (best == nil || lane.used < best.used) {
			best = lane
		}
	}
	return best
}

// take removes the lane's first request and charges the lane for it.
func (l *Lane) take() *pending {
	p := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.reserved += p.Expected
	l.node.turn = l.used
	l.used += p.Expected + requestCost
	return p
}
