package e2e

import (
	"bytes"
	"errors"
	"io"
	"math/big"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rlp"

	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wire"
)

// hashNode is a node in this process that speaks eth/66 and snap/1, as go-ethereum 1.10 does. It
// serves what it is given by hash, and a header.
type hashNode struct {
	t      *testing.T
	server *p2p.Server
	status wire.Status
	header *types.Header
	snaps  bool // it speaks snap as well
	fault  bool // it sends more items than it is asked for

	mu    sync.Mutex
	items map[common.Hash][]byte
	asked [][]common.Hash // of requests for node data; bounded by what the test asks for

	connected chan p2p.MsgReadWriter // eth of each connection, when the handshake is done
	answers   chan p2p.Msg           // payloads of answers to its own requests
	snapOpen  chan p2p.MsgReadWriter
}

// startHashNode starts a node, after its settings have been changed.
func startHashNode(t *testing.T, settings ...func(*hashNode)) *hashNode {
	t.Helper()
	header := &types.Header{Number: big.NewInt(7), Difficulty: big.NewInt(2), Root: common.Hash{3}}
	n := &hashNode{
		t: t, header: header, items: map[common.Hash][]byte{},
		connected: make(chan p2p.MsgReadWriter, 8), answers: make(chan p2p.Msg, 8), snapOpen: make(chan p2p.MsgReadWriter, 8),
		status: wire.Status{
			Version: 66, NetworkID: 1337, Genesis: common.Hash{1, 2}, ForkID: wire.ForkID{Hash: [4]byte{1, 2, 3, 4}},
			Difficulty: new(big.Int).Lsh(common.Big1, 80), BlockRange: wire.BlockRange{LatestHash: header.Hash()},
		},
	}
	for _, set := range settings {
		set(n)
	}
	useless := func(*p2p.Peer, p2p.MsgReadWriter) error { return errors.New("a version that the gateway has not got") }
	protocols := []p2p.Protocol{
		{Name: "eth", Version: 66, Length: 17, Run: n.runEth},
		{Name: "eth", Version: 67, Length: 17, Run: useless},
		{Name: "eth", Version: 68, Length: 17, Run: useless},
	}
	if n.snaps {
		protocols = append(protocols, p2p.Protocol{Name: "snap", Version: 1, Length: 8, Run: n.runSnap})
	}
	n.server = &p2p.Server{Config: p2p.Config{
		PrivateKey: testnode.Key(1, "hash node"), Name: "Geth/v1.10.26-like", MaxPeers: 8, NoDiscovery: true, NoDial: true,
		ListenAddr: "127.0.0.1:0", Protocols: protocols,
	}}
	if err := n.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.server.Stop)
	return n
}

func (n *hashNode) enode() string { return n.server.Self().URLv4() }

// key is the part of the URL that names the node.
func (n *hashNode) key() string { return n.enode()[len("enode://"):][:32] }

// add gives the node an item and returns its hash.
func (n *hashNode) add(item []byte) common.Hash {
	n.mu.Lock()
	defer n.mu.Unlock()
	hash := crypto.Keccak256Hash(item)
	n.items[hash] = item
	return hash
}

func (n *hashNode) requests() [][]common.Hash {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.asked)
}

func (n *hashNode) runSnap(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
	n.snapOpen <- rw
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		if msg.Code%2 == 0 {
			n.t.Errorf("it is asked by snap: 0x%02x", msg.Code)
		}
		payload, _ := io.ReadAll(msg.Payload)
		n.answers <- p2p.Msg{Code: msg.Code, Payload: bytes.NewReader(payload)}
	}
}

func (n *hashNode) runEth(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
	var snap p2p.MsgReadWriter
	if n.snaps {
		snap = <-n.snapOpen // go-ethereum greets by eth when snap is open
	}
	status := n.status.Payload()
	if err := p2p.Send(rw, wire.StatusCode, rlp.RawValue(status)); err != nil {
		return err
	}
	msg, err := rw.ReadMsg()
	if err != nil {
		return err
	}
	if mirrored, _ := io.ReadAll(msg.Payload); msg.Code != wire.StatusCode || !bytes.Equal(mirrored, status) {
		n.t.Errorf("its Status is answered by 0x%02x %x", msg.Code, mirrored)
	}
	n.connected <- rw
	if snap != nil {
		n.snapOpen <- snap
	}
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		if err := n.onEth(rw, msg); err != nil {
			return err
		}
	}
}

func (n *hashNode) onEth(rw p2p.MsgReadWriter, msg p2p.Msg) error {
	switch msg.Code {
	case wire.GetNodeDataCode:
		var request struct {
			ID     uint64
			Hashes []common.Hash
		}
		if err := msg.Decode(&request); err != nil {
			n.t.Errorf("a malformed request came through: %v", err)
			return err
		}
		return p2p.Send(rw, wire.NodeDataCode, []any{request.ID, n.serve(request.Hashes)})
	case wire.GetBlockHeadersCode:
		var request struct {
			ID    uint64
			Query struct {
				Hash         common.Hash
				Amount, Skip uint64
				Reverse      bool
			}
		}
		if err := msg.Decode(&request); err != nil {
			return err
		}
		headers := []*types.Header{}
		if request.Query.Hash == n.header.Hash() {
			headers = append(headers, n.header)
		}
		return p2p.Send(rw, wire.BlockHeadersCode, []any{request.ID, headers})
	}
	payload, err := io.ReadAll(msg.Payload)
	n.answers <- p2p.Msg{Code: msg.Code, Payload: bytes.NewReader(payload)}
	return err
}

func (n *hashNode) serve(hashes []common.Hash) [][]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, hashes)
	found := [][]byte{}
	for _, hash := range hashes {
		if item, ok := n.items[hash]; ok {
			found = append(found, item)
		}
	}
	if n.fault {
		for len(found) <= len(hashes) {
			found = append(found, []byte("one more"))
		}
	}
	return found
}
