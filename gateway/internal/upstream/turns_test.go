package upstream

import (
	"sync"
	"testing"

	"snaplight/gateway/internal/wire"
)

// silent is a client that ignores what it gets.
type silent struct{}

func (silent) Deliver([]byte, int)          {}
func (silent) BlockRange(wire.BlockRange)   {}
func (silent) NodeLost(wire.Reason, string) {}

func testNode(clientBytes int) *Node {
	n := &Node{lanes: map[*Lane]struct{}{}, sent: map[uint64]*pending{}, limits: Limits{ClientBytes: clientBytes}}
	n.wake = sync.NewCond(&n.mu)
	return n
}

func submit(l *Lane, requests, expected int) {
	for range requests {
		l.Submit(wire.Request{Protocol: wire.Snap, Expected: expected})
	}
}

// A client that queues many requests, and one that asks for much at a time, get as many bytes as
// other clients, and not as many turns.
func TestTurnsAreFairInBytes(t *testing.T) {
	n := testNode(1 << 40)
	greedy, modest := n.Join(silent{}), n.Join(silent{})
	submit(greedy, 100, 2<<20)
	submit(modest, 100, 200<<10)
	served := map[*Lane]int{}
	for served[modest] < 50 {
		lane := n.next()
		lane.take()
		served[lane]++
	}
	if served[greedy] < 4 || served[greedy] > 7 {
		t.Errorf("%d answers of 2 MiB beside 50 of 200 KiB", served[greedy])
	}
}

// A client that was idle does not get all turns afterwards, and a client that comes late does not
// wait.
func TestIdlenessSavesNothingUp(t *testing.T) {
	n := testNode(1 << 40)
	busy, idle := n.Join(silent{}), n.Join(silent{})
	submit(busy, 200, 1000)
	for range 100 {
		n.next().take()
	}
	submit(idle, 100, 1000)
	late := n.Join(silent{})
	submit(late, 100, 1000)
	served := map[*Lane]int{}
	for range 30 {
		lane := n.next()
		lane.take()
		served[lane]++
	}
	for _, lane := range []*Lane{busy, idle, late} {
		if served[lane] < 9 || served[lane] > 11 {
			t.Errorf("%d, %d and %d of 30 turns", served[busy], served[idle], served[late])
			break
		}
	}
}

// What a client has not read yet counts only against this client. One answer can always be sent.
func TestASlowClientStopsOnlyItself(t *testing.T) {
	n := testNode(1000)
	slow, other := n.Join(silent{}), n.Join(silent{})
	submit(slow, 10, 400)
	submit(other, 10, 5000)
	for range 2 {
		slow.take() // 800 of 1000
	}
	if slow.ready(1000) {
		t.Error("a third one may go")
	}
	if !other.ready(1000) {
		t.Error("a large one may never go")
	}
	other.take()
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
		lane := n.Join(silent{})
		for range 20 {
			lane.Submit(request)
		}
		lanes = append(lanes, lane)
	}
	taken := 0
	for ; lanes[0].ready(budget); taken++ {
		lanes[0].take()
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
			lane.take()
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
