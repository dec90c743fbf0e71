package wire

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Codes of eth/66 that eth/69 has not got, relative to the capability's first id. GetNodeData and
// NodeData (devp2p's caps/eth.md, before EIP-4938 removed them) are all that a connection by hash
// is for.
const (
	NewBlockHashesCode = 0x01
	NewBlockCode       = 0x07
	GetNodeDataCode    = 0x0d
	NodeDataCode       = 0x0e
	Eth66Length        = 17 // how many ids eth/66 has
	Eth66Version       = 66
)

// MaxNodeDataHashes is how many hashes a request for node data may have. go-ethereum sends no more
// items in an answer.
const MaxNodeDataHashes = 1024

// nodeDataProbable is how many bytes of an answer are reserved for each hash before it is known: a
// trie node has at most 532 bytes and 3 more of RLP. Codes are longer, and fewer.
const nodeDataProbable = 535

// status66Fields is the Status of eth/66.
type status66Fields struct {
	Version, NetworkID uint64
	Difficulty         *big.Int
	LatestHash         common.Hash
	Genesis            common.Hash
	ForkID             ForkID
}

// maxDifficultyBits is what 32 bytes hold.
const maxDifficultyBits = 256

func parseStatus66(payload []byte) (Status, error) {
	var f status66Fields
	err := rlp.DecodeBytes(payload, &f)
	if err == nil && f.Difficulty.BitLen() > maxDifficultyBits {
		err = fmt.Errorf("a total difficulty of %d bits", f.Difficulty.BitLen())
	}
	if err != nil {
		return Status{}, fmt.Errorf("%w: Status: %v", ErrMalformed, err)
	}
	return Status{
		Version: f.Version, NetworkID: f.NetworkID, Genesis: f.Genesis, ForkID: f.ForkID,
		BlockRange: BlockRange{LatestHash: f.LatestHash}, Difficulty: f.Difficulty,
	}, nil
}

// announcement is one block of a NewBlockHashes.
type announcement struct {
	Hash   common.Hash
	Number uint64
}

// NewBlockHashes returns the message's fields for one block, the newest.
func NewBlockHashes(newest BlockRange) any {
	return []announcement{{newest.LatestHash, newest.Latest}}
}

// ParseNewBlockHashes reads a NewBlockHashes's payload and returns the block with the highest
// number. It returns false if the message names no block.
func ParseNewBlockHashes(payload []byte) (newest BlockRange, any bool, err error) {
	var blocks []announcement
	if err := rlp.DecodeBytes(payload, &blocks); err != nil {
		return newest, false, fmt.Errorf("%w: NewBlockHashes: %v", ErrMalformed, err)
	}
	for _, block := range blocks {
		if !any || block.Number > newest.Latest {
			newest, any = BlockRange{Latest: block.Number, LatestHash: block.Hash}, true
		}
	}
	return newest, any, nil
}

// numberAt is the place of the block's number among a header's fields, from 0.
const numberAt = 8

// ParseNewBlock reads which block a NewBlock brings. Its hash is computed, and nothing else of it is
// looked at.
func ParseNewBlock(payload []byte) (BlockRange, error) {
	malformed := fmt.Errorf("%w: NewBlock", ErrMalformed)
	content, _, err := rlp.SplitList(payload)
	if err != nil {
		return BlockRange{}, malformed
	}
	block, _, err := rlp.SplitList(content)
	if err != nil {
		return BlockRange{}, malformed
	}
	fields, rest, err := rlp.SplitList(block)
	if err != nil {
		return BlockRange{}, malformed
	}
	header := block[:len(block)-len(rest)]
	for range numberAt {
		if _, _, fields, err = rlp.Split(fields); err != nil {
			return BlockRange{}, malformed
		}
	}
	number, _, err := rlp.SplitUint64(fields)
	if err != nil {
		return BlockRange{}, malformed
	}
	return BlockRange{Latest: number, LatestHash: crypto.Keccak256Hash(header)}, nil
}

// ParseNodeDataRequest reads a GetNodeData. The Request refers to parts of the payload.
func ParseNodeDataRequest(payload []byte) (Request, error) {
	r, rest, err := begin(Eth, GetNodeDataCode, payload)
	if err != nil {
		return r, err
	}
	malformed := func(why any) error { return fmt.Errorf("%w: %s request: %v", ErrMalformed, r.Kind(), why) }
	counted := func(b []byte) ([]byte, error) {
		r.Items++
		return hash(b)
	}
	if rest, err = listOf(counted)(rest); err != nil {
		return r, malformed(err)
	}
	if len(rest) > 0 {
		return r, malformed("its end")
	}
	if r.Items > MaxNodeDataHashes {
		return r, malformed(fmt.Sprintf("%d hashes", r.Items))
	}
	r.Expected = min(r.Items*nodeDataProbable, answerCap) + listSlack
	// A request for bytecodes looks the same as one for trie nodes.
	r.Spare = max(0, min(r.Items*codeProbable, answerCap+codeProbable)-r.Items*nodeDataProbable)
	return r, nil
}
