package e2e

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth/protocols/snap"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/ethereum/go-ethereum/triedb/hashdb"
	"github.com/ethereum/go-ethereum/triedb/pathdb"

	"snaplight/gateway/internal/gethsync"
	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wsclient"
)

// syncRecipe has small and large contracts. The huge one takes several answers even at
// go-ethereum's sizes.
var syncRecipe = testnode.Recipe{Accounts: 5000, Contracts: 300, HugeSlots: 20_000, Seed: 11}

// The native peer and go-ethereum must understand snap alike: here go-ethereum is the client.
func TestGoEthereumsSyncerSyncsFromTheNativePeer(t *testing.T) {
	node := startNode(t, testnode.Config{Alloc: testnode.Generate(syncRecipe), Bare: true})
	peer := startPeer(t, "--genesis", writeGenesis(t, node))
	root := node.Head().Root
	if peer.Root != root.Hex() {
		t.Fatalf("the native peer's root is %s, go-ethereum's %s", peer.Root, root)
	}
	for _, scheme := range []string{rawdb.PathScheme, rawdb.HashScheme} {
		syncFrom(t, scheme, peer.URL, root, node.Alloc())
	}
}

// Here go-ethereum syncs from a real node through the gateway.
func TestGoEthereumsSyncerSyncsThroughTheGateway(t *testing.T) {
	node := startNode(t, testnode.Config{Alloc: testnode.Generate(syncRecipe)})
	gateway := startGateway(t, []string{node.Enode()})
	syncFrom(t, rawdb.PathScheme, gateway.URL, node.Head().Root, node.Alloc())
}

func syncFrom(t *testing.T, scheme, url string, root common.Hash, alloc types.GenesisAlloc) {
	t.Helper()
	client := must(wsclient.Dial(deadline(t), url))(t)
	defer client.Close()
	db := rawdb.NewMemoryDatabase()
	syncer := snap.NewV1Syncer(db, scheme)
	peer := gethsync.NewPeer("peer", client, syncer)
	if err := syncer.Register(peer); err != nil {
		t.Fatal(err)
	}
	cancel := make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- syncer.Sync(&types.Header{Root: root}, cancel) }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-client.Done():
		close(cancel)
		t.Fatal(client.Err())
	}
	if err := peer.Fault(); err != nil {
		t.Errorf("%s: an answer was not liked: %v", scheme, err)
	}
	if peer.Requests("storage") == 0 || peer.Requests("codes") == 0 || peer.Requests("nodes") == 0 {
		t.Errorf("%s: not all kinds of requests were tried", scheme)
	}
	compare(t, db, scheme, root, alloc)
}

// compare reads everything below the root from the database.
func compare(t *testing.T, db ethdb.Database, scheme string, root common.Hash, alloc types.GenesisAlloc) {
	t.Helper()
	config := &triedb.Config{HashDB: hashdb.Defaults}
	if scheme == rawdb.PathScheme {
		config = &triedb.Config{PathDB: pathdb.ReadOnly}
	}
	tries := triedb.NewDatabase(db, config)
	defer tries.Close()
	accounts := must(trie.New(trie.StateTrieID(root), tries))(t)
	want := make(map[common.Hash]types.Account, len(alloc))
	for address, account := range alloc {
		want[crypto.Keccak256Hash(address[:])] = account
	}
	leaves := trie.NewIterator(accounts.MustNodeIterator(nil))
	found := 0
	for ; leaves.Next(); found++ {
		key := common.BytesToHash(leaves.Key)
		expected, ok := want[key]
		if !ok {
			t.Fatalf("%s: nobody has account %s", scheme, key)
		}
		var account types.StateAccount
		if err := rlp.DecodeBytes(leaves.Value, &account); err != nil {
			t.Fatal(err)
		}
		if len(expected.Code) > 0 && !bytes.Equal(rawdb.ReadCode(db, common.BytesToHash(account.CodeHash)), expected.Code) {
			t.Errorf("%s: the code of %s is missing", scheme, key)
		}
		if slots := slotsOf(t, tries, root, key, account.Root); slots != len(expected.Storage) {
			t.Errorf("%s: %s has %d of %d slots", scheme, key, slots, len(expected.Storage))
		}
	}
	if leaves.Err != nil || found != len(alloc) {
		t.Errorf("%s: %d of %d accounts: %v", scheme, found, len(alloc), leaves.Err)
	}
}

func slotsOf(t *testing.T, tries *triedb.Database, root, account, storage common.Hash) (slots int) {
	t.Helper()
	if storage == types.EmptyRootHash {
		return 0
	}
	slotTrie := must(trie.New(trie.StorageTrieID(root, account, storage), tries))(t)
	leaves := trie.NewIterator(slotTrie.MustNodeIterator(nil))
	for leaves.Next() {
		slots++
	}
	if leaves.Err != nil {
		t.Error(leaves.Err)
	}
	return slots
}
