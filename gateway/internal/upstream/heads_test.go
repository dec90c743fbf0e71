package upstream

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"snaplight/gateway/internal/metrics"
	"snaplight/gateway/internal/wire"
)

// told is a client that remembers what it was told.
type told struct {
	silent
	ranges []wire.BlockRange
}

func (c *told) BlockRange(blocks wire.BlockRange) { c.ranges = append(c.ranges, blocks) }

func TestWhatJSONRPCSaysOfTheHeadIsNewerThanAnnouncements(t *testing.T) {
	n := testNode(1)
	n.status.Genesis = common.Hash{1}
	var client told
	n.Join(&client, netip.Prefix{})
	say := func(number uint64) {
		if err := n.setHead(head{Number: hexutil.Uint64(number), Hash: common.Hash{byte(number)}, genesis: common.Hash{1}}); err != nil {
			t.Error(err)
		}
	}
	block := func(earliest, number uint64) wire.BlockRange {
		return wire.BlockRange{Earliest: earliest, Latest: number, LatestHash: common.Hash{byte(number)}}
	}
	n.newRange(block(0, 3))
	say(5)
	n.newRange(block(1, 4)) // late, but its earliest block is new
	say(5)                  // nothing new
	say(4)                  // a reorganisation
	if err := n.setHead(head{Number: 9, genesis: common.Hash{2}}); err == nil {
		t.Error("another chain's head was taken")
	}
	n.announcing.Lock()
	n.followed = false
	n.announcing.Unlock()
	n.newRange(block(1, 32))
	expected := []wire.BlockRange{block(0, 3), block(0, 5), block(1, 5), block(1, 4), block(1, 32)}
	if !slices.Equal(client.ranges, expected) || n.Status().BlockRange != block(1, 32) {
		t.Errorf("told %v", client.ranges)
	}
}

// A node that is attached over HTTP cannot announce its blocks. This is logged once, and not tried
// again.
func TestHeadsAreNotFollowedOverHTTP(t *testing.T) {
	pool := NewPool(1, Network{}, Limits{}, metrics.New(), slog.New(slog.DiscardHandler))
	pool.FollowHeads(t.Context(), enode.ID{}, "http://127.0.0.1:1")
}
