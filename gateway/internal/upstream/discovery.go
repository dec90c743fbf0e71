package upstream

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/dnsdisc"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
)

// Discovery says how to search for nodes.
type Discovery struct {
	V4, V5    bool
	Listen    string   // UDP address
	DNS       []string // enrtree URLs
	Bootnodes []*enode.Node
	MaxNodes  int
	// Chain names a public network. Before nodes are dialled, their records are compared with its
	// forks.
	Chain *core.Genesis
}

const (
	// sourceTurn is how long one source of nodes may take before the next one is asked. Chosen
	// without a measurement.
	sourceTurn = 500 * time.Millisecond
	// recordRequests is how many nodes are asked for their records at a time: discovery v4 does not
	// send records by itself.
	recordRequests = 8
	// noPort is an address for a port that is not needed.
	noPort = "127.0.0.1:0"
)

// Chains are the public networks by name.
var Chains = map[string]func() (genesis *core.Genesis, bootnodes []string){
	"mainnet": func() (*core.Genesis, []string) { return core.DefaultGenesisBlock(), params.MainnetBootnodes },
	"sepolia": func() (*core.Genesis, []string) {
		return core.DefaultSepoliaGenesisBlock(), params.SepoliaBootnodes
	},
	"hoodi": func() (*core.Genesis, []string) { return core.DefaultHoodiGenesisBlock(), params.HoodiBootnodes },
}

// V5Bootnodes are the boot nodes of discovery v5, which all public networks share.
func V5Bootnodes() []string { return params.V5Bootnodes }

// Discover searches for nodes and keeps up to MaxNodes of them connected until the context ends.
// Then it says goodbye to them. The channel ended is closed when this is done.
func (p *Pool) Discover(ctx context.Context, id Identity, d Discovery) (ended <-chan struct{}, err error) {
	mix := enode.NewFairMix(sourceTurn)
	server := p2p.Server{Config: p2p.Config{
		PrivateKey:       id.Key,
		Name:             id.Name,
		MaxPeers:         d.MaxNodes,
		DialRatio:        1, // nobody dials a gateway: no TCP port is open
		DiscoveryV4:      d.V4,
		DiscoveryV5:      d.V5,
		DiscAddr:         d.Listen,
		BootstrapNodes:   d.Bootnodes,
		BootstrapNodesV5: d.Bootnodes,
		Protocols:        p.protocols(mix),
		Dialer:           discoveredDialer{},
		Logger:           logger(p.log),
	}}
	if !d.V4 && !d.V5 {
		// DNS needs no port, but p2p.Server opens one before it reads from DNS.
		server.DiscAddr = noPort
	}
	events := make(chan *p2p.PeerEvent, 4)
	subscription := server.SubscribeEvents(events)
	if err := server.Start(); err != nil {
		subscription.Unsubscribe()
		return nil, fmt.Errorf("discovery cannot start on %s: %w", d.Listen, err)
	}
	wanted := d.filter()
	if err := d.sources(&server, mix, wanted); err != nil {
		subscription.Unsubscribe()
		server.Stop()
		return nil, err
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		mix.Close()
		server.Stop()
	}()
	go func() {
		defer subscription.Unsubscribe()
		for {
			select {
			case event := <-events:
				p.onEvent(event)
			case <-stopped:
				return
			}
		}
	}()
	return stopped, nil
}

// sources adds all sources of nodes to the mix.
func (d Discovery) sources(server *p2p.Server, mix *enode.FairMix, wanted func(*enode.Node) bool) error {
	if len(d.DNS) > 0 {
		nodes, err := dnsdisc.NewClient(dnsdisc.Config{}).NewIterator(d.DNS...)
		if err != nil {
			return fmt.Errorf("DNS discovery: %w", err)
		}
		mix.AddSource(enode.Filter(nodes, wanted))
	}
	if v4 := server.DiscoveryV4(); v4 != nil {
		record := func(_ context.Context, node *enode.Node) *enode.Node {
			node, _ = v4.RequestENR(node) // nil if it does not answer
			return node
		}
		mix.AddSource(enode.Filter(enode.AsyncFilter(v4.RandomNodes(), record, recordRequests), wanted))
	}
	if v5 := server.DiscoveryV5(); v5 != nil {
		mix.AddSource(enode.Filter(v5.RandomNodes(), wanted))
	}
	return nil
}

// filter returns whether a node's record says that it is worth dialling: it speaks eth and snap,
// and is on the right chain with the right forks.
func (d Discovery) filter() func(*enode.Node) bool {
	forks := func(forkid.ID) error { return nil }
	if d.Chain != nil {
		forks = forkid.NewStaticFilter(d.Chain.Config, d.Chain.ToBlock())
	}
	return func(node *enode.Node) bool {
		var eth ethEntry
		var snap snapEntry
		return node.Load(&eth) == nil && node.Load(&snap) == nil && forks(eth.ForkID) == nil
	}
}

// ethEntry is what a record says about eth.
type ethEntry struct {
	ForkID forkid.ID
	Rest   []rlp.RawValue `rlp:"tail"`
}

// ENRKey implements enr.Entry.
func (ethEntry) ENRKey() string { return "eth" }

// snapEntry is what a record says about snap: that the node speaks it.
type snapEntry struct {
	Rest []rlp.RawValue `rlp:"tail"`
}

// ENRKey implements enr.Entry.
func (snapEntry) ENRKey() string { return "snap" }
