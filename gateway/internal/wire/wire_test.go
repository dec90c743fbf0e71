package wire

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// conversation is the conversation by snap in docs/websocket-peers.md, in bytes. The one by hash
// follows it.
func conversation(t *testing.T) [][]byte {
	page, err := os.ReadFile("../../../docs/websocket-peers.md")
	if err != nil {
		t.Fatal(err)
	}
	page, _, _ = bytes.Cut(page, []byte("\n## 13. "))
	var frames [][]byte
	for _, block := range regexp.MustCompile("(?s)```hex\n(.*?)```").FindAllSubmatch(page, -1) {
		frame, err := hex.DecodeString(strings.Join(strings.Fields(string(block[1])), ""))
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame)
	}
	if len(frames) < 15 {
		t.Fatalf("%d frames in the page", len(frames))
	}
	return frames
}

func TestThePagesConversationIsUnderstood(t *testing.T) {
	by := BySnap
	var requests, answers int
	for _, frame := range conversation(t) {
		id, payload, err := Split(frame)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case id == HelloID:
			hello, err := ParseHello(payload)
			bySnap, byHash := hello.Offers(BySnap, 1), hello.Offers(ByHash, 1)
			if err != nil || !bySnap && !byHash {
				t.Errorf("%+v %v", hello, err)
			}
			if bySnap != byHash { // a server that can do both follows the client
				by = map[bool]By{true: BySnap, false: ByHash}[bySnap]
			}
			hello.NodeID = frame[len(frame)-64:]
			if !bytes.Equal(hello.Encode(), frame) {
				t.Error("Hello is written otherwise")
			}
		case id == by.Offsets(1).Eth+StatusCode:
			status, err := ParseStatus(by, payload)
			if err != nil || status.NetworkID != 1 || status.Version != by.Capabilities(1)[0].Version {
				t.Errorf("%+v %v", status, err)
			}
			if !bytes.Equal(status.Payload(), payload) {
				t.Error("Status is written otherwise")
			}
		case isRequest(by, id):
			requests++
			request, err := parseRequest(by, id, payload)
			if err != nil {
				t.Errorf("%x: %v", frame, err)
			}
			if !bytes.Equal(request.Payload(request.ID), payload) {
				t.Errorf("%s request is written otherwise", request.Kind())
			}
		case isRequest(by, id-1):
			answers++
			for _, other := range []uint64{0, 1, 127, 128, 1 << 56, 1<<64 - 1} {
				buf := append(make([]byte, AnswerRoom), payload...)
				answer, err := ParseAnswer(buf)
				if err != nil {
					t.Fatal(err)
				}
				was := answer.ID
				renamed := bytes.Clone(answer.Frame(id, other))
				_, payload, err := Split(renamed)
				if err != nil {
					t.Fatal(err)
				}
				again, err := ParseAnswer(append(make([]byte, AnswerRoom), payload...))
				if err != nil || again.ID != other {
					t.Fatalf("%d in place of %d: %v", again.ID, other, err)
				}
				if !bytes.Equal(again.Frame(id, was), frame) {
					t.Fatalf("renaming to %d and back changed the answer", other)
				}
			}
		case id == DisconnectID:
			if reason := ParseDisconnect(payload); reason != Done && reason != Breach {
				t.Error(reason)
			}
		}
	}
	if requests < 5 || answers < 5 {
		t.Errorf("%d requests, %d answers", requests, answers)
	}
}

func isRequest(by By, id uint64) bool {
	offsets := by.Offsets(1)
	return id >= offsets.Snap && id < offsets.End && (id-offsets.Snap)%2 == 0 || by == ByHash && id == offsets.Eth+GetNodeDataCode
}

func parseRequest(by By, id uint64, payload []byte) (Request, error) {
	if by == ByHash {
		return ParseNodeDataRequest(payload)
	}
	return ParseSnapRequest(1, id-by.Offsets(1).Snap, payload)
}

func TestAHelloIsNotJudgedByWhatIsNotUsedOfIt(t *testing.T) {
	type list []any
	capabilities := list{list{"eth", uint(69)}, list{"a-name-of-more-than-eight-bytes", uint(1), uint(1)}, list{"", uint(0)}}
	for range 70 {
		capabilities = append(capabilities, list{"les", uint(4)})
	}
	for name, message := range map[string]list{
		"a long name": {uint(5), make([]byte, 300), capabilities, uint(0), make([]byte, 64)},
		"odd fields":  {uint(9), "name", capabilities, "port", list{}, list{uint(1)}},
		"no more":     {uint(5), "name", capabilities},
	} {
		payload, err := rlp.EncodeToBytes(message)
		if err != nil {
			t.Fatal(err)
		}
		if hello, err := ParseHello(payload); err != nil || !hello.Speaks("eth", 69) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACodeMayBeLargerThanTheLimitOfItsRequest(t *testing.T) {
	payload, _ := rlp.EncodeToBytes([]any{uint(1), []common.Hash{{1}}, uint(16 << 10)})
	codes, err := ParseSnapRequest(1, GetByteCodesCode, payload)
	if err != nil || codes.Limit() != FrameLimit {
		t.Errorf("%d %v", codes.Limit(), err)
	}
	if codes.Expected > 1<<20 {
		t.Errorf("%d are expected", codes.Expected)
	}
}

// A node must not get anything for which it would end the shared connection.
func TestMalformedRequestsAreFound(t *testing.T) {
	hash := common.HexToHash("0x01").Bytes()
	list := func(items ...any) any { return items }
	for name, bad := range map[string]struct {
		version, code uint64
		message       any
	}{
		"too few fields":        {1, GetAccountRangeCode, list(uint(1), hash, hash, uint(7))},
		"too many fields":       {1, GetAccountRangeCode, list(uint(1), hash, hash, hash, uint(7), uint(7))},
		"a short hash":          {1, GetAccountRangeCode, list(uint(1), hash[1:], hash, hash, uint(7))},
		"a long number":         {1, GetAccountRangeCode, list(uint(1), hash, hash, hash, make([]byte, 9))},
		"a leading zero":        {1, GetAccountRangeCode, list(uint(1), hash, hash, hash, []byte{0, 1})},
		"a leading zero in id":  {1, GetByteCodesCode, list([]byte{0, 1}, list(), uint(7))},
		"a list in a hash list": {1, GetByteCodesCode, list(uint(1), list(list()), uint(7))},
		"a string for a list":   {1, GetByteCodesCode, list(uint(1), hash, uint(7))},
		"a one-byte origin":     {1, GetStorageRangesCode, list(uint(1), hash, list(hash), []byte{1}, []byte{}, uint(7))},
		"an empty path set":     {1, GetTrieNodesCode, list(uint(1), hash, list(list()), uint(7))},
		"a path that is a list": {1, GetTrieNodesCode, list(uint(1), hash, list(list(hash, list())), uint(7))},
		"a path in no set":      {1, GetTrieNodesCode, list(uint(1), hash, list([]byte{0}), uint(7))},
		"an answer":             {1, AccountRangeCode, list(uint(1), list(), list())},
		"access lists in snap1": {1, GetAccessListsCode, list(uint(1), list(), uint(7))},
		"trie nodes in snap/2":  {2, GetTrieNodesCode, list(uint(1), hash, list(), uint(7))},
		"no such message":       {2, 10, list(uint(1))},
	} {
		payload, err := rlp.EncodeToBytes(bad.message)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := ParseSnapRequest(bad.version, bad.code, payload); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for name, text := range map[string]string{
		"an unneeded length": "f80101", "bytes behind": "c26401", "a number in two bytes": "c381018080", "nothing": "", "a string": "80",
	} {
		payload, _ := hex.DecodeString(text)
		if _, err := ParseSnapRequest(1, GetByteCodesCode, payload); err == nil {
			t.Errorf("%s was taken", name)
		}
		if _, err := ParseHeadersRequest(payload); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestHeaderRequests(t *testing.T) {
	hash := common.HexToHash("0x01")
	type query []any
	for _, c := range []struct {
		good    bool
		message any
	}{
		{true, query{uint(1), query{hash, uint(1), uint(0), false}}},
		{true, query{uint(1), query{uint(7), uint(1), uint(0), true}}},
		{false, query{uint(1), query{hash, uint(1), uint(0), uint(2)}}},
		{false, query{uint(1), query{hash, uint(1), uint(0)}}},
		{false, query{uint(1), query{hash[1:], uint(1), uint(0), false}}},
		{false, query{uint(1), query{hash, uint(1), uint(0), false, uint(1)}}},
		{false, query{uint(1), query{hash, uint(1), uint(0), false}, uint(1)}},
	} {
		payload, err := rlp.EncodeToBytes(c.message)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseHeadersRequest(payload); (err == nil) != c.good {
			t.Errorf("%v: %v", c.message, err)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(uint64(6), []byte{0xc0})
	f.Fuzz(func(t *testing.T, code uint64, payload []byte) {
		for version := uint64(1); version <= 2; version++ {
			request, err := ParseSnapRequest(version, code, payload)
			if err != nil {
				continue
			}
			sent := request.Payload(request.ID)
			if len(payload) < 1000 && !bytes.Equal(sent, payload) { // too short to be cut
				t.Fatal("not canonical, and taken")
			}
			if again, err := ParseSnapRequest(version, code, sent); err != nil || !bytes.Equal(again.Payload(request.ID), sent) {
				t.Fatal("what a node gets is no request, or not bounded")
			}
		}
		ParseHeadersRequest(payload)
		ParseHello(payload)
		if request, err := ParseNodeDataRequest(payload); err == nil && !bytes.Equal(request.Payload(request.ID), payload) {
			t.Fatal("not canonical, and taken")
		}
		ParseStatus(BySnap, payload)
		ParseStatus(ByHash, payload)
		ParseNewBlock(payload)
		ParseNewBlockHashes(payload)
		Split(payload)
	})
}
