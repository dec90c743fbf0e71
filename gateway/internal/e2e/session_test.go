package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/upstream"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

func smallNode(t *testing.T, config testnode.Config) *testnode.Node {
	config.Alloc = testnode.Generate(testnode.Recipe{Accounts: 50, Contracts: 5, Seed: 51})
	return startNode(t, config)
}

// A client that breaks the protocol gets the same ending from the gateway and from the native peer.
func TestServersEndABrokenConnectionAlike(t *testing.T) {
	node := smallNode(t, testnode.Config{Bare: true})
	gateway := startGateway(t, []string{node.Enode()})
	peer := startPeer(t, "--genesis", writeGenesis(t, node))
	offsets := wire.SharedOffsets()
	root := node.Head().Root
	for name, c := range map[string]struct {
		ready bool // after the handshake
		frame []byte
		code  websocket.StatusCode
	}{
		"an empty frame":              {true, []byte{}, 4002},
		"a long message id":           {true, []byte{0x85, 1, 2, 3, 4, 5, 0xc0}, 4002},
		"no payload":                  {true, []byte{0x22}, 4002},
		"bytes behind the payload":    {true, append(wire.Frame(wire.PingID, []uint64{}), 0), 4002},
		"a large base message":        {true, wire.Frame(wire.PingID, [][]byte{make([]byte, 3000)}), 4002},
		"a second Hello":              {true, wsclient.HelloFrame(wire.BySnap, 1), 4002},
		"a second Status":             {true, wire.Frame(offsets.Eth, []uint64{69}), 4002},
		"an id nobody shares":         {true, wire.Frame(offsets.Snap+8, []uint64{1}), 4002},
		"an answer":                   {true, wire.Frame(offsets.Snap+wire.ByteCodesCode, []any{uint64(1), []any{}}), 4002},
		"a field too many":            {true, wire.Frame(offsets.Snap, []any{uint64(1), root, root, root, uint64(1), uint64(1)}), 4002},
		"an empty path set":           {true, wire.Frame(offsets.Snap+6, []any{uint64(1), root, [][][]byte{{}}, uint64(1)}), 4002},
		"a short hash":                {true, wire.Frame(offsets.Snap+4, []any{uint64(1), [][]byte{root[1:]}, uint64(1)}), 4002},
		"something before Hello":      {false, wire.Frame(wire.PingID, []uint64{}), 4002},
		"an old p2p version":          {false, wire.Hello{Version: 4, NodeID: make([]byte, 64)}.Encode(), 4006},
		"no snap":                     {false, wire.Hello{Version: 5, NodeID: make([]byte, 64), Capabilities: []wire.Capability{{Name: "eth", Version: 69}}}.Encode(), 4003},
		"a Hello that is cut off":     {false, wire.Frame(wire.HelloID, []any{uint(5), "name"}), 4002},
		"a Hello without a node id":   {false, wire.Frame(wire.HelloID, []any{uint(5), "name", []any{}}), 4003},
		"a goodbye":                   {true, wire.DisconnectFrame(wire.Done), 1000},
		"a goodbye in place of Hello": {false, wire.DisconnectFrame(wire.Done), 1000},
	} {
		for server, url := range map[string]string{"gateway": gateway.URL, "native peer": peer.URL} {
			conn := must(wsclient.Open(deadline(t), url))(t)
			if c.ready {
				conn.CloseNow()
				conn = ready(deadline(t), t, url)
			}
			conn.Write(t.Context(), websocket.MessageBinary, c.frame)
			if code := websocket.CloseStatus(drain(t.Context(), conn)); code != c.code {
				t.Errorf("%s: %s ends it with %d, not %d", name, server, code, c.code)
			}
			conn.CloseNow()
		}
	}
	if node.Server().PeerCount() != 1 {
		t.Error("the node left")
	}
}

func TestTextAndOversizedFramesHaveTheirOwnCloseCodes(t *testing.T) {
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()})
	conn := ready(deadline(t), t, gateway.URL)
	conn.Write(t.Context(), websocket.MessageText, []byte("hello"))
	if code := websocket.CloseStatus(drain(t.Context(), conn)); code != wire.CloseText {
		t.Errorf("text: %d", code)
	}
	conn = ready(deadline(t), t, gateway.URL)
	conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 200<<10))
	if code := websocket.CloseStatus(drain(t.Context(), conn)); code != wire.CloseOversized {
		t.Errorf("oversized: %d", code)
	}
}

func TestHandshakesAreRefusedByHTTP(t *testing.T) {
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()}, "--origin", "https://wallet.example")
	for name, c := range map[string]struct {
		protocol, origin string
		status           int
	}{
		"no subprotocol":      {"", "", http.StatusBadRequest},
		"another subprotocol": {"devp2p.9", "", http.StatusBadRequest},
		"a foreign page":      {wire.Subprotocol, "https://other.example", http.StatusForbidden},
		"the page allowed":    {wire.Subprotocol, "https://wallet.example", http.StatusSwitchingProtocols},
		"a page on loopback":  {wire.Subprotocol, "http://localhost:3000", http.StatusForbidden}, // the flag replaces the default
		"no page":             {wire.Subprotocol, "", http.StatusSwitchingProtocols},
	} {
		options := &websocket.DialOptions{HTTPHeader: http.Header{}}
		if c.protocol != "" {
			options.Subprotocols = []string{"something.else", c.protocol}
		}
		if c.origin != "" {
			options.HTTPHeader.Set("Origin", c.origin)
		}
		conn, response, _ := websocket.Dial(deadline(t), gateway.URL, options)
		if response == nil || response.StatusCode != c.status {
			t.Errorf("%s: %v", name, response)
		}
		if conn != nil {
			conn.CloseNow()
		}
	}
}

// The pages that --origin replaces, which its help did not say.
func TestWithoutOriginsPagesOnLoopbackMayConnect(t *testing.T) {
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()})
	for origin, status := range map[string]int{
		"http://localhost": http.StatusSwitchingProtocols, "http://localhost:3000": http.StatusSwitchingProtocols, "http://127.0.0.1:8080": http.StatusSwitchingProtocols,
		"http://[::1]:8080": http.StatusSwitchingProtocols, "https://localhost": http.StatusForbidden, "https://wallet.example": http.StatusForbidden,
		"null": http.StatusForbidden, "http://localhost.evil.example": http.StatusForbidden,
	} {
		if _, response := visit(t, gateway.URL, "Origin", origin); response.StatusCode != status {
			t.Errorf("a page of %s is answered by %s", origin, response.Status)
		}
	}
	help, err := exec.CommandContext(deadline(t), gatewayProgram, "--help").CombinedOutput()
	if err != nil || !bytes.Contains(help, []byte("not allowed any more when it is given")) || !bytes.Contains(help, []byte("nowhere else")) {
		t.Errorf("%v: the help does not say what --origin and --admin replace", err)
	}
}

func TestAFullGatewaySaysSo(t *testing.T) {
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()}, "--max-clients", "1")
	first := must(wsclient.Dial(deadline(t), gateway.URL))(t)
	_, err := wsclient.Dial(deadline(t), gateway.URL)
	var ended *wsclient.Ended
	if !errors.As(err, &ended) || ended.Reason != wire.TooMany || ended.Code != 4004 {
		t.Errorf("told %v", err)
	}
	if first.Err() != nil {
		t.Error("the first client had to go")
	}
	first.Close()
}

func TestAClientMayNameItsNode(t *testing.T) {
	one, two := smallNode(t, testnode.Config{Seed: 1}), smallNode(t, testnode.Config{Seed: 2, Bare: true})
	gateway := startGateway(t, []string{one.Enode(), two.Enode()})
	var nodes []upstream.Info
	for len(nodes) < 2 { // they connect one by one
		response := must(http.Get(gateway.HTTP + "/nodes"))(t)
		err := json.NewDecoder(response.Body).Decode(&nodes)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range []*testnode.Node{one, two} {
		key := node.Enode()[len("enode://"):][:128]
		client := must(wsclient.Dial(deadline(t), gateway.URL+"some/path/"+key[:16]))(t)
		if client.Status.Genesis != node.Chain().Genesis().Hash() {
			t.Error("that is another node")
		}
		if !strings.Contains(client.Hello.Name, "snaplight-gateway") || len(client.Hello.Name) > 256 {
			t.Errorf("named %q", client.Hello.Name)
		}
		client.Close()
	}
	_, err := wsclient.Dial(deadline(t), gateway.URL+"0123456789abcdef")
	var ended *wsclient.Ended
	if !errors.As(err, &ended) || ended.Reason != wire.Other {
		t.Errorf("told %v", err)
	}
	// Clients that name no node are spread over both.
	seen := map[common.Hash]bool{}
	for range 2 {
		client := must(wsclient.Dial(deadline(t), gateway.URL))(t)
		defer client.Close()
		seen[client.Status.Genesis] = true
	}
	if len(seen) != 2 {
		t.Error("both clients got the same node")
	}
}

func TestHeadersAndBlocksCome(t *testing.T) {
	node := smallNode(t, testnode.Config{})
	gateway := startGateway(t, []string{node.Enode()})
	client := must(wsclient.Dial(deadline(t), gateway.URL))(t)
	defer client.Close()
	// go-ethereum announces a new range every 32 blocks.
	var head testnode.Block
	for range 40 {
		head = must(node.MakeBlock())(t)
	}
	blocks := nextRange(deadline(t), t, client)
	if blocks.Latest < 32 || blocks.Latest > head.Number {
		t.Errorf("told of block %d", blocks.Latest)
	}
	header := must(client.Header(head.Hash))(t)
	if crypto.Keccak256Hash(header) != head.Hash {
		t.Error("not that header")
	}
	if header := must(client.Header(common.Hash{1}))(t); header != nil {
		t.Error("a header of nothing")
	}
	answer := must(client.Accounts(head.Root, common.Hash{}, common.MaxHash, 1<<20))(t)
	if len(answer.Accounts) <= len(node.Alloc()) {
		t.Errorf("%d accounts at the head", len(answer.Accounts))
	}
	late := must(wsclient.Dial(deadline(t), gateway.URL))(t)
	defer late.Close()
	if late.Status.Latest < 32 {
		t.Error("a later client is told the old block range")
	}
}

func TestAccessListsComeBySnap2(t *testing.T) {
	node := smallNode(t, testnode.Config{Amsterdam: true})
	block := must(node.MakeBlock())(t)
	gateway := startGateway(t, []string{node.Enode()}, "--snap", "2")
	client := must(wsclient.Dial(deadline(t), gateway.URL, wsclient.Options{Snap: 2}))(t)
	defer client.Close()
	payload := must(client.Ask(wire.Snap, wire.GetAccessListsCode, []common.Hash{block.Hash, {1}}, uint64(1<<20)))(t)
	var answer struct {
		ID    uint64
		Lists []rlp.RawValue
	}
	if err := rlp.DecodeBytes(payload, &answer); err != nil || len(answer.Lists) != 2 || len(answer.Lists[0]) < 100 || !bytes.Equal(answer.Lists[1], []byte{0x80}) {
		t.Errorf("%x %v", payload, err)
	}
	_, err := wsclient.Dial(deadline(t), gateway.URL)
	var ended *wsclient.Ended
	if !errors.As(err, &ended) || ended.Reason != wire.Useless {
		t.Errorf("a client of snap/1 is told %v", err)
	}
}

func TestNodesOfAnotherNetworkAreNotTaken(t *testing.T) {
	right, wrong := smallNode(t, testnode.Config{Seed: 1, Bare: true}), smallNode(t, testnode.Config{Seed: 2})
	gateway := startGateway(t, []string{wrong.Enode(), right.Enode()}, "--genesis-hash", right.Chain().Genesis().Hash().Hex())
	for range 3 {
		client := must(wsclient.Dial(deadline(t), gateway.URL))(t)
		if client.Status.Genesis != right.Chain().Genesis().Hash() {
			t.Error("another network's node serves")
		}
		client.Close()
	}
}

func TestAStoppedGatewaySaysGoodbye(t *testing.T) {
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()})
	client := must(wsclient.Dial(deadline(t), gateway.URL))(t)
	if err := gateway.Terminate(); err != nil {
		t.Error(err)
	}
	<-client.Done()
	var ended *wsclient.Ended
	if !errors.As(client.Err(), &ended) || ended.Reason != wire.Quitting || ended.Code != 4008 {
		t.Errorf("told %v", client.Err())
	}
}

func TestAnIdleClientHasToGo(t *testing.T) {
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()}, "--idle", "1s")
	client := must(wsclient.Dial(deadline(t), gateway.URL))(t)
	<-client.Done()
	var ended *wsclient.Ended
	if !errors.As(client.Err(), &ended) || ended.Reason != wire.Timeout {
		t.Errorf("told %v", client.Err())
	}
}

func TestHealthFollowsTheNodes(t *testing.T) {
	node := smallNode(t, testnode.Config{})
	gateway := startGateway(t, []string{node.Enode()}, "--admin", "127.0.0.1:0")
	client := must(wsclient.Dial(deadline(t), gateway.URL))(t) // returns once there is a node
	status := func() int {
		response := must(http.Get(gateway.Admin + "/healthz"))(t)
		response.Body.Close()
		return response.StatusCode
	}
	if status() != http.StatusOK {
		t.Error("not healthy with a node")
	}
	node.Close()
	<-client.Done()
	if status() != http.StatusServiceUnavailable {
		t.Error("healthy without a node")
	}
	// With --admin, /healthz was still where clients are.
	for _, path := range []string{"/metrics", "/healthz"} {
		if status, text := get(t, gateway.HTTP+path, "localhost"); status != http.StatusNotFound || !strings.Contains(text, "--admin") {
			t.Errorf("%s is where clients are, too: %d %q", path, status, text)
		}
	}
	response := must(http.Get(gateway.Admin + "/metrics"))(t)
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Error("no metrics")
	}
}

func TestACommandLineThatMakesNoSenseIsRefused(t *testing.T) {
	someone := enode.NewV4(&testnode.Key(1, "node").PublicKey, net.IPv4(127, 0, 0, 1), 1, 0).URLv4()
	for _, args := range [][]string{
		{}, {"--node", "enode://12"}, {"--node", "x", "--snap", "3"}, {"--discovery-v4"}, {"--network", "nowhere", "--discovery-v5"},
		{"--dns", "default"}, {"what"}, {"--node", someone, "--head-rpc", "http://127.0.0.1:8545"}, {"--node", someone, "--node", someone, "--head-rpc", "ws://127.0.0.1:8546"},
		{"--attach", "/nowhere/geth.ipc", "--head-rpc", "ws://127.0.0.1:8546"}, {"--attach", "/nowhere/geth.ipc"},
		{"--node", someone, "--host", "https://gw.example/"}, {"--node", someone, "--host", "*.example"}, {"--node", someone, "--trusted-proxy", "gw.example"},
		{"--node", someone, "--client-header", "X-Real-IP"}, {"--node", someone, "--clients-per-address", "-1"}, {"--node", someone, "--origin", "https://[a"},
	} {
		ctx, cancel := context.WithCancel(deadline(t))
		if err := command(ctx, args).Run(); err == nil {
			t.Errorf("%v was taken", args)
		}
		cancel()
	}
}
