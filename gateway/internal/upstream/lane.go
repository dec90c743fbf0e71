package upstream

import (
	"snaplight/gateway/internal/wire"
)

// Client is whom a lane belongs to. Its methods must not block: a node's one reader calls them.
type Client interface {
	// Deliver hands over a whole frame, the answer to a request whose body was asked bytes long. The lane's Release(len(frame)) is
	// due when it is gone.
	Deliver(frame []byte, asked int)
	// BlockRange tells that the node's blocks are others now; only the last call matters.
	BlockRange(wire.BlockRange)
	// NodeLost tells that the node is gone for good, and why.
	NodeLost(reason wire.Reason, text string)
}

// requestCost is what any request takes of a client's turn, in bytes: even an answer of nothing costs the
// node look-ups and both sides a message.
const requestCost = 16 << 10

// Lane is one client's way to its node: a queue of requests, which wait for their turn and for room in the
// client's budget. All fields belong to the node's lock.
type Lane struct {
	node     *Node
	client   Client
	queue    []*pending // bounded by the client, which has so many requests open at most
	reserved int        // bytes of answers that are expected, or delivered and not yet gone
	used     int        // bytes of the node's time that it has had, for fair turns
	closed   bool
}

// pending is a request that waits, or that the node has.
type pending struct {
	wire.Request
	lane   *Lane
	sentAt int64 // nanoseconds, by the node's clock
}

// Submit queues a request. Order is kept. After the node is lost it does nothing.
func (l *Lane) Submit(request wire.Request) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed || n.lost {
		return
	}
	if len(l.queue) == 0 && l.used < n.turn {
		l.used = n.turn // Who did not ask has no claim to what it did not use.
	}
	l.queue = append(l.queue, &pending{Request: request, lane: l})
	n.wake.Signal()
}

// Release tells that bytes delivered are gone, so that more can be asked for.
func (l *Lane) Release(bytes int) {
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	l.reserved -= bytes
	n.wake.Signal()
}

// Close ends the lane: what is queued is forgotten, what the node has already is thrown away when its answer comes.
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

// ready says whether the lane's first request may go: there is one, and its answer fits into what the client may have in
// flight, or is the only one.
func (l *Lane) ready(budget int) bool {
	return len(l.queue) > 0 && (l.reserved == 0 || l.reserved+l.queue[0].Expected <= budget)
}

// next picks the lane whose turn it is: of those that are ready, the one that has had least. Nil if none is. A linear
// search: a node has some hundreds of clients at most.
func (n *Node) next() *Lane {
	var best *Lane
	for lane := range n.lanes {
		if lane.ready(n.limits.ClientBytes) && (best == nil || lane.used < best.used) {
			best = lane
		}
	}
	return best
}

// take removes the lane's first request and charges for it.
func (l *Lane) take() *pending {
	p := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.reserved += p.Expected
	l.node.turn = l.used
	l.used += p.Expected + requestCost
	return p
}
