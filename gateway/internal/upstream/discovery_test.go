package upstream

import (
	"testing"

	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
)

func TestOnlyNodesOfTheChainThatSpeakSnapAreDialled(t *testing.T) {
	genesis, _ := Chains["sepolia"]()
	right := ethEntry{ForkID: forkid.NewID(genesis.Config, genesis.ToBlock(), 0, genesis.Timestamp)}
	wrong := ethEntry{ForkID: forkid.ID{Hash: [4]byte{1, 2, 3, 4}}}
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		entries []enr.Entry
		any     bool // accepted if no chain is named
		sepolia bool
	}{
		"the chain's":    {[]enr.Entry{right, snapEntry{}}, true, true},
		"another's":      {[]enr.Entry{wrong, snapEntry{}}, true, false},
		"without snap":   {[]enr.Entry{right}, false, false},
		"of nothing":     {nil, false, false},
		"only with snap": {[]enr.Entry{snapEntry{}}, false, false},
	} {
		var record enr.Record
		for _, entry := range c.entries {
			record.Set(entry)
		}
		if err := enode.SignV4(&record, key); err != nil {
			t.Fatal(err)
		}
		node, err := enode.New(enode.ValidSchemes, &record)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Discovery{}).filter()(node); got != c.any {
			t.Errorf("%s: %v where any chain will do", name, got)
		}
		if got := (Discovery{Chain: genesis}).filter()(node); got != c.sepolia {
			t.Errorf("%s: %v for sepolia", name, got)
		}
	}
}
