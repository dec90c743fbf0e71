package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

// comparedNodeData is how many random requests for node data are compared.
const comparedNodeData = 500

// go-ethereum 1.10.26, asked through the gateway, and the native peer have the same trie nodes and
// codes of a state, and answer the same requests with the same items in the same order.
func TestTheNativePeerAnswersByHashAsAnOldNodeDoes(t *testing.T) {
	alloc := testnode.Generate(testnode.Recipe{Accounts: 1500, Contracts: 150, HugeSlots: 3000, Seed: 62})
	gateway := startGateway(t, []string{startOldGeth(t, alloc)})
	genesis := filepath.Join(t.TempDir(), "genesis.json")
	file := must(os.Create(genesis))(t)
	if err := testnode.WriteAlloc(file, alloc); err != nil {
		t.Fatal(err)
	}
	file.Close()
	peer := startPeer(t, "--genesis", genesis)
	theirs := must(connect(deadline(t), gateway.URL, byHash))(t)
	defer theirs.Close()
	ours := must(wsclient.Dial(deadline(t), peer.URL, byHash))(t)
	defer ours.Close()

	root := common.HexToHash(peer.Root)
	known := crawl(t, theirs, root)
	if found := crawl(t, ours, root); !slices.Equal(found, known) || len(known) < 5000 {
		t.Fatalf("the native peer has %d nodes and codes, and the old node %d", len(found), len(known))
	}
	a := asker{Rand: rand.New(rand.NewPCG(requestSeed, 1))}
	for i := range comparedNodeData {
		hashes := a.some(known, 400, pick(&a, []common.Hash{types.EmptyRootHash, types.EmptyCodeHash}))
		hashes = hashes[:min(len(hashes), wire.MaxNodeDataHashes)]
		want, got := must(theirs.NodeData(hashes))(t), must(ours.NodeData(hashes))(t)
		if !slices.EqualFunc(want, got, bytes.Equal) {
			t.Fatalf("request %d, %d hashes: %d items, and the native peer has %d", i, len(hashes), len(want), len(got))
		}
	}
}

// crawl asks for everything below a root, and returns the sorted hashes of what came. It asks for
// every string of 32 bytes that it finds, and so for some that are no hashes.
func crawl(t *testing.T, client *wsclient.Client, root common.Hash) (known []common.Hash) {
	t.Helper()
	asked := map[common.Hash]bool{root: true}
	for queue := []common.Hash{root}; len(queue) > 0; {
		// So few that an answer never reaches 2 MiB: what does not come is not there.
		some := queue[:min(len(queue), 80)]
		queue = queue[len(some):]
		for _, item := range must(client.NodeData(some))(t) {
			known = append(known, crypto.Keccak256Hash(item))
			for _, hash := range stringsOf32(item) {
				if !asked[hash] {
					asked[hash] = true
					queue = append(queue, hash)
				}
			}
		}
	}
	slices.SortFunc(known, common.Hash.Cmp)
	return known
}

// stringsOf32 are all strings of 32 bytes in an item, also in lists and in strings that have RLP
// inside, as the values of leaves do. A code seldom is RLP, and then names nothing that is there.
func stringsOf32(item []byte) (found []common.Hash) {
	for len(item) > 0 {
		kind, content, rest, err := rlp.Split(item)
		if err != nil {
			return found
		}
		if kind != rlp.List && len(content) == common.HashLength {
			found = append(found, common.Hash(content))
		} else if kind == rlp.List || len(content) > common.HashLength {
			found = append(found, stringsOf32(content)...)
		}
		item = rest
	}
	return found
}
