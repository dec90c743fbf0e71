package testnode

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/protocols/snap"
	"github.com/ethereum/go-ethereum/params"
)

func TestAllocSurvivesItsFile(t *testing.T) {
	alloc := Generate(Recipe{Accounts: 20, Contracts: 7, HugeSlots: 100, Seed: 3})
	var file bytes.Buffer
	if err := WriteAlloc(&file, alloc); err != nil {
		t.Fatal(err)
	}
	again, err := ReadAlloc(&file)
	if err != nil {
		t.Fatal(err)
	}
	if root(alloc) != root(again) {
		t.Fatal("another state came back")
	}
}

func TestAllocReadsWhatTheNativePeerReads(t *testing.T) {
	const address = "0x1111111111111111111111111111111111111111"
	alloc, err := ReadAlloc(strings.NewReader(`{"alloc": {
		"1111111111111111111111111111111111111111":
			{"balance": "0x100", "nonce": 7, "code": "6001", "storage": {"0x1": "1234", "2": "0x0"}, "secretKey": 1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := alloc[common.HexToAddress(address)]
	if got.Balance.Int64() != 256 || got.Nonce != 7 || !bytes.Equal(got.Code, []byte{0x60, 1}) ||
		!reflect.DeepEqual(got.Storage, map[common.Hash]common.Hash{{31: 1}: {30: 0x12, 31: 0x34}}) {
		t.Fatalf("%+v", got)
	}
	for _, bad := range []string{
		``, `[]`, `{"0x11": {}}`, `{"` + address + `": {"balance": -1}}`, `{"` + address + `": {"nonce": "0x10000000000000000"}}`,
		`{"` + address + `": {"code": "0xx"}}`, `{"` + address + `": {"storage": {"0xg": "1"}}}`,
	} {
		if _, err := ReadAlloc(strings.NewReader(bad)); err == nil {
			t.Errorf("took %s", bad)
		}
	}
}

func TestBlocksChangeTheState(t *testing.T) {
	for _, config := range []Config{{Scheme: "path"}, {Scheme: "hash"}, {Amsterdam: true}} {
		config.Seed = 5
		config.Alloc = Generate(Recipe{Accounts: 100, Contracts: 10, Seed: 5})
		node, err := Start(config)
		if err != nil {
			t.Fatal(err)
		}
		before := node.Head()
		if before.Root != root(node.Alloc()) {
			t.Error("the written genesis is not the served one")
		}
		var created, wrote int
		for range 5 {
			block, err := node.MakeBlock()
			if err != nil {
				t.Fatal(err)
			}
			if block.ParentRoot != before.Root || block.Root == before.Root {
				t.Errorf("block %d does not follow", block.Number)
			}
			before = block
			receipts := node.Chain().GetReceiptsByHash(block.Hash)
			for _, receipt := range receipts {
				if receipt.ContractAddress != (common.Address{}) {
					created++
				} else if receipt.GasUsed > params.TxGas {
					wrote++
				}
				if receipt.Status != types.ReceiptStatusSuccessful {
					t.Errorf("a transaction of block %d failed", block.Number)
				}
			}
		}
		if created != 5*creations || wrote < 5*writes {
			t.Errorf("%d contracts created, %d written to", created, wrote)
		}
		_, proof := snap.ServiceGetAccountRangeQuery(node.Chain(), &snap.GetAccountRangePacket{Root: before.Root, Limit: common.MaxHash})
		if len(proof) == 0 {
			t.Error("the head is not served")
		}
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTheSameSeedGivesTheSameBlocks(t *testing.T) {
	var roots [2]common.Hash
	for i := range roots {
		node, err := Start(Config{Seed: 9, Alloc: Generate(Recipe{Accounts: 10, Contracts: 3, Seed: 9})})
		if err != nil {
			t.Fatal(err)
		}
		defer node.Close()
		// The first block's transactions do not use the time, but system contracts do.
		if _, err := node.MakeBlock(); err != nil {
			t.Fatal(err)
		}
		roots[i] = node.Chain().GetBlockByNumber(1).TxHash()
	}
	if roots[0] != roots[1] {
		t.Error("other transactions")
	}
}

func TestBlocksAfterARewindAreOthers(t *testing.T) {
	for _, scheme := range []string{"path", "hash"} {
		node, err := Start(Config{Seed: 6, Scheme: scheme, Alloc: Generate(Recipe{Accounts: 20, Contracts: 4, Seed: 6})})
		if err != nil {
			t.Fatal(err)
		}
		defer node.Close()
		var old []Block
		for range 6 {
			block, err := node.MakeBlock()
			if err != nil {
				t.Fatal(err)
			}
			old = append(old, block)
		}
		if err := node.eth.APIBackend.SetHead(3); err != nil {
			t.Fatal(err)
		}
		for number := uint64(4); number <= 7; number++ {
			block, err := node.MakeBlock()
			if err != nil {
				t.Fatal(err)
			}
			if block.Number != number {
				t.Fatalf("block %d instead of %d", block.Number, number)
			}
			if number <= 6 && block.Root == old[number-1].Root {
				t.Errorf("%s: block %d has the same state again", scheme, number)
			}
			if receipts := node.Chain().GetReceiptsByHash(block.Hash); len(receipts) < transfersToOld {
				t.Errorf("%s: block %d has %d transactions", scheme, number, len(receipts))
			}
		}
	}
}

func root(alloc types.GenesisAlloc) common.Hash {
	genesis := core.Genesis{Config: params.AllDevChainProtocolChanges, Alloc: alloc}
	return genesis.ToBlock().Root()
}
