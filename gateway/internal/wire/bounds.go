package wire

import "github.com/ethereum/go-ethereum/rlp"

// How many items a node is asked for at a time. What a request has beyond is cut off its end before a
// node gets it. The protocol allows an answer to end before the request does, and the client asks for
// the rest again. So one request takes a node no longer than a few answers of full size.
const (
	// MaxStorageAccounts is what go-ethereum's syncer and Snaplight ask for at most. An account
	// without slots takes the node a search and adds nothing to the answer, so the bytes that are
	// asked for are no bound.
	MaxStorageAccounts = 512
	// MaxHashes is how many hashes go-ethereum's server looks at, of codes and of access lists.
	MaxHashes = 1024
	// MaxPaths is how many paths go-ethereum's syncer asks for at most. Its server stops after as
	// many look-ups, but it does not count paths that it meets again or that lead nowhere.
	MaxPaths = 1024
)

// bounds are the lists that are bounded: how many fields are before the list, and how many items it
// may have. Of path sets the paths are counted.
var bounds = map[uint64]struct{ before, most int }{
	GetStorageRangesCode: {1, MaxStorageAccounts},
	GetByteCodesCode:     {0, MaxHashes},
	GetTrieNodesCode:     {1, MaxPaths},
	GetAccessListsCode:   {0, MaxHashes},
}

// bound cuts the end off a checked body's list if it is too long. The result shares the body's memory
// if it is not.
func bound(code uint64, body []byte) []byte {
	bound, ok := bounds[code]
	if !ok {
		return body
	}
	rest := body
	for range bound.before {
		_, _, rest, _ = rlp.Split(rest)
	}
	before := body[:len(body)-len(rest)]
	items, after, _ := rlp.SplitList(rest)
	kept, cut := firstItems(items, bound.most, code == GetTrieNodesCode)
	if !cut {
		return body
	}
	bounded := append(make([]byte, 0, len(body)), before...)
	bounded = append(appendListHeader(bounded, len(kept)), kept...)
	return append(bounded, after...)
}

// firstItems returns the first items of a list's content, and whether there are more. In a list of
// path sets, a set's paths are counted, and a set may be cut itself: its first item is an account if
// it has several, and the others are paths.
func firstItems(items []byte, most int, sets bool) (kept []byte, cut bool) {
	for rest := items; len(rest) > 0; {
		if most == 0 {
			return items[:len(items)-len(rest)], true
		}
		_, set, next, _ := rlp.Split(rest)
		paths := 1
		if sets {
			count, _ := rlp.CountValues(set)
			paths = max(1, count-1)
		}
		if paths > most {
			first, _ := firstItems(set, 1+most, false)
			kept = append(kept, items[:len(items)-len(rest)]...)
			return append(appendListHeader(kept, len(first)), first...), true
		}
		most -= paths
		rest = next
	}
	return items, false
}
