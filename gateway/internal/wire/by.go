package wire

// By is a kind of connection: how a client asks for state on it.
type By uint8

// The two kinds of connections.
const (
	BySnap By = iota // eth/69 with snap: by ranges and paths below a state root
	ByHash           // eth/66 alone: trie nodes and bytecodes by their hash
)

func (b By) String() string {
	if b == ByHash {
		return "hash"
	}
	return "snap"
}

// Capabilities are those that both sides share. A connection by hash has no snap.
func (b By) Capabilities(snap uint64) []Capability {
	if b == ByHash {
		return []Capability{{"eth", Eth66Version}}
	}
	return []Capability{{"eth", EthVersion}, {"snap", snap}}
}

// Offsets are the first message ids of the shared capabilities, and the first id behind them.
type Offsets struct{ Eth, Snap, End uint64 }

// Offsets returns them, in the order of the names. By hash, Snap is End.
func (b By) Offsets(snap uint64) Offsets {
	if b == ByHash {
		const end = CapabilitiesFrom + Eth66Length
		return Offsets{CapabilitiesFrom, end, end}
	}
	const first = CapabilitiesFrom + EthLength
	return Offsets{CapabilitiesFrom, first, first + SnapLength(snap)}
}

// SharedOffsets returns them for eth/69 and snap/1.
func SharedOffsets() Offsets { return BySnap.Offsets(1) }
