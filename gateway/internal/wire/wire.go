// Package wire is what crosses the WebSocket between a browser and the gateway: devp2p messages
// without RLPx, as docs/websocket-peers.md describes them. It only reads and writes bytes: it has
// no sockets, no clock and no goroutines.
package wire

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// Subprotocol is offered and selected in Sec-WebSocket-Protocol.
const Subprotocol = "devp2p.1"

// P2PVersion is the version in a Hello. Higher versions are treated alike, and lower ones are
// refused.
const P2PVersion = 5

// The largest frames in bytes, with their message ids.
const (
	FrameLimit     = 10 << 20 // in either direction, as the protocol says
	BaseFrameLimit = 2048     // of messages with ids below CapabilitiesFrom
)

// Ids of the base messages.
const (
	HelloID          = 0x00
	DisconnectID     = 0x01
	PingID           = 0x02
	PongID           = 0x03
	CapabilitiesFrom = 0x10 // the first id of a capability
)

// Codes of eth, relative to the capability's first id. eth66.go has those of eth/66 alone.
const (
	StatusCode           = 0x00
	GetBlockHeadersCode  = 0x03
	BlockHeadersCode     = 0x04
	BlockRangeUpdateCode = 0x11 // of eth/69
	EthLength            = 18   // how many ids eth/69 has
	EthVersion           = 69
)

// MaxName is the longest name that a Hello may be sent with, in bytes.
const MaxName = 256

const maxMessageIDBytes = 4

var (
	// ErrMalformed says that bytes are not what the protocol describes.
	ErrMalformed = errors.New("malformed message")
	// ErrOldVersion says that a Hello's p2p version is too low.
	ErrOldVersion = errors.New("p2p version below 5")
)

// Reason says why a connection ends, as in devp2p's Disconnect.
type Reason uint64

// The reasons of devp2p. This side sends some of them.
const (
	Done         Reason = 0x00
	Transport    Reason = 0x01
	Breach       Reason = 0x02
	Useless      Reason = 0x03
	TooMany      Reason = 0x04
	Already      Reason = 0x05
	Incompatible Reason = 0x06
	NullID       Reason = 0x07
	Quitting     Reason = 0x08
	UnexpectedID Reason = 0x09
	Self         Reason = 0x0a
	Timeout      Reason = 0x0b
	Other        Reason = 0x10
)

// OtherName is the name of [Other], and of all reasons that devp2p does not know. A peer may send any
// number.
const OtherName = "other"

var reasonNames = map[Reason]string{
	Done: "done", Transport: "transport", Breach: "breach", Useless: "useless", TooMany: "too-many", Already: "already-connected",
	Incompatible: "incompatible", NullID: "null-id", Quitting: "quitting", UnexpectedID: "unexpected-id", Self: "self",
	Timeout: "timeout", Other: OtherName,
}

// ReasonNames are the names of all reasons.
func ReasonNames() []string { return slices.Collect(maps.Values(reasonNames)) }

// WebSocket close codes without a devp2p reason.
const (
	CloseText      = 1003 // a text frame arrived
	CloseOversized = 1009 // a frame above the limit arrived
)

// CloseCode returns the WebSocket close code of a reason.
func (r Reason) CloseCode() int {
	if r == Done {
		return 1000
	}
	return 4000 + int(min(r, 0xff))
}

func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return OtherName
}

// Split splits a frame into its message id and its payload, which is exactly one RLP list.
func Split(frame []byte) (id uint64, payload []byte, err error) {
	kind, content, payload, err := rlp.Split(frame)
	if err != nil || kind == rlp.List || len(content) > maxMessageIDBytes {
		return 0, nil, fmt.Errorf("%w: message id", ErrMalformed)
	}
	if id, _, err = rlp.SplitUint64(frame); err != nil {
		return 0, nil, fmt.Errorf("%w: message id", ErrMalformed)
	}
	if _, _, rest, err := rlp.Split(payload); err != nil || len(rest) > 0 {
		return 0, nil, fmt.Errorf("%w: payload of message 0x%x", ErrMalformed, id)
	}
	return id, payload, nil
}

// Frame makes a frame. go-ethereum's package rlp encodes the value.
func Frame(id uint64, message any) []byte {
	payload, err := rlp.EncodeToBytes(message)
	if err != nil {
		panic(err) // depends only on types of this program, and not on anybody's bytes
	}
	return append(rlp.AppendUint64(nil, id), payload...)
}

// Capability is a protocol that a side speaks.
type Capability struct {
	Name    string
	Version uint64
}

// Hello introduces a side.
type Hello struct {
	Version      uint64
	Name         string
	Capabilities []Capability
	Port         uint64
	NodeID       []byte
}

// Encode returns the whole frame.
func (h Hello) Encode() []byte { return Frame(HelloID, &h) }

// ParseHello reads a Hello's payload. Its port and its node id mean nothing, so the gateway does not
// look at them.
func ParseHello(payload []byte) (Hello, error) {
	var wire struct {
		Version      uint64
		Name         []byte
		Capabilities []struct {
			Name    []byte
			Version uint64
			Rest    []rlp.RawValue `rlp:"tail"`
		}
		Rest []rlp.RawValue `rlp:"tail"`
	}
	if err := rlp.DecodeBytes(payload, &wire); err != nil {
		return Hello{}, fmt.Errorf("%w: Hello: %v", ErrMalformed, err)
	}
	hello := Hello{Version: wire.Version, Name: string(wire.Name)}
	for _, capability := range wire.Capabilities {
		hello.Capabilities = append(hello.Capabilities, Capability{string(capability.Name), capability.Version})
	}
	if wire.Version < P2PVersion {
		return hello, ErrOldVersion
	}
	return hello, nil
}

// Speaks returns whether a side offers a capability.
func (h Hello) Speaks(name string, version uint64) bool {
	return slices.Contains(h.Capabilities, Capability{name, version})
}

// Offers returns whether a side offers all capabilities of a kind of connection.
func (h Hello) Offers(by By, snap uint64) bool {
	return !slices.ContainsFunc(by.Capabilities(snap), func(c Capability) bool { return !h.Speaks(c.Name, c.Version) })
}

// Status says which chain a side is on, as in eth/69 or in eth/66.
type Status struct {
	Version   uint64
	NetworkID uint64
	Genesis   common.Hash
	ForkID    ForkID
	// BlockRange has only the newest block's hash if the Status is that of eth/66.
	BlockRange
	// Difficulty is the chain's total difficulty, which only eth/66 has.
	Difficulty *big.Int
}

// KnowsLatest returns whether Latest is known: the Status of eth/66 names only the block's hash.
func (s Status) KnowsLatest() bool {
	return s.Version != Eth66Version || s.Latest > 0 || s.LatestHash == s.Genesis
}

// ForkID is the fork id of EIP-2124.
type ForkID struct {
	Hash [4]byte
	Next uint64
}

// BlockRange says which blocks a node has.
type BlockRange struct {
	Earliest, Latest uint64
	LatestHash       common.Hash
}

// Ordered returns the range with an earliest block that is not after the latest. Clients take
// anything else for a breach.
func (r BlockRange) Ordered() BlockRange {
	r.Earliest = min(r.Earliest, r.Latest)
	return r
}

// statusFields is Status without Go's embedding, which package rlp would encode as a list in the
// list.
type statusFields struct {
	Version, NetworkID uint64
	Genesis            common.Hash
	ForkID             ForkID
	Earliest, Latest   uint64
	LatestHash         common.Hash
}

// Payload returns the message without its id, in the form of its version.
func (s Status) Payload() []byte {
	var fields any = &statusFields{s.Version, s.NetworkID, s.Genesis, s.ForkID, s.Earliest, s.Latest, s.LatestHash}
	if s.Version == Eth66Version {
		fields = &status66Fields{s.Version, s.NetworkID, s.Difficulty, s.LatestHash, s.Genesis, s.ForkID}
	}
	payload, err := rlp.EncodeToBytes(fields)
	if err != nil {
		panic(err) // all its fields can be encoded
	}
	return payload
}

// ParseStatus reads a Status of a connection by snap, which is that of eth/69 or of a later version
// with the same fields, or of a connection by hash.
func ParseStatus(by By, payload []byte) (Status, error) {
	if by == ByHash {
		return parseStatus66(payload)
	}
	var f statusFields
	if err := rlp.DecodeBytes(payload, &f); err != nil {
		return Status{}, fmt.Errorf("%w: Status: %v", ErrMalformed, err)
	}
	return Status{
		Version: f.Version, NetworkID: f.NetworkID, Genesis: f.Genesis, ForkID: f.ForkID,
		BlockRange: BlockRange{f.Earliest, f.Latest, f.LatestHash},
	}, nil
}

// SameChain returns whether two sides are on one chain, by the three fields that the protocol
// compares.
func (s Status) SameChain(other Status) bool {
	return s.Version == other.Version && s.NetworkID == other.NetworkID && s.Genesis == other.Genesis
}

// ParseBlockRange reads a BlockRangeUpdate's payload.
func ParseBlockRange(payload []byte) (BlockRange, error) {
	var r BlockRange
	if err := rlp.DecodeBytes(payload, &r); err != nil {
		return r, fmt.Errorf("%w: BlockRangeUpdate: %v", ErrMalformed, err)
	}
	return r, nil
}

// DisconnectFrame is the last frame that a side sends.
func DisconnectFrame(reason Reason) []byte { return Frame(DisconnectID, []uint64{uint64(reason)}) }

// ParseDisconnect reads the reason in any form: the connection ends in any case.
func ParseDisconnect(payload []byte) Reason {
	content, _, err := rlp.SplitList(payload)
	if err != nil {
		content = payload
	}
	reason, _, err := rlp.SplitUint64(content)
	if err != nil {
		return Done
	}
	return Reason(reason)
}
