package upstream

import (
	"net/netip"
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

// turns shares a node's time among visitors, and a visitor's part among its lanes. Of the visitors
// that wait, the one that has had the least is next, and so of its lanes. The node's lock guards all
// fields.
//
// A node answers the requests of a protocol one after the other, so a request takes the time from the
// answer before it, or from its own sending if that is later, to its own answer. A lane is charged an
// estimate when its request is sent, and the truth when the answer is there.
type turns struct {
	clock    func() time.Duration      // never goes back
	visitors map[netip.Prefix]*visitor // that have lanes; bounded by the lanes
	line     line                      // of the visitors
	answered [2]time.Duration          // when each protocol was answered last
	usual    time.Duration             // what a request takes, for lanes of which nothing is known
	ahead    time.Duration             // the estimates of all requests that the node has
}

// line is where those stand that share something evenly.
type line struct {
	served  time.Duration // what the one that was served last had had before
	present time.Duration // what each had if all that wait had always had equal parts
}

// joins is what a newcomer counts as having had. It begins at the present and not with the one that
// has had the least: else those that leave and come again would always be next.
func (l *line) joins() time.Duration { return max(l.served, l.present) }

// passes notes that one was served, of so many that wait or are served.
func (l *line) passes(took time.Duration, among int) {
	l.present = l.joins() + took/time.Duration(max(1, among))
}

// visitor is all lanes of one address.
type visitor struct {
	network netip.Prefix
	used    time.Duration
	lanes   int
	waiting int    // how many of its lanes have requests that wait
	line    line   // of its lanes
	counted uint64 // by which request it was counted last; see Node.active
}

// share is what a lane has had of the node's time.
type share struct {
	visitor  *visitor
	used     time.Duration
	recent   [2]time.Duration // what its last two requests took; 0 before they are known
	inFlight int
}

func newTurns(clock func() time.Duration) turns {
	return turns{clock: clock, visitors: make(map[netip.Prefix]*visitor), usual: requestCost}
}

// join is the share of a new lane.
func (t *turns) join(network netip.Prefix) share {
	v := t.visitors[network]
	if v == nil {
		v = &visitor{network: network, used: t.line.joins()}
		t.visitors[network] = v
	}
	v.lanes++
	return share{visitor: v, used: v.line.joins()}
}

// leave is called when a lane is closed.
func (t *turns) leave(s *share, waits bool) {
	if waits {
		s.visitor.waiting--
	}
	if s.visitor.lanes--; s.visitor.lanes == 0 {
		delete(t.visitors, s.visitor.network)
	}
}

// waits is called when a lane without waiting requests gets one. Who did not ask does not get the
// unused time later.
func (t *turns) waits(s *share) {
	v := s.visitor
	if v.waiting == 0 {
		v.used = max(v.used, t.line.served)
	}
	v.waiting++
	s.used = max(s.used, v.line.served)
}

// before returns whether a lane's turn is before that of another.
func (s *share) before(other *share) bool {
	if s.visitor != other.visitor && s.visitor.used != other.visitor.used {
		return s.visitor.used < other.visitor.used
	}
	return s.used < other.used
}

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

// begin charges a lane for a request that is sent now, and notes whether others of it wait.
func (t *turns) begin(s *share, p *pending, waits bool) {
	v := s.visitor
	t.line.served = max(t.line.served, v.used)
	v.line.served = max(v.line.served, s.used)
	if !waits {
		v.waiting--
	}
	p.sentAt, p.charged = t.clock(), t.estimate(s)
	t.ahead += p.charged
	v.used += p.charged
	s.used += p.charged
	s.inFlight++
}

// end charges a lane what its request has taken, now that the answer is there. So many visitors, and
// so many lanes of this one, wait or are being answered.
func (t *turns) end(s *share, p *pending, visitors, lanes int) {
	now := t.clock()
	took := max(now-max(p.sentAt, t.answered[p.Protocol]), requestCost)
	t.answered[p.Protocol] = now
	t.ahead -= p.charged
	t.usual += (took - t.usual) / usualSteps
	t.line.passes(took, visitors)
	s.visitor.line.passes(took, lanes)
	s.visitor.used += took - p.charged
	s.used += took - p.charged
	s.inFlight--
	if s.recent[1] = s.recent[0]; s.recent[1] == 0 {
		s.recent[1] = took
	}
	s.recent[0] = took
}
