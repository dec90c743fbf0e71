package e2e

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/upstream"
	"snaplight/gateway/internal/wsclient"
)

// A gateway that only knows a boot node finds the node behind it, by either version of discovery,
// and clients sync from it. It does not connect to a node of another chain, of which the boot node
// tells as well.
func TestDiscoveryFindsTheNodeOfAChainBehindABootNode(t *testing.T) {
	boot := startBootNode(t)
	right := smallNode(t, testnode.Config{Seed: 1, Discovery: true, Bootnodes: []*enode.Node{boot}})
	wrong := smallNode(t, testnode.Config{Seed: 2, Discovery: true, Bootnodes: []*enode.Node{boot}})
	atWrong := peerEvents(t, wrong)
	gateways := map[string]*program{}
	for flag, text := range map[string]string{"--discovery-v4": boot.URLv4(), "--discovery-v5": boot.String()} {
		gateways[flag] = startGateway(t, nil, flag, "--bootnode", text, "--genesis-hash", right.Chain().Genesis().Hash().Hex())
	}
	for version, gateway := range gateways {
		if got := walkThrough(t, gateway, right); got != len(right.Alloc()) {
			t.Errorf("%s: %d of %d accounts", version, got, len(right.Alloc()))
		}
	}
	for met := map[enode.ID]bool{}; len(met) < len(gateways); {
		select {
		case event := <-atWrong:
			if event.Type == p2p.PeerEventTypeDrop {
				met[event.Peer] = true
			}
		case <-deadline(t).Done():
			t.Fatalf("%d of %d gateways have met the other chain's node, and left it", len(met), len(gateways))
		}
	}
	for version, gateway := range gateways {
		response := must(http.Get(gateway.HTTP + "/nodes"))(t)
		var nodes []upstream.Info
		err := json.NewDecoder(response.Body).Decode(&nodes)
		response.Body.Close()
		if err != nil || len(nodes) != 1 || nodes[0].Genesis != right.Chain().Genesis().Hash().Hex() {
			t.Errorf("%s: serving are %+v: %v", version, nodes, err)
		}
	}
}

// With a public network's name, a record's fork id already says which chain a node is on. The boot
// node is of another chain and never dialled; the node that it tells of is dialled. When the
// gateway ends, discovered nodes are told so.
func TestANodeOfOtherForksIsNotEvenDialled(t *testing.T) {
	wrong := smallNode(t, testnode.Config{Seed: 1, Discovery: true})
	atWrong := peerEvents(t, wrong)
	boot := wrong.Server().Self()
	right := startNode(t, testnode.Config{Network: core.DefaultSepoliaGenesisBlock(), Seed: 2, Discovery: true, Bootnodes: []*enode.Node{boot}})
	atRight := peerEvents(t, right)
	gateway := startGateway(t, nil, "--network", "sepolia", "--discovery-v4", "--discovery-v5", "--bootnode", boot.String())
	if got := walkThrough(t, gateway, right); got != len(right.Alloc()) {
		t.Errorf("%d of %d accounts", got, len(right.Alloc()))
	}
	if err := gateway.Terminate(); err != nil {
		t.Error(err)
	}
	for event := range atRight {
		if event.Type == p2p.PeerEventTypeDrop {
			if event.Error != p2p.DiscQuitting.Error() {
				t.Errorf("the node was left with %q", event.Error)
			}
			break
		}
	}
	if len(atWrong) > 0 {
		t.Error("the other chain's node was dialled")
	}
}

// startBootNode runs a node that only speaks discovery.
func startBootNode(t *testing.T) *enode.Node {
	t.Helper()
	server := p2p.Server{Config: p2p.Config{
		PrivateKey:  testnode.Key(1, "boot node"),
		DiscAddr:    "127.0.0.1:0",
		DiscoveryV4: true,
		DiscoveryV5: true,
		NoDial:      true,
	}}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server.Self()
}

// peerEvents are a node's events of added and dropped peers from now on.
func peerEvents(t *testing.T, node *testnode.Node) <-chan *p2p.PeerEvent {
	const many = 64 // a slow subscriber would block the node
	events := make(chan *p2p.PeerEvent, many)
	t.Cleanup(node.Server().SubscribeEvents(events).Unsubscribe)
	return events
}

// walkThrough counts the accounts of a node's state that come through a gateway, once the gateway
// has found a node.
func walkThrough(t *testing.T, gateway *program, node *testnode.Node) int {
	t.Helper()
	client := must(connect(deadline(t), gateway.URL))(t)
	defer client.Close()
	if client.Status.Genesis != node.Chain().Genesis().Hash() {
		t.Error("another chain's node serves")
	}
	var accounts atomic.Int64
	if err := client.Walk(deadline(t), node.Head().Root, wsclient.Segments(2), smallAnswer, &accounts); err != nil {
		t.Error(err)
	}
	return int(accounts.Load())
}
