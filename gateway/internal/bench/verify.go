package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/trie/trienode"
)

// Answer is an account range to verify, as benches/run.mjs exports it.
type Answer struct {
	root, origin common.Hash
	keys         [][]byte
	slim, full   [][]byte
	proof        trienode.ProofList
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
		part := data[:n:n]
		data = data[n:]
		return part
	}
	number := func() int { return int(binary.LittleEndian.Uint32(take(4))) }
	a.root, a.origin = common.BytesToHash(take(32)), common.BytesToHash(take(32))
	for range number() {
		a.keys = append(a.keys, take(32))
		a.slim = append(a.slim, take(number()))
	}
	for range number() {
		a.proof = append(a.proof, take(number()))
	}
	a.full, err = expand(a.slim)
	return a, err
}

// expand makes the trie's bodies from slim ones, as go-ethereum does where a message arrives.
func expand(slim [][]byte) ([][]byte, error) {
	full := make([][]byte, len(slim))
	for i, body := range slim {
		var err error
		if full[i], err = types.FullAccountRLP(body); err != nil {
			return nil, err
		}
	}
	return full, nil
}

// Len is the number of its accounts.
func (a Answer) Len() int { return len(a.keys) }

// Slice is a number of runs of one kind of work on one answer.
type Slice struct {
	Answer int `json:"answer"`
	Runs   int `json:"runs"`
	// What is the work. "verify" is VerifyRangeProof. "both" is this and a StackTrie, as in
	// go-ethereum's sync. "expanded" is both after expanding the bodies, as its sync does, too.
	What string `json:"what"`
}

// Took is this process's CPU time for a slice, with Go's garbage collector.
type Took struct {
	Milliseconds float64 `json:"cpuMs"`
}

// Verify does the work of a slice, on one core.
func Verify(answers []Answer, slice Slice) (Took, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if slice.Answer < 0 || slice.Answer >= len(answers) {
		return Took{}, fmt.Errorf("there is no answer %d", slice.Answer)
	}
	start := ownCPU()
	for range slice.Runs {
		if err := answers[slice.Answer].run(slice.What); err != nil {
			return Took{}, err
		}
	}
	return Took{float64(ownCPU()-start) / float64(time.Millisecond)}, nil
}

func (a Answer) run(what string) error {
	bodies := a.full
	if what == "expanded" {
		var err error
		if bodies, err = expand(a.slim); err != nil {
			return err
		}
	}
	more, err := trie.VerifyRangeProof(a.root, a.origin[:], a.keys, bodies, a.proof.Set())
	if err != nil || !more {
		return errors.Join(err, errors.New("the answer does not verify"))
	}
	if what == "verify" {
		return nil
	}
	nodes := 0
	tr := trie.NewStackTrie(func([]byte, common.Hash, []byte) { nodes++ })
	for i, key := range a.keys {
		if err := tr.Update(key, bodies[i]); err != nil {
			return err
		}
	}
	tr.Hash()
	if nodes < len(a.keys) {
		return errors.New("a trie with too few nodes")
	}
	return nil
}
