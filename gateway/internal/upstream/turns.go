package upstream

import (
	"time"
)

const (
	// requestCost is the least that a request counts of the node's time. Even an empty answer costs
	// both sides a message. Chosen without a measurement.
	requestCost = 200 * time.Microsecond
	// workAhead is how much work a node has at a time, as far as it can be estimated. A new request
	// waits behind it, whose turn it ever is. A node that is this far away is still kept busy. Chosen
	// without a measurement.
	workAhead = 200 * time.Millisecond
	// leastAhead is how many requests a node has at a time however much work they are, so that
	// messages travel while it works, and the time of a request is told from that of its way.
	leastAhead = 2
	// usualSteps is over how many requests the usual time of a request is averaged.
	usualSteps = 8
)

// turns shares a node's time among its lanes. The lane that has had the least is next. The node's
// lock guards all fields.
//
// A node answers the requests of a protocol one after the other, so a request takes the time from the
// answer before it, or from its own sending if that is later, to its own answer. A lane is charged an
// estimate when its request is sent, and the truth when the answer is there.
type turns struct {
	clock    func() time.Duration // never goes back
	served   time.Duration        // what the lane that was served last had had before
	present  time.Duration        // what each lane had if all that wait had always had equal parts
	answered [2]time.Duration     // when each protocol was answered last
	usual    time.Duration        // what a request takes, for lanes of which nothing is known
	ahead    time.Duration        // the estimates of all requests that the node has
}

func newTurns(clock func() time.Duration) turns {
	return turns{clock: clock, usual: requestCost}
}

// share is what a lane has had of the node's time.
type share struct {
	used     time.Duration
	recent   [2]time.Duration // what its last two requests took; 0 before they are known
	inFlight int
}

// join is the share of a new lane. It begins at the present and not with the lane that has had the
// least: else clients that leave and come again would always be next.
func (t *turns) join() share { return share{used: max(t.served, t.present)} }

// wakes is called when a lane without waiting requests gets one. A client that did not ask does not
// get its unused time later.
func (t *turns) wakes(s *share) { s.used = max(s.used, t.served) }

// known returns whether the lane may have another request at the node. A lane of which nothing is
// known has one at a time.
func (s *share) known() bool { return s.inFlight == 0 || s.recent[0] > 0 }

// estimate is what the lane's next request probably takes. It is the less of the last two, because
// the first request after a pause is measured with its way to the node.
func (t *turns) estimate(s *share) time.Duration {
	if s.recent[0] == 0 {
		return t.usual
	}
	return min(s.recent[0], s.recent[1])
}

// hasRoom returns whether the node should get the lane's next request now, beside this many others.
func (t *turns) hasRoom(s *share, others int) bool {
	return others < leastAhead || others < inFlight && t.ahead+t.estimate(s) <= workAhead
}

// begin charges a lane for a request that is sent now.
func (t *turns) begin(s *share, p *pending) {
	t.served = max(t.served, s.used)
	p.sentAt, p.charged = t.clock(), t.estimate(s)
	t.ahead += p.charged
	s.used += p.charged
	s.inFlight++
}

// end charges a lane what its request has taken, now that the answer is there. So many lanes wait or
// are being answered.
func (t *turns) end(s *share, p *pending, lanes int) {
	now := t.clock()
	took := max(now-max(p.sentAt, t.answered[p.Protocol]), requestCost)
	t.answered[p.Protocol] = now
	t.ahead -= p.charged
	t.usual += (took - t.usual) / usualSteps
	t.present = max(t.present, t.served) + took/time.Duration(max(1, lanes))
	s.used += took - p.charged
	s.inFlight--
	if s.recent[1] = s.recent[0]; s.recent[1] == 0 {
		s.recent[1] = took
	}
	s.recent[0] = took
}
