package upstream

import (
	"bytes"
	"io"

	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rlp"

	"snaplight/gateway/internal/wire"
)

// largestQuestion is how long a node's own request may be, in bytes. Longer ones are not answered.
const largestQuestion = 512 << 10

// rawRLP is sent as it is.
type rawRLP = rlp.RawValue

// decline answers a node's own request with an empty answer: a gateway has no chain and no state.
func decline(rw p2p.MsgReadWriter, protocol wire.Protocol, msg p2p.Msg) error {
	payload, err := question(msg)
	if err != nil || payload == nil {
		return err
	}
	if answer := wire.EmptyAnswer(protocol, msg.Code, payload); answer != nil {
		return p2p.Send(rw, msg.Code+1, rawRLP(answer))
	}
	return nil
}

// declineReceipts is decline for eth/70 and later. The answer also says that the last block's
// receipts are complete.
func declineReceipts(rw p2p.MsgReadWriter, msg p2p.Msg) error {
	payload, err := question(msg)
	if err != nil || payload == nil {
		return err
	}
	id, _, err := wire.SplitID(payload)
	if err != nil {
		return nil
	}
	return p2p.Send(rw, msg.Code+1, []any{id, false, []rlp.RawValue{}})
}

// question reads a node's request. It returns nil if the request is too long.
func question(msg p2p.Msg) ([]byte, error) {
	if msg.Size > largestQuestion {
		return nil, msg.Discard()
	}
	var payload bytes.Buffer
	_, err := io.Copy(&payload, msg.Payload)
	return payload.Bytes(), err
}
