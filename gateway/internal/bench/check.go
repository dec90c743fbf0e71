package bench

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/ethereum/go-ethereum/triedb/pathdb"
)

// checkedAccounts is how many accounts are checked, evenly spaced, with all that belongs to them.
// The one with the largest storage is also checked.
const checkedAccounts = 1000

// check reads the state from the database as go-ethereum does: accounts, complete storages, codes.
func check(db ethdb.Database, want *State) error {
	every := max(1, len(want.keys)/checkedAccounts)
	largest := want.largest()
	return checkSome(db, want, func(at int) bool { return at%every == 0 || at == largest })
}

func checkSome(db ethdb.Database, want *State, isChecked func(account int) bool) error {
	tries := triedb.NewDatabase(db, &triedb.Config{PathDB: pathdb.ReadOnly})
	defer tries.Close()
	accounts, err := trie.New(trie.StateTrieID(want.Root), tries)
	if err != nil {
		return fmt.Errorf("what was synced is not there: %w", err)
	}
	for at, key := range want.keys {
		if !isChecked(at) {
			continue
		}
		body, err := accounts.Get(key[:])
		if err != nil {
			return fmt.Errorf("account %s was synced, but: %w", key, err)
		}
		full, err := types.FullAccountRLP(want.slim.get(at))
		if err != nil {
			return err
		}
		if !bytes.Equal(body, full) {
			return fmt.Errorf("account %s is another one than it should be", key)
		}
		account, err := types.FullAccount(want.slim.get(at))
		if err != nil {
			return err
		}
		code := common.BytesToHash(account.CodeHash)
		if code != types.EmptyCodeHash && !bytes.Equal(rawdb.ReadCode(db, code), want.Code(code)) {
			return fmt.Errorf("the code of account %s is not there", key)
		}
		if err := checkSlots(tries, want, at, account.Root); err != nil {
			return fmt.Errorf("the slots of account %s: %w", key, err)
		}
	}
	return nil
}

func checkSlots(tries *triedb.Database, want *State, account int, root common.Hash) error {
	at, end := want.slotStart(account), want.slotEnds[account]
	if at == end {
		return nil
	}
	slots, err := trie.New(trie.StorageTrieID(want.Root, want.keys[account], root), tries)
	if err != nil {
		return err
	}
	nodes, err := slots.NodeIterator(nil)
	if err != nil {
		return err
	}
	leaves := trie.NewIterator(nodes)
	for ; leaves.Next(); at++ {
		if at == end || !bytes.Equal(leaves.Key, want.slotKeys[at][:]) || !bytes.Equal(leaves.Value, want.slotValues.get(at)) {
			return errors.New("others than there should be")
		}
	}
	if leaves.Err != nil {
		return leaves.Err
	}
	if at < end {
		return fmt.Errorf("%d are missing", end-at)
	}
	return nil
}

// largest is the index of the account with the most slots; 0 if no account has any.
func (s *State) largest() (largest int) {
	most := 0
	for at, end := range s.slotEnds {
		if count := end - s.slotStart(at); count > most {
			largest, most = at, count
		}
	}
	return largest
}
