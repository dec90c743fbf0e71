package wire

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// Codes of snap/1 and snap/2, relative to the capability's first id. An answer's code is its
// request's plus one.
const (
	GetAccountRangeCode  = 0x00
	AccountRangeCode     = 0x01
	GetStorageRangesCode = 0x02
	StorageRangesCode    = 0x03
	GetByteCodesCode     = 0x04
	ByteCodesCode        = 0x05
	GetTrieNodesCode     = 0x06
	TrieNodesCode        = 0x07
	GetAccessListsCode   = 0x08
	AccessListsCode      = 0x09
)

// SnapLength returns how many ids a version of snap has; 0 for unknown versions.
func SnapLength(version uint64) uint64 {
	return map[uint64]uint64{1: 8, 2: 10}[version]
}

// How large answers may be. Nodes stop at 2 MiB whatever is asked for, may exceed it by one item,
// and add proofs.
const (
	answerCap    = 2 << 20
	headerSize   = 1 << 10    // about the size of the largest headers
	headersCap   = 1024       // a node's own limit
	answerSlack  = 128 << 10  // two proofs (128 nodes of 532 bytes) or one code, and list headers
	balSlack     = 4 << 20    // one block access list of a full block, which is never cut
	listSlack    = 1 << 10    // list headers and ids
	codeProbable = 24<<10 + 4 // the largest code that mainnet allows today, with its RLP
	answerFactor = 2          // an answer of more than this many times the expected size is invalid
)

// Protocol is the protocol that a request belongs to.
type Protocol uint8

// The two protocols that are relayed.
const (
	Eth Protocol = iota
	Snap
)

// Request is a well-formed request, checked to the last byte: a node would end the connection,
// which many clients share, because of a malformed one.
type Request struct {
	Protocol Protocol
	Code     uint64 // relative to the protocol's first id
	ID       uint64 // the client's
	Body     []byte // the encoded fields behind the id
	Expected int    // the size in bytes that the answer probably has at most
	// Spare is how much larger than Expected an honest answer may be where the request does not
	// bound it: for node data. It is 0 for all others.
	Spare int
	Items int // how many items an answer may have; counted only for node data
}

// Limit is the largest size of an honest answer, in bytes. A code is not split, and some chains have
// codes of more than a megabyte.
func (r Request) Limit() int {
	if r.isNodeData() || r.Protocol == Snap && r.Code == GetByteCodesCode {
		return FrameLimit
	}
	return min(answerFactor*r.Expected, FrameLimit)
}

func (r Request) isNodeData() bool { return r.Protocol == Eth && r.Code == GetNodeDataCode }

// Fits returns an error if an answer is larger than an honest one can be, or has more items.
func (r Request) Fits(answer Answer) error {
	if size := len(answer.buf) - AnswerRoom; size > r.Limit() {
		return fmt.Errorf("an answer of %d bytes where %d were expected", size, r.Expected)
	}
	if !r.isNodeData() {
		return nil
	}
	items, err := answer.items()
	if err == nil && items > r.Items {
		err = fmt.Errorf("%d items where %d were asked for", items, r.Items)
	}
	return err
}

const (
	nodeDataKind = "node-data"
	headersKind  = "headers"
)

var snapKinds = map[uint64]string{
	GetAccountRangeCode: "accounts", GetStorageRangesCode: "storage", GetByteCodesCode: "codes",
	GetTrieNodesCode: "nodes", GetAccessListsCode: "access-lists",
}

// Kinds are the names of all kinds of requests.
func Kinds() []string {
	return append([]string{headersKind, nodeDataKind}, slices.Collect(maps.Values(snapKinds))...)
}

// Kind is the request's name for logs and metrics.
func (r Request) Kind() string {
	switch {
	case r.isNodeData():
		return nodeDataKind
	case r.Protocol == Eth:
		return headersKind
	}
	return snapKinds[r.Code]
}

// field reads the first field.
type field func([]byte) (rest []byte, err error)

var snapFields = map[uint64][]field{
	GetAccountRangeCode:  {hash, hash, hash},
	GetStorageRangesCode: {hash, listOf(hash), hashOrNothing, hashOrNothing},
	GetByteCodesCode:     {listOf(hash)},
	GetTrieNodesCode:     {hash, listOf(pathSet)},
	GetAccessListsCode:   {listOf(hash)},
}

// ParseSnapRequest reads a request of this version of snap. The Request refers to parts of the
// payload.
func ParseSnapRequest(version, code uint64, payload []byte) (Request, error) {
	fields, ok := snapFields[code]
	switch {
	case !ok, version == 1 && code >= GetAccessListsCode, version == 2 && code == GetTrieNodesCode:
		return Request{}, fmt.Errorf("%w: 0x%02x is no request of snap/%d", ErrMalformed, code, version)
	}
	r, rest, err := begin(Snap, code, payload)
	if err != nil {
		return r, err
	}
	for _, field := range fields {
		if rest, err = field(rest); err != nil {
			return r, fmt.Errorf("%w: %s request: %v", ErrMalformed, r.Kind(), err)
		}
	}
	bytes, rest, err := rlp.SplitUint64(rest)
	if err != nil || len(rest) > 0 {
		return r, fmt.Errorf("%w: %s request: its end", ErrMalformed, r.Kind())
	}
	r.Body = bound(code, r.Body)
	wanted := int(min(bytes, answerCap))
	r.Expected = wanted + wanted/8 + answerSlack
	if code == GetAccessListsCode {
		r.Expected += balSlack
	}
	return r, nil
}

// ParseHeadersRequest reads a GetBlockHeaders of eth/69.
func ParseHeadersRequest(payload []byte) (Request, error) {
	r, rest, err := begin(Eth, GetBlockHeadersCode, payload)
	if err != nil {
		return r, err
	}
	malformed := fmt.Errorf("%w: headers request", ErrMalformed)
	query, rest, err := rlp.SplitList(rest)
	if err != nil || len(rest) > 0 {
		return r, malformed
	}
	if rest, err = hash(query); err != nil {
		if _, rest, err = rlp.SplitUint64(query); err != nil {
			return r, malformed
		}
	}
	var numbers [3]uint64 // amount, skip, reverse
	for i := range numbers {
		if numbers[i], rest, err = rlp.SplitUint64(rest); err != nil {
			return r, malformed
		}
	}
	if len(rest) > 0 || numbers[2] > 1 {
		return r, malformed
	}
	r.Expected = int(min(numbers[0], headersCap))*headerSize + answerSlack
	return r, nil
}

func begin(protocol Protocol, code uint64, payload []byte) (r Request, rest []byte, err error) {
	r = Request{Protocol: protocol, Code: code}
	content, rest, err := rlp.SplitList(payload)
	if err == nil && len(rest) == 0 {
		r.ID, r.Body, err = rlp.SplitUint64(content)
	}
	if err != nil || len(rest) > 0 {
		return r, nil, fmt.Errorf("%w: %s request: its id", ErrMalformed, r.Kind())
	}
	return r, r.Body, nil
}

func hash(b []byte) ([]byte, error) {
	content, rest, err := rlp.SplitString(b)
	if err == nil && len(content) != common.HashLength {
		err = fmt.Errorf("%d bytes in place of a hash", len(content))
	}
	return rest, err
}

func hashOrNothing(b []byte) ([]byte, error) {
	if len(b) > 0 && b[0] == 0x80 {
		return b[1:], nil
	}
	return hash(b)
}

func listOf(item field) field {
	return func(b []byte) ([]byte, error) {
		items, rest, err := rlp.SplitList(b)
		for err == nil && len(items) > 0 {
			items, err = item(items)
		}
		return rest, err
	}
}

// pathSet reads a list of at least one string.
func pathSet(b []byte) ([]byte, error) {
	if len(b) > 0 && b[0] == 0xc0 {
		return b, fmt.Errorf("an empty path set")
	}
	return listOf(func(b []byte) ([]byte, error) {
		_, rest, err := rlp.SplitString(b)
		return rest, err
	})(b)
}

// Payload is the request as a node gets it, with another id.
func (r Request) Payload(id uint64) []byte {
	return withHeader(nil, id, r.Body)
}

// withHeader appends the list [id, body...] to b.
func withHeader(b []byte, id uint64, body []byte) []byte {
	b = appendHeader(b, id, len(body))
	return append(b, body...)
}

// appendHeader appends the header of a list, and the id as its first item. A body of this length
// must follow.
func appendHeader(b []byte, id uint64, body int) []byte {
	return rlp.AppendUint64(appendListHeader(b, rlp.IntSize(id)+body), id)
}

// appendListHeader appends the header of a list. A content of this length must follow.
func appendListHeader(b []byte, content int) []byte {
	if content <= 55 {
		return append(b, 0xc0+byte(content))
	}
	var digits [8]byte
	n := 0
	for rest := content; rest > 0; rest >>= 8 {
		n++
		digits[len(digits)-n] = byte(rest)
	}
	return append(append(b, 0xf7+byte(n)), digits[len(digits)-n:]...)
}

// AnswerRoom is how many bytes must be free before an answer's payload for [Answer.Frame].
const AnswerRoom = 24

// Answer is a node's answer, in a buffer whose first AnswerRoom bytes are free.
type Answer struct {
	ID   uint64 // the request's
	buf  []byte
	body int // where the fields behind the id begin
}

// ParseAnswer reads an answer's id. The client checks the rest.
func ParseAnswer(buf []byte) (Answer, error) {
	content, rest, err := rlp.SplitList(buf[AnswerRoom:])
	if err != nil || len(rest) > 0 {
		return Answer{}, fmt.Errorf("%w: an answer is no list", ErrMalformed)
	}
	id, body, err := rlp.SplitUint64(content)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: an answer's id", ErrMalformed)
	}
	return Answer{id, buf, len(buf) - len(body)}, nil
}

// items counts the items of an answer whose only field behind the id is a list.
func (a Answer) items() (int, error) {
	list, rest, err := rlp.SplitList(a.buf[a.body:])
	if err != nil || len(rest) > 0 {
		return 0, fmt.Errorf("%w: an answer has no list of items", ErrMalformed)
	}
	items, err := rlp.CountValues(list)
	if err != nil {
		return 0, fmt.Errorf("%w: an answer's items", ErrMalformed)
	}
	return items, nil
}

// Frame returns the frame for a client, with the client's message id and request id. It is written
// over the beginning of the buffer, so that large answers are not copied.
func (a Answer) Frame(messageID, requestID uint64) []byte {
	var space [AnswerRoom]byte
	header := rlp.AppendUint64(space[:0], messageID)
	header = appendHeader(header, requestID, len(a.buf)-a.body)
	start := a.body - len(header)
	copy(a.buf[start:], header)
	return a.buf[start:]
}

// SplitID splits a request or an answer into its id and the RLP that follows it.
func SplitID(payload []byte) (id uint64, rest []byte, err error) {
	content, _, err := rlp.SplitList(payload)
	if err != nil {
		return 0, nil, err
	}
	return rlp.SplitUint64(content)
}

// EmptyAnswer is the empty answer to a node's own request, because a gateway has nothing to serve.
// Nil if the request is malformed or has no answer.
func EmptyAnswer(protocol Protocol, code uint64, payload []byte) []byte {
	id, _, err := SplitID(payload)
	if err != nil {
		return nil
	}
	lists := []byte{0xc0}
	if protocol == Snap && (code == GetAccountRangeCode || code == GetStorageRangesCode) {
		lists = []byte{0xc0, 0xc0}
	}
	return withHeader(nil, id, lists)
}
