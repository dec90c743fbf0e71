package testnode

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/protocols/snap"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
)

// recordings is the Ethereum project's chain for its conformance tests. It is no part of the
// project.
const recordings = "../../../../shared/data/execution-apis"

func TestARecordedChainIsServedAsItIs(t *testing.T) {
	if _, err := os.Stat(recordings); err != nil {
		t.Skipf("the recorded chain is not here: %v", err)
	}
	node := startRecorded(t, open(t, filepath.Join(recordings, "genesis.json")), open(t, filepath.Join(recordings, "chain.rlp")))

	var forkchoice struct {
		Params [2]struct{ HeadBlockHash common.Hash }
	}
	if err := json.Unmarshal(open(t, filepath.Join(recordings, "headfcu.json")), &forkchoice); err != nil {
		t.Fatal(err)
	}
	head := node.Head()
	if head.Number != 54 || head.Hash != forkchoice.Params[0].HeadBlockHash {
		t.Fatalf("the head is block %d, %v", head.Number, head.Hash)
	}
	checkServed(t, node)
}

func TestAnImportedChainIsTheOneThatWasExported(t *testing.T) {
	const blocks = 5
	original, err := Start(Config{Seed: 4, Alloc: Generate(Recipe{Accounts: 30, Contracts: 4, Seed: 4})})
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	genesis, err := json.Marshal(&core.Genesis{
		Config:     original.Chain().Config(),
		GasLimit:   original.Chain().Genesis().GasLimit(),
		Difficulty: original.Chain().Genesis().Difficulty(),
		Alloc:      original.Alloc(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for range blocks {
		if _, err := original.MakeBlock(); err != nil {
			t.Fatal(err)
		}
	}
	var file bytes.Buffer
	if err := original.Chain().ExportN(&file, 0, blocks); err != nil {
		t.Fatal(err)
	}

	node := startRecorded(t, genesis, file.Bytes())
	if node.Chain().Genesis().Hash() != original.Chain().Genesis().Hash() || node.Head() != original.Head() {
		t.Fatalf("%+v instead of %+v", node.Head(), original.Head())
	}
	checkServed(t, node)
	if _, err := node.MakeBlock(); err == nil {
		t.Error("a recorded chain got another block")
	}
}

func TestWhatIsNoChainIsRefused(t *testing.T) {
	for _, bad := range []string{"", "[]", "{}", `{"config": {}}`, `{"config": {"chainId": 18446744073709551616}, "gasLimit": "0x1", "difficulty": "0x1", "alloc": {}}`} {
		if _, err := ReadGenesis(strings.NewReader(bad)); err == nil {
			t.Errorf("took the genesis %s", bad)
		}
	}
	var block bytes.Buffer
	if err := rlp.Encode(&block, types.NewBlockWithHeader(&types.Header{Number: common.Big1, Difficulty: common.Big0})); err != nil {
		t.Fatal(err)
	}
	if blocks, err := ReadBlocks(bytes.NewReader(block.Bytes())); err != nil || len(blocks) != 1 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	for name, bad := range map[string][]byte{
		"half a block":    block.Bytes()[:block.Len()-1],
		"something else":  {0x83, 1, 2, 3},
		"too many blocks": bytes.Repeat(block.Bytes(), maxImported+1),
	} {
		if _, err := ReadBlocks(bytes.NewReader(bad)); err == nil {
			t.Errorf("took %s", name)
		}
	}
}

func open(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func startRecorded(t *testing.T, genesis, blocks []byte) *Node {
	t.Helper()
	var config Config
	var err error
	if config.Network, err = ReadGenesis(bytes.NewReader(genesis)); err != nil {
		t.Fatal(err)
	}
	if config.Blocks, err = ReadBlocks(bytes.NewReader(blocks)); err != nil {
		t.Fatal(err)
	}
	node, err := Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	return node
}

// checkServed checks that JSON-RPC and snap answer for each block of a chain, and that all tags
// name its head.
func checkServed(t *testing.T, node *Node) {
	t.Helper()
	client, err := rpc.Dial(node.RPC())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	head := node.Head()
	for _, tag := range []string{"latest", "safe", "finalized"} {
		var block struct{ Hash common.Hash }
		if err := client.Call(&block, "eth_getBlockByNumber", tag, false); err != nil || block.Hash != head.Hash {
			t.Errorf("%s is %v, %v", tag, block.Hash, err)
		}
	}
	if !node.eth.Synced() {
		t.Error("the node believes that it has to catch up")
	}
	for number := uint64(0); number <= head.Number; number++ {
		header := node.Chain().GetHeaderByNumber(number)
		_, proof := snap.ServiceGetAccountRangeQuery(node.Chain(), &snap.GetAccountRangePacket{Root: header.Root, Limit: common.MaxHash})
		if len(proof) == 0 {
			t.Errorf("snap does not serve block %d", number)
		}
		var answer struct{ AccountProof []string }
		at := rpc.BlockNumberOrHashWithHash(header.Hash(), false)
		if err := client.Call(&answer, "eth_getProof", common.Address{1}, []string{}, at); err != nil || len(answer.AccountProof) == 0 {
			t.Errorf("eth_getProof does not serve block %d: %v", number, err)
		}
	}
}
