package testnode

import (
	"crypto/ecdsa"
	"encoding/binary"
	"math/big"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Recipe says what a generated state contains. The same recipe gives the same state everywhere.
type Recipe struct {
	Accounts  int // plain accounts
	Contracts int // contracts with a few slots each; they share codes as on mainnet
	HugeSlots int // if not 0, one more contract with this many slots
	Seed      uint64
}

// The largest sizes of ordinary generated things. Some storages need more than one branch and codes
// differ in size, and a hundred thousand accounts are still ready within seconds.
const (
	maxSlots       = 48
	maxCodePadding = 3000
	contractsACode = 5 // contracts that share a code
)

// Generate makes a recipe's state.
func Generate(recipe Recipe) types.GenesisAlloc {
	random := newRandom(recipe.Seed, "state")
	alloc := make(types.GenesisAlloc, recipe.Accounts+recipe.Contracts+1)
	for range recipe.Accounts {
		alloc[random.address()] = types.Account{
			// Up to some ether and never zero: a transaction could delete an empty account.
			Balance: new(big.Int).SetUint64(random.Uint64()>>(random.Uint32()%40) | 1),
			Nonce:   random.Uint64() >> (44 + random.Uint32()%20),
		}
	}
	var code []byte
	for i := range recipe.Contracts {
		if i%contractsACode == 0 {
			code = random.code()
		}
		alloc[random.address()] = random.contract(code, int(random.Uint32()%maxSlots))
	}
	if recipe.HugeSlots > 0 {
		alloc[random.address()] = random.contract(random.code(), recipe.HugeSlots)
	}
	return alloc
}

// Faucet is the account that pays for a node's blocks.
func Faucet(seed uint64) (*ecdsa.PrivateKey, common.Address) {
	key := Key(seed, "faucet")
	return key, crypto.PubkeyToAddress(key.PublicKey)
}

// Key is a private key from a seed, for tests only.
func Key(seed uint64, purpose string) *ecdsa.PrivateKey {
	for random := newRandom(seed, purpose); ; {
		if key, err := crypto.ToECDSA(random.bytes(32)); err == nil {
			return key
		}
	}
}

// writer is a contract that reads its call's data as pairs of words and stores each second word
// under the first one, so that a test's blocks can write and clear any slot:
// for (i = 0; i < calldatasize; i += 64) sstore(calldataload(i), calldataload(i + 32))
var writer = common.FromHex("5f5b3681101560175780602001358135556040016001565b00")

type random struct{ *rand.Rand }

// newRandom keeps the numbers for different purposes independent, whatever the seed.
func newRandom(seed uint64, purpose string) random {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return random{rand.New(rand.NewChaCha8(crypto.Keccak256Hash(key[:], []byte(purpose))))}
}

func (r random) bytes(n int) []byte {
	bytes := make([]byte, 0, n+8)
	for len(bytes) < n {
		bytes = binary.BigEndian.AppendUint64(bytes, r.Uint64())
	}
	return bytes[:n]
}

func (r random) address() common.Address { return common.BytesToAddress(r.bytes(20)) }

// code is the writer with random bytes behind its end, which make it unique and give it its size.
func (r random) code() []byte {
	return append(append([]byte{}, writer...), r.bytes(8+int(r.Uint32()%maxCodePadding))...)
}

func (r random) contract(code []byte, slots int) types.Account {
	account := types.Account{Balance: new(big.Int), Nonce: 1, Code: code}
	if slots > 0 {
		account.Storage = make(map[common.Hash]common.Hash, slots)
	}
	for i := range slots {
		account.Storage[r.slotKey(i)] = r.value()
	}
	return account
}

// slotKey is small for a contract's first slots, as for its variables, and scattered for the
// others, as for mappings.
func (r random) slotKey(i int) common.Hash {
	if i < 3 {
		return common.BigToHash(big.NewInt(int64(i)))
	}
	return common.BytesToHash(r.bytes(32))
}

// value is never zero: a flag, an address or a whole word.
func (r random) value() common.Hash {
	sizes := [...]int{1, 2, 8, 20, 32}
	value := common.BytesToHash(r.bytes(sizes[r.IntN(len(sizes))]))
	value[31] |= 1
	return value
}
