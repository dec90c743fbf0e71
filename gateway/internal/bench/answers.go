package bench

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/eth/protocols/snap"
)

// lastHash is the last key of every trie.
var lastHash = common.MaxHash

// Range answers as a node does: the accounts from origin on until limit or until this many bytes,
// and the proof of both ends. There is at least one account. If there is none up to the limit, it
// is the first one behind it.
func (s *State) Range(origin, limit common.Hash, size int) (keys []common.Hash, slim, proof [][]byte) {
	at, _ := find(s.keys, origin)
	start := at
	for weight := 0; at < len(s.keys); at++ {
		body := s.slim.get(at)
		slim = append(slim, body)
		if weight += 32 + len(body); weight > size || s.keys[at].Cmp(limit) >= 0 {
			at++
			break
		}
	}
	keys = s.keys[start:at:at]
	proof = s.nodes.prove(s.accountNodes, origin, nil)
	if len(keys) > 0 {
		proof = s.nodes.prove(s.accountNodes, keys[len(keys)-1], proof)
	}
	return keys, slim, proof
}

// sliceSlack is the part by which an answer of slots may exceed the asked size, so that a storage
// need not be cut.
const sliceSlack = 10

// Slots answers as a node does: the slots of several accounts, complete and without a proof as long
// as they fit. Origin and limit are for the first account, if they are given. A storage that is
// cut, or that does not begin at its first slot, is the last one and has a proof.
func (s *State) Slots(accounts []common.Hash, origin, limit []byte, size int) (keys [][]common.Hash, values [][][]byte, proof [][]byte) {
	weight := 0
	for _, account := range accounts {
		at, ok := find(s.keys, account)
		if !ok || weight >= size {
			break
		}
		from, to := common.BytesToHash(origin), lastHash
		if len(limit) > 0 {
			to = common.BytesToHash(limit)
		}
		origin, limit = nil, nil
		first, end := s.slotStart(at), s.slotEnds[at]
		skipped, _ := find(s.slotKeys[first:end], from)
		slot, isCut := first+skipped, false
		start := slot
		var found [][]byte
		for ; slot < end && !isCut; slot++ {
			value := s.slotValues.get(slot)
			found = append(found, value)
			weight += 32 + len(value)
			isCut = slot+1 < end && (weight >= size+size/sliceSlack || s.slotKeys[slot].Cmp(to) >= 0)
		}
		if slot > start {
			keys, values = append(keys, s.slotKeys[start:slot:slot]), append(values, found)
		}
		if from != (common.Hash{}) || isCut {
			proof = s.nodes.prove(s.storageNodes[at], from, nil)
			if slot > start {
				proof = s.nodes.prove(s.storageNodes[at], s.slotKeys[slot-1], proof)
			}
			return keys, values, proof
		}
	}
	return keys, values, nil
}

// Code returns the code with this hash, or nil.
func (s *State) Code(hash common.Hash) []byte {
	if at, ok := find(s.codeKeys, hash); ok {
		return s.codes.get(at)
	}
	return nil
}

// Nodes returns the nodes of all tries at these paths, empty where there is none, until this many
// bytes.
func (s *State) Nodes(sets []snap.TrieNodePathSet, size int) (blobs [][]byte) {
	weight := 0
	add := func(in part, path []byte) {
		blob := s.nodes.find(in, nibbles(path))
		blobs = append(blobs, blob)
		weight += len(blob)
	}
	for _, set := range sets {
		if weight >= size || len(set) == 0 {
			break
		}
		if len(set) == 1 {
			add(s.accountNodes, set[0])
			continue
		}
		at, ok := find(s.keys, common.BytesToHash(set[0]))
		for _, path := range set[1:] {
			if ok {
				add(s.storageNodes[at], path)
			} else {
				add(part{}, path)
			}
		}
	}
	return blobs
}

// nibbles decodes the hex-prefix form.
func nibbles(compact []byte) []byte {
	var out []byte
	if len(compact) > 0 && compact[0]&0x10 != 0 {
		out = append(out, compact[0]&15)
	}
	for _, b := range compact[min(1, len(compact)):] {
		out = append(out, b>>4, b&15)
	}
	return out
}
