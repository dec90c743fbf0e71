package wire

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// bodyOf is what a node gets of a request, without its id.
func bodyOf(t *testing.T, version, code uint64, fields ...any) []byte {
	t.Helper()
	payload := encoded(t, append([]any{uint(1)}, fields...))
	request, err := ParseSnapRequest(version, code, payload)
	if err != nil {
		t.Fatal(err)
	}
	_, body, err := SplitID(request.Payload(1))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// 3,800 unknown accounts in one request took a node long, and brought an empty answer. What a node
// gets has the first items only, and is otherwise the same request.
func TestANodeGetsTheFirstItemsOnly(t *testing.T) {
	root, limit := common.Hash{1}, []byte{}
	hashes := make([]common.Hash, 3800)
	for i := range hashes {
		hashes[i] = common.Hash{byte(i), byte(i >> 8), 1}
	}
	sets := make([][][]byte, 3800) // a path in the account trie each
	for i := range sets {
		sets[i] = [][]byte{{0x11, byte(i), byte(i >> 8)}}
	}
	long := [][]byte{root[:]} // an account with many paths
	for i := range 3800 {
		long = append(long, []byte{0x22, byte(i), byte(i >> 8)})
	}
	for name, c := range map[string]struct {
		version, code uint64
		most          int
		fields        func(items int) []any
	}{
		"storages": {1, GetStorageRangesCode, MaxStorageAccounts, func(n int) []any { return []any{root, hashes[:n], limit, limit, uint(1)} }},
		"codes":    {1, GetByteCodesCode, MaxHashes, func(n int) []any { return []any{hashes[:n], uint(1 << 20)} }},
		"lists":    {2, GetAccessListsCode, MaxHashes, func(n int) []any { return []any{hashes[:n], uint(0)} }},
		"nodes":    {1, GetTrieNodesCode, MaxPaths, func(n int) []any { return []any{root, sets[:n], uint(1)} }},
		"a set":    {1, GetTrieNodesCode, MaxPaths, func(n int) []any { return []any{root, [][][]byte{long[:1+n]}, uint(1)} }},
		"sets": {1, GetTrieNodesCode, MaxPaths - 7, func(n int) []any {
			return []any{root, append(append([][][]byte{}, sets[:7]...), long[:1+n]), uint(1)}
		}},
	} {
		for _, items := range []int{1, 2, c.most - 1, c.most} {
			if whole := encoded(t, append([]any{uint(1)}, c.fields(items)...)); !bytes.HasSuffix(whole, bodyOf(t, c.version, c.code, c.fields(items)...)) {
				t.Errorf("%s: %d items were changed", name, items)
			}
		}
		first := bodyOf(t, c.version, c.code, c.fields(c.most)...)
		for _, items := range []int{c.most + 1, c.most + 2, 3800} {
			if !bytes.Equal(bodyOf(t, c.version, c.code, c.fields(items)...), first) {
				t.Errorf("%s: of %d items not the first %d are asked for", name, items, c.most)
			}
		}
	}
	// Sets behind the last path are cut off whole.
	behind := bodyOf(t, 1, GetTrieNodesCode, root, append([][][]byte{long[:1+MaxPaths]}, sets[:9]...), uint(1))
	if !bytes.Equal(behind, bodyOf(t, 1, GetTrieNodesCode, root, [][][]byte{long[:1+MaxPaths]}, uint(1))) {
		t.Error("sets behind the last path are asked for")
	}
}
