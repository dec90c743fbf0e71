package e2e

import (
	"context"
	"testing"

	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

// With its node's JSON-RPC, named or found by attaching, the gateway announces each block.
// go-ethereum announces only every 32nd to its peers.
func TestEachBlockIsAnnouncedWithTheNodesJSONRPC(t *testing.T) {
	node := smallNode(t, testnode.Config{})
	for name, gateway := range map[string]*program{
		"--head-rpc": startGateway(t, []string{node.Enode()}, "--head-rpc", node.RPC()),
		"--attach":   startGateway(t, nil, "--attach", node.RPC()),
	} {
		client := must(wsclient.Dial(deadline(t), gateway.URL))(t)
		defer client.Close()
		for range 3 {
			block := must(node.MakeBlock())(t)
			awaitHead(deadline(t), t, client, block)
			if header := must(client.Header(block.Hash))(t); header == nil {
				t.Errorf("%s: block %d was announced and is not there", name, block.Number)
			}
		}
		late := must(wsclient.Dial(deadline(t), gateway.URL))(t)
		if head := node.Head(); late.Status.LatestHash != head.Hash {
			t.Errorf("%s: a later client is told of block %d and not of %d", name, late.Status.Latest, head.Number)
		}
		late.Close()
	}
}

// Another node's JSON-RPC says nothing about this one, and a missing one does no harm.
func TestAJSONRPCThatIsNoHelpIsNotHeeded(t *testing.T) {
	node, other := smallNode(t, testnode.Config{Seed: 1}), smallNode(t, testnode.Config{Seed: 2})
	for name, rpc := range map[string]string{"another chain's": other.RPC(), "nobody's": "ws://127.0.0.1:1"} {
		gateway := startGateway(t, []string{node.Enode()}, "--head-rpc", rpc)
		client := must(wsclient.Dial(deadline(t), gateway.URL))(t)
		defer client.Close()
		must(other.MakeBlock())(t)
		const asOftenAsTheNodeTells = 32
		var head testnode.Block
		for range asOftenAsTheNodeTells {
			head = must(node.MakeBlock())(t)
		}
		blocks := nextRange(deadline(t), t, client)
		if header := node.Chain().GetHeaderByHash(blocks.LatestHash); header == nil || blocks.Latest > head.Number {
			t.Errorf("%s: told of block %d, %s, which the node has not got", name, blocks.Latest, blocks.LatestHash)
		}
	}
}

// awaitHead waits until this block is announced.
func awaitHead(ctx context.Context, t *testing.T, client *wsclient.Client, block testnode.Block) {
	t.Helper()
	for {
		if blocks := nextRange(ctx, t, client); blocks.Latest == block.Number && blocks.LatestHash == block.Hash {
			return
		}
	}
}

// nextRange waits until a block range is announced.
func nextRange(ctx context.Context, t *testing.T, client *wsclient.Client) (blocks wire.BlockRange) {
	t.Helper()
	select {
	case blocks = <-client.Ranges:
	case <-client.Done():
		t.Fatalf("no blocks were announced: %v", client.Err())
	case <-ctx.Done():
		t.Fatal("no blocks were announced")
	}
	return blocks
}
