package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"

	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/upstream"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

var byHash = wsclient.Options{By: wire.ByHash}

func withSnap(n *hashNode) { n.snaps = true }

// A client that offers eth/66 alone gets a node that speaks it, whether that node shares snap or not.
// Answers are the node's, headers come as well, and snap is not used.
func TestNodeDataComesByHash(t *testing.T) {
	for name, settings := range map[string][]func(*hashNode){"eth alone": nil, "with snap": {withSnap}} {
		node := startHashNode(t, settings...)
		gateway := startGateway(t, []string{node.enode()})
		client := must(wsclient.Dial(deadline(t), gateway.URL, byHash))(t)
		if !slices.Equal(client.Hello.Capabilities, []wire.Capability{{Name: "eth", Version: 66}}) {
			t.Errorf("%s: offered %v", name, client.Hello.Capabilities)
		}
		if !bytes.Equal(client.Status.Payload(), node.status.Payload()) {
			t.Errorf("%s: told of %+v", name, client.Status)
		}
		var hashes []common.Hash
		var items [][]byte
		for i := range wire.MaxNodeDataHashes {
			item := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 20+i%200)
			hashes, items = append(hashes, node.add(item)), append(items, item)
		}
		hashes[1], items = common.Hash{9}, slices.Delete(items, 1, 2) // which it has not got
		for _, count := range []int{0, 1, 384, wire.MaxNodeDataHashes} {
			most := max(0, count-1)
			if count == 1 {
				most = 1
			}
			got := must(client.NodeData(hashes[:count]))(t)
			if !slices.EqualFunc(got, items[:most], bytes.Equal) {
				t.Errorf("%s: %d items for %d hashes", name, len(got), count)
			}
		}
		if asked := node.requests(); len(asked) != 4 || !slices.Equal(asked[3], hashes) {
			t.Errorf("%s: %d requests arrived", name, len(asked))
		}
		header := must(client.Header(client.Status.LatestHash))(t)
		if crypto.Keccak256Hash(header) != node.header.Hash() {
			t.Errorf("%s: not that header", name)
		}
		if gateway.metric(`snaplight_gateway_requests_total{kind="node-data"}`) != 4 {
			t.Errorf("%s: requests are not counted", name)
		}
		client.Close()
	}
}

// A client gets only nodes that can do what it offers, also if it names one that cannot.
func TestAClientGetsANodeThatCanDoWhatItOffers(t *testing.T) {
	snap, hash := smallNode(t, testnode.Config{Bare: true}), startHashNode(t, withSnap)
	gateway := startGateway(t, []string{snap.Enode(), hash.enode()})
	snapKey, hashKey := snap.Enode()[len("enode://"):][:32], hash.key()
	for range 2 {
		bySnap := must(wsclient.Dial(deadline(t), gateway.URL))(t)
		defer bySnap.Close()
		other := must(wsclient.Dial(deadline(t), gateway.URL, byHash))(t)
		defer other.Close()
		if bySnap.Status.Genesis != snap.Chain().Genesis().Hash() || other.Status.Genesis != hash.status.Genesis {
			t.Error("a client got a node that cannot do what it offers")
		}
	}
	must(wsclient.Dial(deadline(t), gateway.URL+hashKey, byHash))(t).Close()
	must(wsclient.Dial(deadline(t), gateway.URL+snapKey))(t).Close()
	for name, dial := range map[string]func() (*wsclient.Client, error){
		"by hash to a node of snap": func() (*wsclient.Client, error) { return wsclient.Dial(deadline(t), gateway.URL+snapKey, byHash) },
		"by snap to a node by hash": func() (*wsclient.Client, error) { return wsclient.Dial(deadline(t), gateway.URL+hashKey) },
	} {
		var ended *wsclient.Ended
		if _, err := dial(); !errors.As(err, &ended) || ended.Reason != wire.Other || ended.Code != 4016 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, node := range nodesOf(t, gateway) {
		by := map[string]string{snapKey: "snap", hashKey: "hash"}[node.ID[:32]]
		if node.By != by || (node.Snap == 1) != (by == "snap") || (node.Latest == nil) != (by == "hash") {
			t.Errorf("listed as %+v", node)
		}
	}
	for _, by := range []string{"snap", "hash"} {
		if gateway.metric(`snaplight_gateway_nodes{by="`+by+`"}`) != 1 {
			t.Errorf("nodes by %s are not counted", by)
		}
	}
}

// What would make a node end the shared connection ends the client's, and does not reach the node.
func TestAMalformedRequestForNodeDataDoesNotReachTheNode(t *testing.T) {
	node := startHashNode(t)
	gateway := startGateway(t, []string{node.enode()})
	const eth = wire.CapabilitiesFrom
	many := make([]common.Hash, wire.MaxNodeDataHashes+1)
	for name, frame := range map[string][]byte{
		"a short hash":         wire.Frame(eth+wire.GetNodeDataCode, []any{uint64(1), [][]byte{make([]byte, 31)}}),
		"a long hash":          wire.Frame(eth+wire.GetNodeDataCode, []any{uint64(1), [][]byte{make([]byte, 33)}}),
		"a list for a hash":    wire.Frame(eth+wire.GetNodeDataCode, []any{uint64(1), [][][]byte{{}}}),
		"too many hashes":      wire.Frame(eth+wire.GetNodeDataCode, []any{uint64(1), many}),
		"a field too many":     wire.Frame(eth+wire.GetNodeDataCode, []any{uint64(1), []common.Hash{}, uint64(1)}),
		"a form of eth/65":     wire.Frame(eth+wire.GetNodeDataCode, []common.Hash{{1}}),
		"a long id":            wire.Frame(eth+wire.GetNodeDataCode, []any{make([]byte, 9), []common.Hash{}}),
		"an answer":            wire.Frame(eth+wire.NodeDataCode, []any{uint64(1), [][]byte{}}),
		"headers":              wire.Frame(eth+wire.BlockHeadersCode, []any{uint64(1), [][]byte{}}),
		"a request of snap":    wire.Frame(wire.SharedOffsets().Snap, []any{uint64(1), common.Hash{}, common.Hash{}, common.Hash{}, uint64(1)}),
		"the id behind eth/66": wire.Frame(eth+wire.Eth66Length, []uint64{1}),
		"a second Status":      wire.Frame(eth, []uint64{66}),
	} {
		client := must(wsclient.Dial(deadline(t), gateway.URL, byHash))(t)
		client.Write(frame)
		<-client.Done()
		var ended *wsclient.Ended
		if !errors.As(client.Err(), &ended) || ended.Reason != wire.Breach || ended.Code != 4002 {
			t.Errorf("%s: %v", name, client.Err())
		}
	}
	client := must(wsclient.Dial(deadline(t), gateway.URL, byHash))(t)
	defer client.Close()
	if must(client.NodeData([]common.Hash{{1}}))(t); len(node.requests()) != 1 || len(node.connected) != 1 {
		t.Errorf("%d requests arrived, %d connections", len(node.requests()), len(node.connected))
	}
}

// A client that offers something else is told that it is useless, and a Status of another chain as
// well.
func TestAClientByHashIsRefusedAsOneBySnapIs(t *testing.T) {
	gateway := startGateway(t, []string{startHashNode(t).enode()})
	must(wsclient.Dial(deadline(t), gateway.URL, byHash))(t).Close() // it has the node now
	hello := func(capabilities ...wire.Capability) []byte {
		return wire.Hello{Version: 5, NodeID: make([]byte, 64), Capabilities: capabilities}.Encode()
	}
	for name, frames := range map[string][][]byte{
		"eth/65":             {hello(wire.Capability{Name: "eth", Version: 65})},
		"snap alone":         {hello(wire.Capability{Name: "snap", Version: 1})},
		"another chain":      {wsclient.HelloFrame(wire.ByHash, 0), wire.Frame(wire.CapabilitiesFrom, []any{uint(66), uint(1), uint(1), common.Hash{}, common.Hash{}, []any{[4]byte{}, uint(0)}})},
		"a Status of eth/69": {wsclient.HelloFrame(wire.ByHash, 0), append([]byte{wire.CapabilitiesFrom}, wire.Status{Version: 69}.Payload()...)},
	} {
		code := websocket.StatusCode(4003)
		if name == "a Status of eth/69" {
			code = 4002
		}
		conn := must(wsclient.Open(deadline(t), gateway.URL))(t)
		for _, frame := range frames {
			conn.Write(t.Context(), websocket.MessageBinary, frame)
		}
		if got := websocket.CloseStatus(drain(t.Context(), conn)); got != code {
			t.Errorf("%s: ended with %d", name, got)
		}
		conn.CloseNow()
	}
}

// New blocks are announced by NewBlockHashes, whichever way the node tells them.
func TestBlocksAreAnnouncedByHash(t *testing.T) {
	chain := smallNode(t, testnode.Config{})
	node := startHashNode(t, func(n *hashNode) { n.status.Genesis = chain.Chain().Genesis().Hash() })
	alone := startGateway(t, []string{node.enode()})
	client := must(wsclient.Dial(deadline(t), alone.URL, byHash))(t)
	defer client.Close()
	if nodes := nodesOf(t, alone); len(nodes) != 1 || nodes[0].Latest != nil || nodes[0].Hash != node.header.Hash().Hex() {
		t.Errorf("listed as %+v", nodes)
	}
	rw := <-node.connected
	type announced struct {
		Hash   common.Hash
		Number uint64
	}
	next := &types.Header{Number: common.Big256, Difficulty: common.Big1}
	for _, c := range []struct {
		code    uint64
		message any
		hash    common.Hash
		number  uint64
	}{
		{wire.NewBlockHashesCode, []announced{{common.Hash{7}, 7}, {common.Hash{9}, 9}, {common.Hash{8}, 8}}, common.Hash{9}, 9},
		{wire.NewBlockCode, []any{[]any{next, []any{}, []any{}}, uint64(12)}, next.Hash(), 256},
	} {
		if err := p2p.Send(rw, c.code, c.message); err != nil {
			t.Fatal(err)
		}
		if newest := nextRange(deadline(t), t, client); newest.LatestHash != c.hash || newest.Latest != c.number {
			t.Errorf("told of %+v by 0x%02x", newest, c.code)
		}
	}
	if err := p2p.Send(rw, wire.NewBlockHashesCode, []announced{}); err != nil { // of nothing
		t.Fatal(err)
	}
	late := must(wsclient.Dial(deadline(t), alone.URL, byHash))(t)
	defer late.Close()
	if late.Status.LatestHash != next.Hash() || late.Status.Difficulty.Cmp(node.status.Difficulty) != 0 {
		t.Errorf("a later client is told of %+v", late.Status)
	}
	if nodes := nodesOf(t, alone); nodes[0].Latest == nil || *nodes[0].Latest != 256 {
		t.Errorf("listed as %+v", nodes)
	}

	follows := startGateway(t, []string{node.enode()}, "--head-rpc", chain.RPC())
	following := must(wsclient.Dial(deadline(t), follows.URL, byHash))(t)
	defer following.Close()
	for range 2 {
		awaitHead(deadline(t), t, following, must(chain.MakeBlock())(t))
	}
}

// The gateway has no chain and no state: what the node asks, by eth or by a shared snap, is answered
// with nothing, and what it tells is ignored.
func TestANodeByHashIsAnsweredWithNothing(t *testing.T) {
	node := startHashNode(t, withSnap)
	gateway := startGateway(t, []string{node.enode()})
	client := must(wsclient.Dial(deadline(t), gateway.URL, byHash))(t)
	defer client.Close()
	eth, snap := <-node.connected, <-node.snapOpen
	nothing := []byte{0xc2, 0x05, 0xc0}
	for _, code := range []uint64{wire.GetBlockHeadersCode, 0x05, 0x09, wire.GetNodeDataCode, 0x0f} {
		if err := p2p.Send(eth, code, []any{uint64(5), []common.Hash{{1}}}); err != nil {
			t.Fatal(err)
		}
		expectAnswer(t, node, code+1, nothing)
	}
	if err := errors.Join(p2p.Send(eth, 0x02, []any{}), p2p.Send(eth, 0x08, []common.Hash{{1}})); err != nil {
		t.Fatal(err)
	}
	for code, answer := range map[uint64][]byte{
		wire.GetAccountRangeCode: {0xc3, 0x05, 0xc0, 0xc0}, wire.GetByteCodesCode: nothing, wire.GetTrieNodesCode: nothing,
	} {
		if err := p2p.Send(snap, code, []any{uint64(5), []common.Hash{{1}}, uint64(1)}); err != nil {
			t.Fatal(err)
		}
		expectAnswer(t, node, code+1, answer)
	}
	hash := node.add([]byte("still there"))
	if got := must(client.NodeData([]common.Hash{hash}))(t); len(got) != 1 {
		t.Error("the node left")
	}
}

func expectAnswer(t *testing.T, node *hashNode, code uint64, payload []byte) {
	t.Helper()
	select {
	case msg := <-node.answers:
		if got, _ := io.ReadAll(msg.Payload); msg.Code != code || !bytes.Equal(got, payload) {
			t.Errorf("answered with 0x%02x %x where 0x%02x %x is due", msg.Code, got, code, payload)
		}
	case <-deadline(t).Done():
		t.Fatalf("no answer 0x%02x", code)
	}
}

// More items than hashes are a lie that ends the connection to the node, and not to the client's
// charge.
func TestANodeThatSendsMoreItemsThanHashesIsLost(t *testing.T) {
	node := startHashNode(t, func(n *hashNode) { n.fault = true })
	gateway := startGateway(t, []string{node.enode()})
	client := must(wsclient.Dial(deadline(t), gateway.URL, byHash))(t)
	_, err := client.NodeData([]common.Hash{{1}})
	var ended *wsclient.Ended
	if !errors.As(err, &ended) || ended.Reason != wire.Other || ended.Code != 4016 {
		t.Errorf("told %v", err)
	}
}

func nodesOf(t *testing.T, gateway *program) (nodes []upstream.Info) {
	t.Helper()
	response := must(http.Get(gateway.HTTP + "/nodes"))(t)
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&nodes); err != nil {
		t.Fatal(err)
	}
	return nodes
}
