package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

const (
	comparedRequests = 2000
	requestSeed      = 2024
)

// The real node, asked through the gateway, and the native peer answer every well-formed request on
// the same state with the same bytes, whether it is sensible or odd.
func TestTheNativePeerAnswersAsGoEthereumDoes(t *testing.T) {
	for _, scheme := range []string{"path", "hash"} {
		node := startNode(t, testnode.Config{
			Alloc: testnode.Generate(testnode.Recipe{Accounts: 1500, Contracts: 150, HugeSlots: 3000, Seed: 21}), Scheme: scheme, Bare: true,
		})
		peer := startPeer(t, "--genesis", writeGenesis(t, node))
		gateway := startGateway(t, []string{node.Enode()})
		theirs := must(wsclient.Dial(deadline(t), gateway.URL))(t)
		ours := must(wsclient.Dial(deadline(t), peer.URL))(t)

		g := newAsker(node, requestSeed)
		differences := map[string]int{}
		answered := map[string]int{}
		for i := range comparedRequests {
			q := g.request()
			want := must(theirs.Ask(wire.Snap, q.code, q.fields...))(t)
			got := must(ours.Ask(wire.Snap, q.code, q.fields...))(t)
			if len(want) > 16 {
				answered[q.kind]++
			}
			if bytes.Equal(want, got) {
				continue
			}
			differences[q.kind]++
			if differences[q.kind] <= 3 {
				t.Errorf("%s scheme, request %d, %s:\n%s\nnode: %s\nours: %s", scheme, i, q.kind, q, brief(want), brief(got))
			}
		}
		if len(differences) > 0 {
			t.Errorf("%s scheme: so many answers differ: %v", scheme, differences)
		}
		for kind, least := range map[string]int{"accounts": 100, "storage": 100, "codes": 100, "nodes": 100} {
			if answered[kind] < least {
				t.Errorf("only %d answers about %s say anything", answered[kind], kind)
			}
		}
		theirs.Close()
		ours.Close()
	}
}

func brief(answer []byte) string {
	if len(answer) > 300 {
		return fmt.Sprintf("%d bytes %x...", len(answer), answer[:300])
	}
	return fmt.Sprintf("%x", answer)
}

// query is a request and a description of it.
type query struct {
	kind   string
	code   uint64
	fields []any
}

func (q query) String() string {
	text := ""
	for _, field := range q.fields {
		text += fmt.Sprintf("%x\n", field)
	}
	if len(text) > 2000 {
		text = text[:2000] + "..."
	}
	return text
}

// asker makes up requests about a state.
type asker struct {
	*rand.Rand
	root      common.Hash
	accounts  []common.Hash // all keys, sorted
	contracts []common.Hash // those with a storage
	slots     map[common.Hash][]common.Hash
	codes     []common.Hash
}

func newAsker(node *testnode.Node, seed uint64) *asker {
	a := &asker{Rand: rand.New(rand.NewPCG(seed, 0)), root: node.Head().Root, slots: map[common.Hash][]common.Hash{}}
	for address, account := range node.Alloc() {
		key := crypto.Keccak256Hash(address[:])
		a.accounts = append(a.accounts, key)
		if len(account.Code) > 0 {
			a.codes = append(a.codes, crypto.Keccak256Hash(account.Code))
		}
		for slot := range account.Storage {
			a.slots[key] = append(a.slots[key], crypto.Keccak256Hash(slot[:]))
		}
		if len(account.Storage) > 0 {
			a.contracts = append(a.contracts, key)
			slices.SortFunc(a.slots[key], common.Hash.Cmp)
		}
	}
	for _, list := range [][]common.Hash{a.accounts, a.contracts, a.codes} {
		// A map has no order, and a seed must give the same requests.
		slices.SortFunc(list, common.Hash.Cmp)
	}
	return a
}

func (a *asker) request() query {
	switch a.IntN(4) {
	case 0:
		return query{"accounts", wire.GetAccountRangeCode, []any{a.state(), a.key(a.accounts), a.key(a.accounts), a.bytes()}}
	case 1:
		return a.storage()
	case 2:
		return query{"codes", wire.GetByteCodesCode, []any{a.some(a.codes, 40, types.EmptyCodeHash), a.bytes()}}
	}
	return query{"nodes", wire.GetTrieNodesCode, []any{a.state(), a.pathSets(), a.bytes()}}
}

// oneIn is true once in n times.
func (a *asker) oneIn(n int) bool { return a.IntN(n) == 0 }

func (a *asker) hash() (h common.Hash) {
	for i := range h {
		h[i] = byte(a.Uint32())
	}
	return h
}

func pick[T any](a *asker, list []T) T { return list[a.IntN(len(list))] }

// state is nearly always the existing state's root.
func (a *asker) state() common.Hash {
	if !a.oneIn(12) {
		return a.root
	}
	return pick(a, []common.Hash{a.hash(), {}, types.EmptyRootHash, pick(a, a.accounts)})
}

// key is a key of a trie: any key, a leaf's, one beside a leaf, or one at an end.
func (a *asker) key(leaves []common.Hash) common.Hash {
	switch a.IntN(7) {
	case 0:
		return common.Hash{}
	case 1:
		return common.MaxHash
	case 2:
		return common.Hash{31: 1}
	case 3, 4:
		return a.hash()
	case 5:
		return pick(a, leaves)
	}
	key := pick(a, leaves)
	key[31] += byte(1 + a.IntN(2)*254) // a key beside it
	return key
}

func (a *asker) bytes() uint64 {
	return pick(a, []uint64{0, 1, 100, 1000, 5000, 50_000, 500_000, 2 << 20, 1 << 40, 1<<64 - 1})
}

// some returns hashes of a list: unknown ones, some twice, and a special one.
func (a *asker) some(list []common.Hash, most int, special common.Hash) []common.Hash {
	if a.oneIn(60) {
		most = 1300 // more than a server looks up
	}
	out := []common.Hash{}
	for range a.IntN(most + 1) {
		switch {
		case a.oneIn(12):
			out = append(out, a.hash())
		case a.oneIn(12):
			out = append(out, special)
		default:
			out = append(out, pick(a, list))
		}
	}
	return out
}

func (a *asker) storage() query {
	var accounts []common.Hash
	switch a.IntN(4) {
	case 0:
		accounts = []common.Hash{pick(a, a.contracts)}
	case 1:
		accounts = a.some(a.accounts, 3, common.Hash{})
		accounts = accounts[:min(len(accounts), wire.MaxStorageAccounts)] // the gateway asks a node for no more
	default:
		for range a.IntN(20) {
			accounts = append(accounts, pick(a, a.contracts))
		}
		if a.oneIn(4) {
			accounts = append(accounts, pick(a, a.accounts))
		}
	}
	slots := a.accounts
	if len(accounts) > 0 && len(a.slots[accounts[0]]) > 0 {
		slots = a.slots[accounts[0]]
	}
	bound := func() []byte {
		if a.oneIn(2) {
			return []byte{}
		}
		return a.key(slots).Bytes()
	}
	return query{"storage", wire.GetStorageRangesCode, []any{a.state(), accounts, bound(), bound(), a.bytes()}}
}

func (a *asker) pathSets() [][][]byte {
	sets := [][][]byte{}
	most := 8
	if a.oneIn(60) {
		most = 600
	}
	for range a.IntN(most + 1) {
		if a.oneIn(2) {
			sets = append(sets, [][]byte{a.path(a.accounts)})
			continue
		}
		account := pick(a, a.contracts)
		switch {
		case a.oneIn(10):
			account = a.hash()
		case a.oneIn(10):
			account = pick(a, a.accounts)
		}
		first := account.Bytes()
		switch {
		case a.oneIn(30):
			first = first[1:]
		case a.oneIn(30):
			first = append([]byte{7}, first...)
		case a.oneIn(30):
			first = []byte{}
		}
		slots := a.slots[account]
		if len(slots) == 0 {
			slots = a.accounts
		}
		set := [][]byte{first}
		for range 1 + a.IntN(6) {
			set = append(set, a.path(slots))
		}
		sets = append(sets, set)
	}
	return sets
}

// path is a path towards a leaf. It is mostly short, where nodes are, and sometimes invalid.
func (a *asker) path(leaves []common.Hash) []byte {
	key := pick(a, leaves)
	if a.oneIn(5) {
		key = a.hash()
	}
	length := a.IntN(6)
	if a.oneIn(6) {
		length = a.IntN(65)
	}
	switch {
	case a.oneIn(25):
		return []byte{}
	case a.oneIn(25):
		odd := a.hash().Bytes()
		return append([]byte{byte(a.Uint32())}, odd[:a.IntN(len(odd))]...) // any flags
	case a.oneIn(40):
		return append(append([]byte{0}, key[:]...), 1, 2, 3) // longer than a leaf's
	}
	return compact(key, length)
}

// compact is the hex-prefix form of a key's first nibbles.
func compact(key common.Hash, length int) []byte {
	if length%2 == 0 {
		return append([]byte{0}, key[:length/2]...)
	}
	out := []byte{0x10 | key[0]>>4}
	for i := 1; i < length; i += 2 {
		out = append(out, key[i/2]<<4|key[i/2+1]>>4)
	}
	return out
}
