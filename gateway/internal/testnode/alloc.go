package testnode

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// ReadAlloc reads the same genesis file as the native peer:
// `{address: {balance, nonce, code, storage}}`, or go-ethereum's form, which has this under
// `alloc`. Numbers are JSON numbers, decimal strings or 0x-hex strings. Addresses, code and storage
// are hex with or without 0x, and storage words may lack leading zeros. go-ethereum's own reader is
// stricter, and if two readers disagreed about a file, it would look as if two peers disagreed
// about a state.
func ReadAlloc(r io.Reader) (types.GenesisAlloc, error) {
	decoder := json.NewDecoder(r)
	decoder.UseNumber()
	var file map[string]json.RawMessage
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	if inner, ok := file["alloc"]; ok {
		file = nil
		if err := json.Unmarshal(inner, &file); err != nil {
			return nil, fmt.Errorf("genesis: alloc: %w", err)
		}
	}
	alloc := make(types.GenesisAlloc, len(file))
	for text, raw := range file {
		address, err := hexBytes(text)
		if err != nil || len(address) != common.AddressLength {
			return nil, fmt.Errorf("genesis: %s: not an address of 20 bytes", text)
		}
		account, err := readAccount(raw)
		if err != nil {
			return nil, fmt.Errorf("genesis: %s: %w", text, err)
		}
		alloc[common.BytesToAddress(address)] = account
	}
	return alloc, nil
}

func readAccount(raw json.RawMessage) (types.Account, error) {
	var fields struct {
		Balance json.RawMessage   `json:"balance"`
		Nonce   json.RawMessage   `json:"nonce"`
		Code    string            `json:"code"`
		Storage map[string]string `json:"storage"`
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return types.Account{}, err
	}
	account := types.Account{Balance: new(big.Int)}
	if balance, err := number(fields.Balance, 256); err != nil {
		return account, fmt.Errorf("balance: %w", err)
	} else {
		account.Balance = balance
	}
	nonce, err := number(fields.Nonce, 64)
	if err != nil {
		return account, fmt.Errorf("nonce: %w", err)
	}
	account.Nonce = nonce.Uint64()
	if account.Code, err = hexBytes(fields.Code); err != nil {
		return account, fmt.Errorf("code: %w", err)
	}
	if len(fields.Storage) > 0 {
		account.Storage = make(map[common.Hash]common.Hash, len(fields.Storage))
	}
	for keyText, valueText := range fields.Storage {
		key, err := word(keyText)
		if err != nil {
			return account, fmt.Errorf("storage key %s: %w", keyText, err)
		}
		value, err := word(valueText)
		if err != nil {
			return account, fmt.Errorf("storage of %s: %w", keyText, err)
		}
		if value != (common.Hash{}) { // Zero means that there is no such slot.
			account.Storage[key] = value
		}
	}
	return account, nil
}

// number reads a JSON number, a decimal string or a 0x-hex string. A missing number is zero.
func number(raw json.RawMessage, bits int) (*big.Int, error) {
	text := strings.Trim(string(raw), `"`)
	if len(raw) == 0 || text == "0x" {
		return new(big.Int), nil
	}
	base := 10
	if digits, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		text, base = digits, 16
	}
	value, ok := new(big.Int).SetString(text, base)
	if !ok || value.Sign() < 0 || value.BitLen() > bits {
		return nil, fmt.Errorf("not a number of at most %d bits", bits)
	}
	return value, nil
}

func word(text string) (common.Hash, error) {
	digits := strings.TrimPrefix(text, "0x")
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	bytes, err := hex.DecodeString(digits)
	if err != nil || len(bytes) > common.HashLength {
		return common.Hash{}, fmt.Errorf("not 32 bytes of hex")
	}
	return common.BytesToHash(bytes), nil
}

func hexBytes(text string) ([]byte, error) {
	return hex.DecodeString(strings.TrimPrefix(text, "0x"))
}

// WriteAlloc writes a file that ReadAlloc, the native peer and go-ethereum read alike.
func WriteAlloc(w io.Writer, alloc types.GenesisAlloc) error {
	type account struct {
		Balance *hexutil.Big                `json:"balance"`
		Nonce   hexutil.Uint64              `json:"nonce,omitempty"`
		Code    hexutil.Bytes               `json:"code,omitempty"`
		Storage map[common.Hash]common.Hash `json:"storage,omitempty"`
	}
	file := make(map[common.Address]account, len(alloc))
	for address, a := range alloc {
		balance := a.Balance
		if balance == nil {
			balance = new(big.Int)
		}
		file[address] = account{(*hexutil.Big)(balance), hexutil.Uint64(a.Nonce), a.Code, a.Storage}
	}
	return json.NewEncoder(w).Encode(file)
}
