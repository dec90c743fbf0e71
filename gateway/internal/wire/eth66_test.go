package wire

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

func encoded(t *testing.T, message any) []byte {
	t.Helper()
	payload, err := rlp.EncodeToBytes(message)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestAStatusOfEth66IsReadAndWrittenAlike(t *testing.T) {
	type list []any
	huge := new(big.Int).Sub(new(big.Int).Lsh(common.Big1, 256), common.Big1)
	fork := list{[4]byte{1, 2, 3, 4}, uint(5)}
	payload := encoded(t, list{uint(66), uint(1337), huge, common.Hash{1}, common.Hash{2}, fork})
	status, err := ParseStatus(ByHash, payload)
	if err != nil || status.LatestHash != (common.Hash{1}) || status.Genesis != (common.Hash{2}) || !bytes.Equal(status.Payload(), payload) {
		t.Errorf("%+v %v", status, err)
	}
	if status.KnowsLatest() {
		t.Error("a number that no field of it names")
	}
	status.LatestHash = status.Genesis
	if !status.KnowsLatest() {
		t.Error("the genesis block's number is known")
	}
	for name, message := range map[string]any{
		"a difficulty of 33 bytes": list{uint(66), uint(1), new(big.Int).Add(huge, common.Big1), common.Hash{}, common.Hash{}, fork},
		"a leading zero":           list{uint(66), uint(1), []byte{0, 1}, common.Hash{}, common.Hash{}, fork},
		"no fork id":               list{uint(66), uint(1), uint(1), common.Hash{}, common.Hash{}},
		"a field too many":         list{uint(66), uint(1), uint(1), common.Hash{}, common.Hash{}, fork, uint(1)},
		"that of eth/69":           list{uint(69), uint(1), common.Hash{}, fork, uint(0), uint(1), common.Hash{}},
	} {
		if _, err := ParseStatus(ByHash, encoded(t, message)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestRequestsForNodeData(t *testing.T) {
	type list []any
	hashes := make([]common.Hash, MaxNodeDataHashes+1)
	for _, count := range []int{0, 1, 384, MaxNodeDataHashes} {
		payload := encoded(t, list{uint(7), hashes[:count]})
		request, err := ParseNodeDataRequest(payload)
		if err != nil || request.ID != 7 || request.Items != count || !bytes.Equal(request.Payload(7), payload) {
			t.Errorf("%d hashes: %+v %v", count, request, err)
		}
		// An honest answer has 2 MiB and one more item at most, whether of nodes or of codes.
		if most := request.Expected + request.Spare; most < min(count*codeProbable, answerCap) || most > answerCap+codeProbable+listSlack {
			t.Errorf("%d hashes: an answer may have %d bytes", count, most)
		}
	}
	for name, message := range map[string]any{
		"too many hashes":     list{uint(7), hashes},
		"a short hash":        list{uint(7), list{make([]byte, 31)}},
		"a list for a hash":   list{uint(7), list{list{}}},
		"a string for a list": list{uint(7), common.Hash{}},
		"nothing":             list{},
		"an id alone":         list{uint(7)},
		"a field too many":    list{uint(7), list{}, uint(1)},
		"a leading zero":      list{[]byte{0, 7}, list{}},
	} {
		if _, err := ParseNodeDataRequest(encoded(t, message)); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

func TestAnAnswerOfNodeDataHasNoMoreItemsThanHashes(t *testing.T) {
	type list []any
	request, err := ParseNodeDataRequest(encoded(t, list{uint(7), make([]common.Hash, 2)}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fits    bool
		message any
	}{
		{true, list{uint(7), [][]byte{}}},
		{true, list{uint(7), [][]byte{{1}, make([]byte, 5000)}}},
		{true, list{uint(7), [][]byte{make([]byte, 1<<20)}}}, // a code
		{false, list{uint(7), [][]byte{{1}, {2}, {3}}}},
		{false, list{uint(7), uint(1)}},
		{false, list{uint(7), [][]byte{}, uint(1)}},
		{false, list{uint(7), [][]byte{make([]byte, FrameLimit)}}},
	} {
		answer, err := ParseAnswer(append(make([]byte, AnswerRoom), encoded(t, c.message)...))
		if err != nil {
			t.Fatal(err)
		}
		if err := request.Fits(answer); (err == nil) != c.fits {
			t.Errorf("%.100v: %v", c.message, err)
		}
	}
}

func TestAnnouncementsNameTheNewestBlock(t *testing.T) {
	type list []any
	payload := encoded(t, NewBlockHashes(BlockRange{Latest: 300, LatestHash: common.Hash{4}}))
	if newest, some, err := ParseNewBlockHashes(payload); err != nil || !some || newest != (BlockRange{Latest: 300, LatestHash: common.Hash{4}}) {
		t.Errorf("%+v %v %v", newest, some, err)
	}
	if _, some, err := ParseNewBlockHashes([]byte{0xc0}); err != nil || some {
		t.Error("a block of nothing")
	}
	if _, _, err := ParseNewBlockHashes(encoded(t, list{list{common.Hash{}}})); err == nil {
		t.Error("a block without a number was taken")
	}
	header := list{common.Hash{1}, common.Hash{2}, common.Address{}, common.Hash{}, common.Hash{}, common.Hash{}, []byte{}, uint(2), uint(70_000), uint(1)}
	newest, err := ParseNewBlock(encoded(t, list{list{header, list{}, list{}}, uint(9)}))
	if err != nil || newest.Latest != 70_000 || newest.LatestHash != crypto.Keccak256Hash(encoded(t, header)) {
		t.Errorf("%+v %v", newest, err)
	}
	for _, message := range []any{list{}, list{list{}}, list{list{list{uint(1)}}}, list{list{header[:8]}}, list{uint(1)}} {
		if _, err := ParseNewBlock(encoded(t, message)); err == nil {
			t.Errorf("%v was taken", message)
		}
	}
}
