package upstream

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"snaplight/gateway/internal/wire"
)

// silent is a client that ignores what it gets.
type silent struct{}

func (silent) Deliver([]byte, int)          {}
func (silent) BlockRange(wire.BlockRange)   {}
func (silent) NodeLost(wire.Reason, string) {}

// modest is another client, so that tests tell them apart.
type modest struct{ silent }

// fakeNode is a node that answers one request after the other, by a clock that only its work moves.
type fakeNode struct {
	*Node
	now       time.Duration
	tasks     map[uint64]time.Duration // what the requests that it has take
	addresses int                      // how many clients have one of their own
}

func testNode(clientBytes int) *fakeNode {
	f := &fakeNode{tasks: map[uint64]time.Duration{}}
	f.Node = &Node{
		lanes: map[*Lane]struct{}{}, sent: map[uint64]*pending{}, limits: Limits{ClientBytes: clientBytes},
		turns: newTurns(func() time.Duration { return f.now }),
	}
	f.wake = sync.NewCond(&f.mu)
	return f
}

// fill sends the node what it may have.
func (f *fakeNode) fill() {
	for lane := f.next(); lane != nil; lane = f.next() {
		takes := time.Duration(lane.queue[0].Code) * time.Millisecond
		_, id := f.take(lane)
		f.tasks[id] = takes
	}
}

// answer answers the request that the node has had longest. The answer is read at once.
func (f *fakeNode) answer() *pending {
	id := slices.Min(slices.Collect(maps.Keys(f.tasks)))
	p := f.sent[id]
	f.now += f.tasks[id]
	delete(f.tasks, id)
	f.settle(id, 0)
	return p
}

// join adds a client of an address of its own.
func (f *fakeNode) join(client Client) *Lane {
	f.addresses++
	return f.Join(client, address(f.addresses))
}

func address(number int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(number >> 16), byte(number >> 8), byte(number)}), 32)
}

func submit(l *Lane, requests, expected int) {
	for range requests {
		l.Submit(wire.Request{Protocol: wire.Snap, Expected: expected})
	}
}

// costing is a request that takes so many milliseconds. Its code is their number, which only the fake
// node looks at.
func costing(milliseconds uint64) wire.Request {
	return wire.Request{Protocol: wire.Snap, Code: milliseconds}
}

const (
	costly = 100 // milliseconds of a request that brings nothing
	honest = 10  // of a request that brings much
)

// besideCostly lets an honest client ask beside costly ones for a minute, and returns what it had of
// the node's time and how long its worst answer took.
func besideCostly(costlyLanes func(f *fakeNode) []*Lane) (has, worst, lasts time.Duration) {
	const window = 8 // requests that the honest client has open
	lasts = time.Minute
	f := testNode(1 << 40)
	asked := map[*pending]time.Duration{}
	good := f.join(modest{})
	ask := func(l *Lane) {
		l.Submit(costing(map[bool]uint64{true: honest, false: costly}[l == good]))
		asked[l.queue[len(l.queue)-1]] = f.now
	}
	for _, lane := range costlyLanes(f) {
		for range 4 {
			ask(lane)
		}
	}
	for range window {
		ask(good)
	}
	for f.now < lasts {
		f.fill()
		p := f.answer()
		if p.lane == good {
			has += honest * time.Millisecond
			worst = max(worst, f.now-asked[p])
		}
		delete(asked, p)
		ask(p.lane)
	}
	return has, worst, lasts
}

// Eight clients asked for the storage of 3,800 unknown accounts, which takes the node long and
// brings no bytes. Beside them an honest client had 0.1 MB/s of its 37, and waited 28 s for an
// answer, because turns were fair in bytes.
func TestTurnsAreFairInTheNodesTime(t *testing.T) {
	const clients = 8
	has, worst, lasts := besideCostly(func(f *fakeNode) (lanes []*Lane) {
		for range clients {
			lanes = append(lanes, f.join(silent{}))
		}
		return lanes
	})
	if fair := lasts / (clients + 1); has < fair*8/10 {
		t.Errorf("the honest client had %v of %v, where %v are fair", has, lasts, fair)
	}
	// Its window waits behind one request of each other client, and behind what the node has already.
	if most := 2*clients*costly*time.Millisecond + workAhead; worst > most {
		t.Errorf("it waited %v for an answer, and %v at most are fair", worst, most)
	}
}

// A visitor has no more of a node's time if it has more connections. They share its part evenly.
func TestAllConnectionsOfAVisitorHaveOnePart(t *testing.T) {
	has, _, lasts := besideCostly(func(f *fakeNode) (lanes []*Lane) {
		for range 32 {
			lanes = append(lanes, f.Join(silent{}, address(1<<20)))
		}
		return lanes
	})
	if fair := lasts / 2; has < fair*6/10 {
		t.Errorf("the honest client had %v of %v, where %v are fair", has, lasts, fair)
	}
	f := testNode(1 << 40)
	lanes := []*Lane{f.Join(silent{}, address(1)), f.Join(silent{}, address(1)), f.Join(silent{}, address(1))}
	for i, lane := range lanes {
		for range 500 {
			lane.Submit(costing([]uint64{costly, honest, honest}[i]))
		}
	}
	served := map[*Lane]time.Duration{}
	for f.now < 10*time.Second {
		f.fill()
		before := f.now
		served[f.answer().lane] += f.now - before
	}
	for _, lane := range lanes {
		if served[lane] < 2500*time.Millisecond {
			t.Errorf("the lanes of a visitor had %v, %v and %v", served[lanes[0]], served[lanes[1]], served[lanes[2]])
			break
		}
	}
	for _, lane := range lanes {
		lane.Close()
		lane.Close()
	}
	if len(f.turns.visitors) > 0 {
		t.Error("a visitor that left is remembered")
	}
}

// Clients that leave after an answer and come again leave their debts behind. They get no more than if
// they stayed.
func TestComingAgainSavesNoTime(t *testing.T) {
	f := testNode(1 << 40)
	const clients, lasts = 8, 60 * time.Second
	good := f.join(modest{})
	submit := func(l *Lane, milliseconds uint64) { l.Submit(costing(milliseconds)) }
	for range 20 {
		submit(good, honest)
	}
	for range clients {
		submit(f.join(silent{}), costly)
	}
	var has time.Duration
	for f.now < lasts {
		f.fill()
		if p := f.answer(); p.lane == good {
			has += honest * time.Millisecond
			submit(good, honest)
		} else {
			p.lane.Close()
			submit(f.join(silent{}), costly)
		}
	}
	if fair := lasts / (clients + 1); has < fair*8/10 {
		t.Errorf("the honest client had %v of %v, where %v are fair", has, lasts, fair)
	}
}

// Only so much work is at the node that a client whose turn it is does not wait long behind it. How
// long the requests of a new client take is not known, so it has one at a time.
func TestTheNodeHasLittleWorkAhead(t *testing.T) {
	f := testNode(1 << 40)
	lane := f.join(silent{})
	for range 40 {
		lane.Submit(costing(costly))
	}
	for _, most := range []int{1, leastAhead, leastAhead} {
		if f.fill(); len(f.sent) != most {
			t.Errorf("the node has %d requests of %d ms, not %d", len(f.sent), costly, most)
		}
		f.answer()
	}
	lane.Close()
	quick := f.join(modest{})
	for range 40 {
		quick.Submit(costing(1))
	}
	for range 2 + leastAhead { // the last ones of the other, and the first one of its own
		f.fill()
		f.answer()
	}
	if f.fill(); len(f.sent) != inFlight {
		t.Errorf("the node has %d requests of 1 ms", len(f.sent))
	}
}

// A client that was idle does not get all turns afterwards, and a client that comes late does not
// wait.
func TestIdlenessSavesNothingUp(t *testing.T) {
	f := testNode(1 << 40)
	busy, idle := f.join(silent{}), f.join(silent{})
	ask := func(l *Lane, requests int) {
		for range requests {
			l.Submit(costing(honest))
		}
	}
	ask(busy, 300)
	ask(idle, 1)
	for range 100 {
		f.fill()
		f.answer()
	}
	ask(idle, 100)
	late := f.join(silent{})
	ask(late, 100)
	served := map[*Lane]int{}
	for range 60 {
		f.fill()
		served[f.answer().lane]++
	}
	for _, lane := range []*Lane{idle, late} {
		// What was at the node before they came is answered before.
		if served[lane] < 13 || served[lane] > 25 {
			t.Errorf("%d, %d and %d of 60 turns", served[busy], served[idle], served[late])
			break
		}
	}
}

// known makes lanes of which something is known, so that they may have several requests at the node.
func known(lanes ...*Lane) {
	for _, lane := range lanes {
		lane.share.recent = [2]time.Duration{requestCost, requestCost}
	}
}

// What a client has not read yet counts only against this client. One answer can always be sent.
func TestASlowClientStopsOnlyItself(t *testing.T) {
	n := testNode(1000)
	slow, other := n.join(silent{}), n.join(silent{})
	submit(slow, 10, 400)
	submit(other, 10, 5000)
	known(slow, other)
	for range 2 {
		n.take(slow) // 800 of 1000
	}
	if slow.ready(1000) {
		t.Error("a third one may go")
	}
	if !other.ready(1000) {
		t.Error("a large one may never go")
	}
	n.take(other)
	if other.ready(1000) || n.next() != nil {
		t.Error("a second large one may go")
	}
	slow.Release(400)
	if n.next() != slow {
		t.Error("room is not used")
	}
	slow.Close()
	if n.next() != nil || len(n.lanes) != 1 {
		t.Error("a client that left is still served")
	}
}

// Answers of node data may be ten times as large as expected. A client still has several requests in
// flight, but what all clients together may hold beyond their budgets is bounded.
func TestUnexpectedlyLargeNodeDataIsBoundedForAllClientsTogether(t *testing.T) {
	const budget, expected, spare = 4 << 20, 200 << 10, 2 << 20
	n := testNode(budget)
	request := wire.Request{Protocol: wire.Eth, Code: wire.GetNodeDataCode, Expected: expected, Spare: spare}
	var lanes []*Lane
	for range 100 {
		lane := n.join(silent{})
		for range 20 {
			lane.Submit(request)
		}
		lanes = append(lanes, lane)
	}
	known(lanes...)
	taken := 0
	for ; lanes[0].ready(budget); taken++ {
		n.take(lanes[0])
	}
	if taken < 10 {
		t.Errorf("%d requests of a client are in flight", taken)
	}
	// All come as large as they can be, and nobody reads.
	arrive := func(lane *Lane, answers int) {
		for range answers {
			lane.reserve(spare)
			n.spare -= spare
		}
	}
	arrive(lanes[0], taken)
	for _, lane := range lanes[1:] {
		for taken = 0; lane.ready(budget); taken++ {
			n.take(lane)
		}
		if taken < 1 {
			t.Fatal("a client has nothing in flight")
		}
		arrive(lane, taken)
	}
	above := 0
	for _, lane := range lanes {
		above += lane.above()
	}
	if above == 0 || above > spareBytes || n.spare != above {
		t.Errorf("clients hold %d bytes above their budgets, and %d are noted", above, n.spare)
	}
	for _, lane := range lanes {
		lane.Close()
		lane.Release(1 << 20)
	}
	if n.spare != 0 {
		t.Errorf("%d bytes are noted when all have gone", n.spare)
	}
}
