package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth/protocols/snap"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/trie/trienode"
)

// owned is an account that is exported.
type owned struct {
	types.StateAccount
	slots map[common.Hash][]byte // RLP of values, by the hash of the key
	code  []byte
}

// world is a state that is easy to change.
type world map[common.Hash]*owned

func sortedKeys[V any](of map[common.Hash]V) []common.Hash {
	keys := make([]common.Hash, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, common.Hash.Cmp)
	return keys
}

// newWorld has a contract with many slots, a few contracts with some slots, and accounts without
// slots.
func newWorld(random *rand.Rand, accounts, hugeSlots int) world {
	w := make(world)
	for i := range accounts {
		account := &owned{StateAccount: *types.NewEmptyStateAccount(), slots: make(map[common.Hash][]byte)}
		account.Nonce = random.Uint64N(100)
		account.Balance.SetUint64(random.Uint64())
		slots := 0
		switch {
		case i == 0:
			slots = hugeSlots
		case i%4 == 0:
			slots = i % 40
		}
		for range slots {
			account.slots[anyHash(random)] = anyValue(random)
		}
		if i%4 == 0 {
			account.code = fmt.Appendf(nil, "code %d", i%64)
		}
		w[anyHash(random)] = account
	}
	return w
}

func anyHash(random *rand.Rand) (hash common.Hash) {
	for at := 0; at < len(hash); at += 8 {
		binary.BigEndian.PutUint64(hash[at:], random.Uint64())
	}
	return hash
}

func anyValue(random *rand.Rand) []byte {
	value, _ := rlp.EncodeToBytes(random.Uint64() | 1)
	return value
}

// export writes the world as the native peer would, with roots computed by go-ethereum's StackTrie.
func (w world) export(t *testing.T) []byte {
	t.Helper()
	var body bytes.Buffer
	put := func(b []byte) {
		binary.Write(&body, binary.LittleEndian, uint32(len(b)))
		body.Write(b)
	}
	codes, slots, accounts := make(map[common.Hash][]byte), 0, trie.NewStackTrie(nil)
	for _, key := range sortedKeys(w) {
		account := w[key]
		storage := trie.NewStackTrie(nil)
		for _, slot := range sortedKeys(account.slots) {
			storage.Update(slot[:], account.slots[slot])
		}
		account.Root = storage.Hash()
		if len(account.code) > 0 {
			hash := crypto.Keccak256Hash(account.code)
			account.CodeHash, codes[hash] = hash[:], account.code
		}
		full, err := rlp.EncodeToBytes(&account.StateAccount)
		if err != nil {
			t.Fatal(err)
		}
		accounts.Update(key[:], full)
		body.Write(key[:])
		put(types.SlimAccountRLP(account.StateAccount))
		binary.Write(&body, binary.LittleEndian, uint32(len(account.slots)))
		for _, slot := range sortedKeys(account.slots) {
			body.Write(slot[:])
			put(account.slots[slot])
			slots++
		}
	}
	for _, hash := range sortedKeys(codes) {
		put(codes[hash])
	}
	head := append([]byte(exportMagic), accounts.Hash().Bytes()...)
	for _, count := range []int{len(w), slots, len(codes)} {
		head = binary.LittleEndian.AppendUint64(head, uint64(count))
	}
	return append(head, body.Bytes()...)
}

func (w world) state(t *testing.T) *State {
	t.Helper()
	file := w.export(t)
	state, err := readState(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestAnExportIsReadAndEveryRootAndCountOfItChecked(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(1, 1)), 200, 300)
	state := w.state(t)
	counts := state.Counts()
	if counts.Accounts != 200 || counts.Slots < 300 || counts.Codes != 16 {
		t.Errorf("%+v", counts)
	}
	file := w.export(t)
	for name, spoil := range map[string]func([]byte) []byte{
		"no export":                   func(b []byte) []byte { b[0]++; return b },
		"the file names":              func(b []byte) []byte { b[8]++; return b },
		"more is announced":           func(b []byte) []byte { b[46]++; return b },
		"are announced":               func(b []byte) []byte { b[48]++; return b },
		"its body names":              func(b []byte) []byte { return spoilSlot(b, state) },
		"unexpected EOF":              func(b []byte) []byte { return b[:len(b)-1] },
		"more than an export":         func(b []byte) []byte { return append(b, 0) },
		"for one body, value or code": func(b []byte) []byte { b[8+32+24+32+3]++; return b },
	} {
		spoilt := spoil(bytes.Clone(file))
		_, err := readState(bytes.NewReader(spoilt), int64(len(spoilt)))
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q is what should be said, but it is %v", name, err)
		}
	}
}

// spoilSlot changes the last byte of the first slot's value.
func spoilSlot(file []byte, state *State) []byte {
	at := bytes.Index(file, state.slotKeys[0][:])
	file[at+32+4+len(state.slotValues.get(0))-1]++
	return file
}

// verify checks an answer as the syncer does, and returns whether there are more leaves behind it.
// Without a proof, the answer must be complete.
func verify(t *testing.T, root, origin common.Hash, keys []common.Hash, values, proof [][]byte) (more bool) {
	t.Helper()
	var plain [][]byte
	for i := range keys {
		plain = append(plain, keys[i][:])
	}
	var err error
	if proof == nil {
		more, err = trie.VerifyRangeProof(root, nil, plain, values, nil)
	} else {
		var list trienode.ProofList
		for _, node := range proof {
			list = append(list, node)
		}
		more, err = trie.VerifyRangeProof(root, origin[:], plain, values, list.Set())
	}
	if err != nil {
		t.Fatal(err)
	}
	return more
}

func next(key common.Hash) common.Hash {
	return common.BigToHash(new(big.Int).Add(key.Big(), common.Big1))
}

func (s *State) storageRoot(t *testing.T, account common.Hash) common.Hash {
	t.Helper()
	at, ok := find(s.keys, account)
	if !ok {
		t.Fatal("no such account")
	}
	body, err := types.FullAccount(s.slim.get(at))
	if err != nil {
		t.Fatal(err)
	}
	return body.Root
}

func TestAccountsAreAnsweredInPartsThatVerify(t *testing.T) {
	state := newWorld(rand.New(rand.NewPCG(2, 2)), 300, 20).state(t)
	var got []common.Hash
	for origin, more := (common.Hash{}), true; more; {
		keys, slim, proof := state.Range(origin, common.MaxHash, 2000)
		full, err := expand(slim)
		if err != nil {
			t.Fatal(err)
		}
		more = verify(t, state.Root, origin, keys, full, proof)
		got = append(got, keys...)
		origin = next(keys[len(keys)-1])
	}
	if !slices.Equal(got, state.keys) {
		t.Errorf("%d of %d accounts", len(got), len(state.keys))
	}
	keys, _, _ := state.Range(state.keys[5], state.keys[7], 1<<20)
	if !slices.Equal(keys, state.keys[5:8]) {
		t.Errorf("%d accounts instead of three", len(keys))
	}
	keys, _, proof := state.Range(next(state.keys[299]), common.MaxHash, 1<<20)
	if verify(t, state.Root, next(state.keys[299]), keys, nil, proof) || len(keys) > 0 {
		t.Error("there is something behind the last account")
	}
}

func TestStoragesAreAnsweredWholeOrCutAndProven(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(3, 3)), 300, 2000)
	state := w.state(t)
	var with []common.Hash
	for _, key := range state.keys {
		if len(w[key].slots) > 0 {
			with = append(with, key)
		}
	}
	keys, values, proof := state.Slots(with, nil, nil, 1<<30)
	if len(keys) != len(with) || proof != nil {
		t.Fatalf("%d of %d storages, and %d nodes", len(keys), len(with), len(proof))
	}
	for i := range keys {
		verify(t, state.storageRoot(t, with[i]), common.Hash{}, keys[i], values[i], nil)
	}

	huge := state.keys[state.largest()]
	at := slices.Index(with, huge)
	keys, values, proof = state.Slots(with, nil, nil, 30_000+at*1000)
	last := len(keys) - 1
	if with[last] != huge || len(proof) == 0 {
		t.Fatalf("the storage that is cut should be the largest, but it is %d of %d", last, at)
	}
	if !verify(t, state.storageRoot(t, huge), common.Hash{}, keys[last], values[last], proof) {
		t.Error("nothing is behind the cut")
	}
	got := slices.Clone(keys[last])
	for more := true; more; {
		origin := next(got[len(got)-1])
		keys, values, proof = state.Slots([]common.Hash{huge, with[0]}, origin[:], common.MaxHash[:], 10_000)
		if len(keys) != 1 || len(proof) == 0 {
			t.Fatalf("%d storages from an origin on, and %d nodes", len(keys), len(proof))
		}
		more = verify(t, state.storageRoot(t, huge), origin, keys[0], values[0], proof)
		got = append(got, keys[0]...)
	}
	if len(got) != 2000 {
		t.Errorf("%d of 2000 slots", len(got))
	}
	keys, _, _ = state.Slots([]common.Hash{huge}, got[10][:], got[12][:], 1<<20)
	if !slices.Equal(keys[0], got[10:13]) {
		t.Errorf("%d slots instead of three", len(keys[0]))
	}
	behind := next(got[1999])
	keys, values, proof = state.Slots([]common.Hash{huge}, behind[:], nil, 1<<20)
	if len(keys) > 0 || verify(t, state.storageRoot(t, huge), behind, nil, nil, proof) {
		t.Error("there is something behind the last slot")
	}
	if keys, _, proof = state.Slots([]common.Hash{{}}, nil, nil, 1<<20); keys != nil || proof != nil {
		t.Error("an account that is not there has slots")
	}
}

func TestNodesOfAllTriesAreAnsweredByPath(t *testing.T) {
	state := newWorld(rand.New(rand.NewPCG(4, 4)), 300, 2000).state(t)
	huge := state.keys[state.largest()]
	root := []byte{0}
	nodes := state.Nodes([]snap.TrieNodePathSet{{root}, {huge[:], root, {0x15}, {0, 0xff, 0xff, 0xff, 0xff}}, {make([]byte, 32), root}}, 1<<20)
	if len(nodes) != 5 {
		t.Fatalf("%d nodes instead of five", len(nodes))
	}
	if crypto.Keccak256Hash(nodes[0]) != state.Root || crypto.Keccak256Hash(nodes[1]) != state.storageRoot(t, huge) {
		t.Error("the roots are others")
	}
	if len(nodes[2]) == 0 || len(nodes[3]) > 0 || len(nodes[4]) > 0 {
		t.Error("a node should be there, and two should not")
	}
}

// change changes a world as blocks do.
func (w world) change(random *rand.Rand) {
	for i, key := range sortedKeys(w) {
		account := w[key]
		slots := sortedKeys(account.slots)
		switch {
		case i%30 == 0:
			delete(w, key)
			w[anyHash(random)] = account
		case i%30 == 1:
			account.Nonce++
		case i%30 == 2:
			clear(account.slots)
		case i%30 == 3:
			account.code = fmt.Appendf(nil, "another code %d", i)
		case i%3 == 0 && len(slots) > 0:
			account.slots[slots[0]] = anyValue(random)
			account.slots[anyHash(random)] = anyValue(random)
			delete(account.slots, slots[len(slots)-1])
		}
	}
}

func TestGoEthereumSyncsAStateAndHealsToAnotherOne(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	// So many slots that the huge contract takes several answers at the same time.
	w := newWorld(random, 3000, 40_000)
	states := []*State{w.state(t), nil}
	w.change(random)
	states[1] = w.state(t)
	all := func(int) bool { return true }

	db := rawdb.NewMemoryDatabase()
	fresh, err := syncInto(db, states, Order{Cores: 1, State: 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSome(db, states[1], all); err != nil {
		t.Error(err)
	}
	if fresh.Counts != states[1].Counts() || fresh.Bytes < 40*int64(fresh.Slots) || fresh.Requests < 10 || fresh.Seconds <= 0 {
		t.Errorf("%+v", fresh)
	}
	db = rawdb.NewMemoryDatabase()
	first := 0
	heal, err := syncInto(db, states, Order{Cores: 1, State: 1, Over: &first}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSome(db, states[1], all); err != nil {
		t.Error(err)
	}
	if heal.Bytes >= fresh.Bytes || heal.Nodes < 100 {
		t.Errorf("%+v after %+v", heal, fresh)
	}
	// The check only finds the state because it was synced: on an empty database it fails.
	code := states[1].codeKeys[0]
	rawdb.DeleteCode(db, code)
	if err := checkSome(db, states[1], all); err == nil || !strings.Contains(err.Error(), "code") {
		t.Errorf("a code is missing, and what is said is %v", err)
	}
	if err := check(db, states[0]); err == nil {
		t.Error("the old state should be gone")
	}
}

func TestASyncOnDiskLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	states := []*State{newWorld(rand.New(rand.NewPCG(6, 6)), 200, 300).state(t)}
	for range 2 {
		if _, err := Sync(states, Order{Cores: 2}, 1); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	for _, order := range []Order{{Cores: 0}, {Cores: 1, State: 1}, {Cores: 1, Over: new(int)}} {
		if order.Over != nil {
			*order.Over = -1
		}
		if _, err := Sync(states, order, 1); err == nil {
			t.Errorf("%+v was done", order)
		}
	}
}
