package testnode

import (
	"bytes"
	"crypto/ecdsa"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

// What one block contains: little enough that it is made in milliseconds, and enough that every
// block moves accounts, creates some, creates contracts, and writes and clears storage.
const (
	transfersToOld  = 12
	transfersToNew  = 4
	creations       = 2
	writes          = 4 // contracts that are written to
	slotsAWrite     = 6
	slotsClearedOf  = 3 // every third known slot that is touched is cleared
	transactionTip  = params.GWei
	transactionFee  = 1000 * params.GWei
	transferGas     = 400_000 // Amsterdam charges a lot for new accounts
	callGas         = 2_000_000
	creationGas     = 10_000_000
	rememberedSlots = 512 // of each contract, to be cleared later
)

// blockMaker fills blocks with transactions from a seed.
type blockMaker struct {
	node      *Node
	random    random
	key       *ecdsa.PrivateKey
	signer    types.Signer
	nonce     uint64
	accounts  []common.Address
	contracts []*writable
}

// writable is a contract that stores what it is called with.
type writable struct {
	address common.Address
	slots   []common.Hash
}

func newBlockMaker(n *Node, seed uint64) *blockMaker {
	m := &blockMaker{
		node:   n,
		random: newRandom(seed, "blocks"),
		signer: types.LatestSigner(n.Chain().Config()),
	}
	var faucet common.Address
	m.key, faucet = Faucet(seed)
	// In a fixed order, so that the same seed gives the same blocks.
	for address, account := range n.alloc {
		switch {
		case bytes.HasPrefix(account.Code, writer):
			m.contracts = append(m.contracts, &writable{address, someKeys(account.Storage)})
		case len(account.Code) == 0 && address != faucet:
			m.accounts = append(m.accounts, address)
		}
	}
	slices.SortFunc(m.accounts, common.Address.Cmp)
	slices.SortFunc(m.contracts, func(a, b *writable) int { return a.address.Cmp(b.address) })
	return m
}

func someKeys(storage map[common.Hash]common.Hash) []common.Hash {
	keys := make([]common.Hash, 0, len(storage))
	for key := range storage {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, common.Hash.Cmp)
	return keys[:min(len(keys), rememberedSlots)]
}

// fill puts one block's transactions into the node's pool.
func (m *blockMaker) fill() error {
	faucet := crypto.PubkeyToAddress(m.key.PublicKey)
	// After debug_setHead the pool still believes in the blocks that are gone, and so would we.
	pool := m.node.eth.TxPool()
	if err := pool.Sync(); err != nil {
		return err
	}
	m.nonce = pool.Nonce(faucet)
	var all []*types.Transaction
	add := func(to *common.Address, value int64, gas uint64, data []byte) error {
		tx, err := types.SignNewTx(m.key, m.signer, &types.DynamicFeeTx{
			ChainID:   m.node.Chain().Config().ChainID,
			Nonce:     m.nonce,
			GasTipCap: big.NewInt(transactionTip),
			GasFeeCap: big.NewInt(transactionFee),
			Gas:       gas,
			To:        to,
			Value:     big.NewInt(value),
			Data:      data,
		})
		m.nonce++
		all = append(all, tx)
		return err
	}
	for i := range transfersToOld + transfersToNew {
		to := m.random.address()
		if i < transfersToOld && len(m.accounts) > 0 {
			to = m.accounts[m.random.IntN(len(m.accounts))]
		} else {
			m.accounts = append(m.accounts, to)
		}
		if err := add(&to, 1+m.random.Int64N(params.GWei), transferGas, nil); err != nil {
			return err
		}
	}
	for range writes {
		if len(m.contracts) == 0 {
			break
		}
		contract := m.contracts[m.random.IntN(len(m.contracts))]
		if err := add(&contract.address, 0, callGas, contract.write(m.random)); err != nil {
			return err
		}
	}
	for range creations {
		address := crypto.CreateAddress(faucet, m.nonce)
		if err := add(nil, 0, creationGas, constructor(m.random.code())); err != nil {
			return err
		}
		m.contracts = append(m.contracts, &writable{address: address})
	}
	for _, err := range pool.Add(all, true) {
		if err != nil {
			return err
		}
	}
	return nil
}

// write returns the data of a call that sets some new and known slots and clears others.
func (c *writable) write(random random) []byte {
	var data []byte
	for i := range slotsAWrite {
		var value common.Hash
		var key common.Hash
		if i%2 == 0 || len(c.slots) == 0 {
			key, value = random.slotKey(i+random.IntN(8)), random.value()
			if len(c.slots) < rememberedSlots {
				c.slots = append(c.slots, key)
			}
		} else {
			at := random.IntN(len(c.slots))
			key = c.slots[at]
			if random.IntN(slotsClearedOf) != 0 {
				value = random.value()
			} else {
				c.slots = slices.Delete(c.slots, at, at+1)
			}
		}
		data = append(append(data, key[:]...), value[:]...)
	}
	return data
}

// constructor returns the code that creates a contract with this code:
// codecopy(0, 10, len); return(0, len)
func constructor(code []byte) []byte {
	n := len(code)
	return append([]byte{0x61, byte(n >> 8), byte(n), 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3}, code...)
}
