package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/trie/trienode"
)

// Answer is an account range to verify, as benches/wasm makes and exports it.
type Answer struct {
	Root, Origin common.Hash
	Keys         []common.Hash
	Slim         [][]byte
	Proof        [][]byte
}

// wasmState is how many accounts the state has that benches/wasm takes answers from.
const wasmState = 200_000

// WasmAnswers are those that benches/wasm makes: so many accounts out of the middle of a seeded state.
func WasmAnswers(sizes []int) ([]Answer, error) {
	all := make([]account, wasmState)
	for i := range all {
		var number [8]byte
		binary.BigEndian.PutUint64(number[:], uint64(i))
		key := crypto.Keccak256Hash(number[:])
		slim := append([]byte{0xcd, byte(i%0x7f) + 1, 0x89, 0x01}, key[:8]...)
		all[i] = account{key, append(slim, 0x80, 0x80)}
	}
	state, err := newState(all)
	if err != nil {
		return nil, err
	}
	var answers []Answer
	for _, size := range sizes {
		start := (wasmState - size) / 2
		a := Answer{Root: state.Root, Origin: state.keys[start], Keys: state.keys[start : start+size]}
		for i := range size {
			a.Slim = append(a.Slim, state.slim.get(start+i))
		}
		a.Proof = state.prove(a.Keys[size-1], state.prove(a.Origin, nil))
		answers = append(answers, a)
	}
	return answers, nil
}

// ReadAnswer reads an answer as benches/wasm exports it (`answer` in its lib.rs).
func ReadAnswer(path string) (a Answer, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return a, err
	}
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%s is no answer of benches/wasm: it ends too early", path)
		}
	}()
	take := func(n int) []byte {
		part := data[:n]
		data = data[n:]
		return part
	}
	number := func() int { return int(binary.LittleEndian.Uint32(take(4))) }
	a.Root, a.Origin = common.BytesToHash(take(32)), common.BytesToHash(take(32))
	for range number() {
		a.Keys = append(a.Keys, common.BytesToHash(take(32)))
		a.Slim = append(a.Slim, take(number()))
	}
	for range number() {
		a.Proof = append(a.Proof, take(number()))
	}
	return a, nil
}

// VerifyFigures are accounts a second, on one core.
type VerifyFigures struct {
	Accounts int     `json:"accounts"`
	Verify   float64 `json:"verifyRangeProof"`
	Generate float64 `json:"stackTrie"`
	Both     float64 `json:"both"`               // one after the other, as its sync does
	Expanded float64 `json:"bothAfterExpanding"` // with making the trie's bodies out of slim ones before
}

// Runs before and while it counts; the median is taken.
const (
	verifyWarmUp = 5
	verifyRuns   = 41
)

// Verify measures go-ethereum's verification of a range, and its making of the trie.
func Verify(a Answer) (VerifyFigures, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	keys := make([][]byte, len(a.Keys))
	for i := range keys {
		keys[i] = a.Keys[i][:]
	}
	var verify, generate, both, expand []time.Duration
	for run := range verifyWarmUp + verifyRuns {
		start := time.Now()
		values := make([][]byte, len(a.Slim))
		for i, slim := range a.Slim {
			full, err := types.FullAccountRLP(slim)
			if err != nil {
				return VerifyFigures{}, err
			}
			values[i] = full
		}
		expanded := time.Now()
		more, err := trie.VerifyRangeProof(a.Root, a.Origin[:], keys, values, trienode.ProofList(rawNodes(a.Proof)).Set())
		if err != nil || !more {
			return VerifyFigures{}, errors.Join(err, errors.New("the answer does not verify"))
		}
		verified := time.Now()
		nodes := 0
		tr := trie.NewStackTrie(func([]byte, common.Hash, []byte) { nodes++ })
		for i := range keys {
			if err := tr.Update(keys[i], values[i]); err != nil {
				return VerifyFigures{}, err
			}
		}
		tr.Hash()
		end := time.Now()
		if nodes < len(keys) {
			return VerifyFigures{}, errors.New("a trie with too few nodes")
		}
		if run >= verifyWarmUp {
			verify = append(verify, verified.Sub(expanded))
			generate = append(generate, end.Sub(verified))
			both = append(both, end.Sub(expanded))
			expand = append(expand, end.Sub(start))
		}
	}
	rate := func(d []time.Duration) float64 { return float64(len(keys)) / median(d).Seconds() }
	return VerifyFigures{len(keys), rate(verify), rate(generate), rate(both), rate(expand)}, nil
}

func rawNodes(nodes [][]byte) trienode.ProofList {
	list := make(trienode.ProofList, len(nodes))
	for i, node := range nodes {
		list[i] = node
	}
	return list
}

func median[T interface {
	~int64 | ~float64
}](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
