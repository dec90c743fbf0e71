// Package bench measures go-ethereum and the gateway, for comparison with the browser. It uses
// states that the native peer exports and answers that the wasm benchmark exports, so that both
// sides work on the same bytes.
package bench

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"
)

// State is a whole state with all its trie nodes. It has almost no pointers, because Go's garbage
// collector would walk them again and again during the measurement. Its size is bounded by the file
// that it was read from.
type State struct {
	Root common.Hash

	keys []common.Hash // hashes of addresses, ascending
	slim arena         // bodies, in the same order

	slotEnds   []int // for each account, where its slots end
	slotKeys   []common.Hash
	slotValues arena

	accountNodes part
	storageNodes []part // one for each account
	nodes        nodes

	codeKeys []common.Hash // ascending
	codes    arena
}

// Counts say how much a state contains.
type Counts struct {
	Accounts int `json:"accounts"`
	Slots    int `json:"slots"`
	Codes    int `json:"codes"`
}

// Counts returns the state's counts.
func (s *State) Counts() Counts { return Counts{len(s.keys), len(s.slotKeys), len(s.codeKeys)} }

// arena is many byte strings in one slice.
type arena struct {
	bytes []byte
	ends  []int
}

func (a *arena) add(b []byte) {
	a.bytes = append(a.bytes, b...)
	a.ends = append(a.ends, len(a.bytes))
}

func (a *arena) get(i int) []byte {
	start := 0
	if i > 0 {
		start = a.ends[i-1]
	}
	return a.bytes[start:a.ends[i]:a.ends[i]]
}

// nodes are the nodes of many tries, one trie after the other, each sorted by packed path.
type nodes struct {
	paths []uint64
	blobs arena
}

// part is one trie's part of the nodes.
type part struct{ start, end int }

// find returns the node at a path of nibbles, or nil.
func (n *nodes) find(in part, path []byte) []byte {
	packed, ok := pack(path)
	if !ok {
		return nil
	}
	at, found := slices.BinarySearch(n.paths[in.start:in.end], packed)
	if !found {
		return nil
	}
	return n.blobs.get(in.start + at)
}

// prove adds the nodes on the way to a key to a proof, which may have some of them already.
func (n *nodes) prove(in part, key common.Hash, proof [][]byte) [][]byte {
	var path [maxDepth]byte
	for depth := range maxDepth {
		blob := n.find(in, path[:depth])
		if blob != nil && !slices.ContainsFunc(proof, func(b []byte) bool { return bytes.Equal(b, blob) }) {
			proof = append(proof, blob)
		}
		path[depth] = key[depth/2] >> 4
		if depth%2 == 1 {
			path[depth] = key[depth/2] & 15
		}
	}
	return proof
}

// maxDepth is how many nibbles a packed path has at most. A million accounts need about ten.
const maxDepth = 14

// pack turns a path into a number. Different paths give different numbers.
func pack(path []byte) (uint64, bool) {
	packed := uint64(len(path))
	for _, nibble := range path[:min(len(path), maxDepth)] {
		packed = packed<<4 | uint64(nibble)
	}
	return packed, len(path) <= maxDepth
}

// grower makes the nodes of one trie after another.
type grower struct {
	nodes *nodes
	fresh nodes // of the trie that is being made, in the order of their making
	order []int
	deep  bool
}

// grow makes the trie of leaves with ascending keys.
func (g *grower) grow(count int, leaf func(i int) (key common.Hash, value []byte, err error)) (root common.Hash, made part, err error) {
	g.fresh.paths, g.fresh.blobs.bytes, g.fresh.blobs.ends = g.fresh.paths[:0], g.fresh.blobs.bytes[:0], g.fresh.blobs.ends[:0]
	tr := trie.NewStackTrie(func(path []byte, _ common.Hash, blob []byte) {
		packed, ok := pack(path)
		g.deep = g.deep || !ok
		g.fresh.paths = append(g.fresh.paths, packed)
		g.fresh.blobs.add(blob)
	})
	for i := range count {
		key, value, err := leaf(i)
		if err != nil {
			return root, made, err
		}
		if err := tr.Update(key[:], value); err != nil {
			return root, made, err
		}
	}
	root = tr.Hash()
	if g.deep {
		return root, made, fmt.Errorf("a node below a depth of %d", maxDepth)
	}
	g.order = g.order[:0]
	for i := range g.fresh.paths {
		g.order = append(g.order, i)
	}
	slices.SortFunc(g.order, func(a, b int) int { return cmp.Compare(g.fresh.paths[a], g.fresh.paths[b]) })
	made.start = len(g.nodes.paths)
	for _, i := range g.order {
		g.nodes.paths = append(g.nodes.paths, g.fresh.paths[i])
		g.nodes.blobs.add(g.fresh.blobs.get(i))
	}
	made.end = len(g.nodes.paths)
	return root, made, nil
}

// growTries makes all tries of what was read, and compares their roots with those in the file.
func (s *State) growTries() error {
	g := grower{nodes: &s.nodes}
	for at := range s.keys {
		account, err := types.FullAccount(s.slim.get(at))
		if err != nil {
			return err
		}
		start := s.slotStart(at)
		root, made, err := g.grow(s.slotEnds[at]-start, func(i int) (common.Hash, []byte, error) {
			return s.slotKeys[start+i], s.slotValues.get(start + i), nil
		})
		if err != nil {
			return err
		}
		if root != account.Root {
			return fmt.Errorf("the slots of %s have the root %s, and its body names %s", s.keys[at], root, account.Root)
		}
		s.storageNodes = append(s.storageNodes, made)
	}
	root, made, err := g.grow(len(s.keys), func(i int) (common.Hash, []byte, error) {
		full, err := types.FullAccountRLP(s.slim.get(i))
		return s.keys[i], full, err
	})
	if err != nil {
		return err
	}
	if root != s.Root {
		return fmt.Errorf("the accounts have the root %s, and the file names %s", root, s.Root)
	}
	s.accountNodes = made
	return nil
}

func (s *State) slotStart(account int) int {
	if account == 0 {
		return 0
	}
	return s.slotEnds[account-1]
}

// find returns the index of the first key that is not below this one, and whether it is equal.
func find(keys []common.Hash, key common.Hash) (int, bool) {
	return slices.BinarySearchFunc(keys, key, common.Hash.Cmp)
}
