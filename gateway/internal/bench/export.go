package bench

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// exportMagic is how an export begins.
const exportMagic = "snapst01"

// smallest is the fewest bytes that one thing of each kind takes in an export. The counts in the
// file must fit into its size.
const (
	smallestAccount = 32 + 4 + 4
	smallestSlot    = 32 + 4
	smallestCode    = 4
)

// longest is how long a body, a value or a code may be. A code has at most 24 kB today; this leaves
// room for larger ones.
const longest = 1 << 20

// ReadExport reads a state that the native peer has exported, makes its tries, and checks all roots
// and counts in the file. peer/src/state/export.rs describes the format.
func ReadExport(path string) (*State, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	state, err := readState(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return state, nil
}

func readState(file io.Reader, size int64) (*State, error) {
	r := reader{in: bufio.NewReaderSize(file, 1<<20)}
	if string(r.take(len(exportMagic))) != exportMagic {
		return nil, errors.Join(errors.New("no export of a state"), r.err)
	}
	s := &State{Root: r.hash()}
	counts := [3]uint64{r.number(), r.number(), r.number()}
	for i, smallest := range [3]uint64{smallestAccount, smallestSlot, smallestCode} {
		if counts[i] > uint64(size)/smallest {
			return nil, errors.New("more is announced than the file can hold")
		}
	}
	accounts, slots, codes := int(counts[0]), int(counts[1]), int(counts[2])
	// Allocated in advance: growing would leave as much garbage again.
	s.keys, s.slotEnds, s.storageNodes = make([]common.Hash, 0, accounts), make([]int, 0, accounts), make([]part, 0, accounts)
	s.slotKeys, s.slotValues.ends = make([]common.Hash, 0, slots), make([]int, 0, slots)
	for i := 0; i < accounts && r.err == nil; i++ {
		s.keys = append(s.keys, r.hash())
		s.slim.add(r.string())
		for left := r.length(); left > 0 && r.err == nil; left-- {
			s.slotKeys = append(s.slotKeys, r.hash())
			s.slotValues.add(r.string())
		}
		s.slotEnds = append(s.slotEnds, len(s.slotKeys))
	}
	for i := 0; i < codes && r.err == nil; i++ {
		code := r.string()
		s.codeKeys = append(s.codeKeys, crypto.Keccak256Hash(code))
		s.codes.add(code)
	}
	if r.err != nil {
		return nil, r.err
	}
	if _, err := r.in.ReadByte(); err != io.EOF {
		return nil, errors.New("there is more than an export")
	}
	if len(s.slotKeys) != slots {
		return nil, fmt.Errorf("%d slots, and %d are announced", len(s.slotKeys), slots)
	}
	if !slices.IsSortedFunc(s.codeKeys, common.Hash.Cmp) {
		return nil, errors.New("codes that are not in order")
	}
	return s, s.growTries()
}

// reader reads until the first error, and remembers it. What it returns is valid until the next
// read.
type reader struct {
	in  *bufio.Reader
	buf []byte
	err error
}

func (r *reader) take(n int) []byte {
	r.buf = slices.Grow(r.buf[:0], n)[:n]
	if r.err == nil {
		_, r.err = io.ReadFull(r.in, r.buf)
	}
	if r.err != nil {
		clear(r.buf)
	}
	return r.buf
}

func (r *reader) hash() common.Hash { return common.Hash(r.take(32)) }

func (r *reader) number() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

func (r *reader) length() int { return int(binary.LittleEndian.Uint32(r.take(4))) }

func (r *reader) string() []byte {
	n := r.length()
	if n > longest {
		r.err = fmt.Errorf("%d bytes for one body, value or code", n)
		n = 0
	}
	return r.take(n)
}
