package testnode

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

// maxImported bounds the blocks of a file, because they are all in memory at once. A node has the
// states of its last 128 blocks in memory, and answers for all of them only if a chain is not
// longer than that.
const maxImported = 127

// ReadGenesis reads a genesis in go-ethereum's own format, with the chain's config. Such a chain is
// served exactly as it is: see Config.Network.
func ReadGenesis(r io.Reader) (*core.Genesis, error) {
	genesis := new(core.Genesis)
	if err := json.NewDecoder(r).Decode(genesis); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	if genesis.Config == nil || genesis.Config.ChainID == nil {
		return nil, errors.New("genesis: no config with a chainId")
	}
	if !genesis.Config.ChainID.IsUint64() {
		return nil, fmt.Errorf("genesis: the chainId %v is no network id", genesis.Config.ChainID)
	}
	return genesis, nil
}

// ReadBlocks reads blocks as `geth export` writes them: their RLP, one after another. The genesis
// block may be among them.
func ReadBlocks(r io.Reader) (types.Blocks, error) {
	var blocks types.Blocks
	for stream := rlp.NewStream(r, 0); ; {
		block := new(types.Block)
		err := stream.Decode(block)
		switch {
		case errors.Is(err, io.EOF):
			return blocks, nil
		case err != nil:
			return nil, fmt.Errorf("block %d of the file: %w", len(blocks)+1, err)
		case block.NumberU64() == 0:
			continue
		case len(blocks) == maxImported:
			return nil, fmt.Errorf("more than %d blocks: the node would not have all their states", maxImported)
		}
		blocks = append(blocks, block)
	}
}

// importBlocks has the node execute blocks on its genesis. The last one is then its newest, its
// safe and its finalized block, as after a word of a consensus client.
func (n *Node) importBlocks(blocks types.Blocks) error {
	chain := n.Chain()
	if _, err := chain.InsertChain(blocks); err != nil {
		return fmt.Errorf("the blocks: %w", err)
	}
	head, last := chain.CurrentBlock(), blocks[len(blocks)-1]
	if head.Hash() != last.Hash() {
		return fmt.Errorf("block %d did not become the newest: that is block %v", last.NumberU64(), head.Number)
	}
	chain.SetSafe(head)
	chain.SetFinalized(head)
	// Until then, go-ethereum takes itself for a node that still catches up.
	n.eth.SetSynced()
	return nil
}
