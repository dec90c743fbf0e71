// Package bench measures go-ethereum and the gateway, to compare the browser with: on the state that the native peer makes, on the
// answers that the wasm benchmark exports, so that both sides work on the same bytes.
package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
)

// State is a state of plain accounts with all its trie nodes. It holds no pointers to speak of: Go's collector would otherwise walk it again
// and again, on the account of what is measured.
type State struct {
	Root   common.Hash
	keys   []common.Hash
	slim   arena
	nodes  arena
	byPath map[uint64]int32 // of a path, packed, to the node's place
}

// arena is many byte strings in one.
type arena struct {
	bytes []byte
	ends  []uint32
}

func (a *arena) add(b []byte) {
	a.bytes = append(a.bytes, b...)
	a.ends = append(a.ends, uint32(len(a.bytes)))
}

func (a *arena) get(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = a.ends[i-1]
	}
	return a.bytes[start:a.ends[i]]
}

type account struct {
	key  common.Hash
	slim []byte
}

// newState sorts the accounts and makes their trie.
func newState(accounts []account) (*State, error) {
	slices.SortFunc(accounts, func(a, b account) int { return a.key.Cmp(b.key) })
	s := &State{byPath: make(map[uint64]int32)}
	var failed error
	tr := trie.NewStackTrie(func(path []byte, _ common.Hash, blob []byte) {
		packed, ok := pack(path)
		if !ok {
			failed = fmt.Errorf("a node at a depth of %d", len(path))
		}
		s.byPath[packed] = int32(len(s.nodes.ends))
		s.nodes.add(blob)
	})
	for _, a := range accounts {
		full, err := types.FullAccountRLP(a.slim)
		if err != nil {
			return nil, err
		}
		if err := tr.Update(a.key[:], full); err != nil {
			return nil, err
		}
		s.keys = append(s.keys, a.key)
		s.slim.add(a.slim)
	}
	s.Root = tr.Hash()
	return s, failed
}

// maxDepth is how many nibbles a packed path has at most. A million accounts need some ten.
const maxDepth = 14

func pack(path []byte) (uint64, bool) {
	packed := uint64(len(path))
	for _, nibble := range path[:min(len(path), maxDepth)] {
		packed = packed<<4 | uint64(nibble)
	}
	return packed, len(path) <= maxDepth
}

// Len is how many accounts there are.
func (s *State) Len() int { return len(s.keys) }

// Range answers as a node does: accounts from origin on until limit or so many bytes, and the proof of both ends.
func (s *State) Range(origin, limit common.Hash, size int) (keys []common.Hash, slim, proof [][]byte) {
	at := sort.Search(len(s.keys), func(i int) bool { return s.keys[i].Cmp(origin) >= 0 })
	for weight := 0; at < len(s.keys); at++ {
		body := s.slim.get(at)
		keys, slim = append(keys, s.keys[at]), append(slim, body)
		if weight += 32 + len(body); weight > size || s.keys[at].Cmp(limit) >= 0 {
			break
		}
	}
	proof = s.prove(origin, nil)
	if len(keys) > 0 {
		proof = s.prove(keys[len(keys)-1], proof)
	}
	return keys, slim, proof
}

// prove adds the nodes on the way to a key.
func (s *State) prove(key common.Hash, proof [][]byte) [][]byte {
	var path []byte
	for depth := 0; depth <= maxDepth; depth++ {
		if blob := s.Node(path); blob != nil && !slices.ContainsFunc(proof, func(b []byte) bool { return bytes.Equal(b, blob) }) {
			proof = append(proof, blob)
		}
		nibble := key[depth/2] >> 4
		if depth%2 == 1 {
			nibble = key[depth/2] & 15
		}
		path = append(path, nibble)
	}
	return proof
}

// Node is the node at a path of nibbles; nil if there is none.
func (s *State) Node(path []byte) []byte {
	packed, ok := pack(path)
	if !ok {
		return nil
	}
	if at, ok := s.byPath[packed]; ok {
		return s.nodes.get(int(at))
	}
	return nil
}

// Generated is the state that `snaplight-peer --accounts N --seed S` serves, plain accounts only.
func Generated(accounts int, seed uint64) (*State, error) {
	all := make([]account, accounts)
	for i := range all {
		random := newSplitMix(seed, 1, uint64(i))
		var address [24]byte
		for at := 0; at < 24; at += 8 {
			binary.BigEndian.PutUint64(address[at:], random.next())
		}
		random = newSplitMix(seed, 2, uint64(i))
		var balance [16]byte
		binary.BigEndian.PutUint64(balance[:], random.next()>>58)
		binary.BigEndian.PutUint64(balance[8:], random.next())
		random.next() // whether it is a contract
		nonce := random.next()
		nonce >>= 40 + random.next()%24
		slim, err := rlp.EncodeToBytes([]any{nonce, bytes.TrimLeft(balance[:], "\x00"), []byte{}, []byte{}})
		if err != nil {
			return nil, err
		}
		all[i] = account{crypto.Keccak256Hash(address[:20]), slim}
	}
	return newState(all)
}

// splitMix is SplitMix64, kept apart by purpose and index as the native peer does.
type splitMix uint64

func newSplitMix(seed, purpose, index uint64) *splitMix {
	s := splitMix(seed ^ purpose*0xd1b54a32d192ed03)
	s = splitMix(s.next() ^ index*0xa0761d6478bd642f)
	s = splitMix(s.next())
	return &s
}

func (s *splitMix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	mixed := uint64(*s)
	mixed = (mixed ^ mixed>>30) * 0xbf58476d1ce4e5b9
	mixed = (mixed ^ mixed>>27) * 0x94d049bb133111eb
	return mixed ^ mixed>>31
}
