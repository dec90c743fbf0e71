// Package testnode runs a real go-ethereum node for tests: its transaction pool, its state, its
// RLPx server with eth and snap, and its JSON-RPC, on a chain whose blocks are made on demand. Only
// the consensus client is simulated, by go-ethereum's own SimulatedBeacon.
package testnode

import (
	"cmp"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/catalyst"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/eth/protocols/snap"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// Config says which node to run.
type Config struct {
	Alloc     types.GenesisAlloc
	Bare      bool              // serve exactly Alloc; makes no blocks
	Scheme    string            // "path" (default) or "hash"
	Amsterdam bool              // use block access lists and snap/2
	Listen    string            // RLPx; default 127.0.0.1:0
	RPCPort   int               // JSON-RPC over WebSocket and HTTP; 0 is any free port
	Seed      uint64            // of the faucet and of the blocks' contents
	Key       *ecdsa.PrivateKey // the node's identity; default from the seed
	MaxPeers  int               // default 50
	Network   *core.Genesis     // another chain's genesis instead of Alloc; makes no blocks
	Blocks    types.Blocks      // the blocks of Network that the node has, from number 1 on
	Discovery bool              // be found by discovery v4 and v5 on loopback; dial nobody
	Bootnodes []*enode.Node     // the boot nodes that get to know this node
	Folder    string            // where everything is kept; default a temporary folder
}

// How long a node may take until it serves its genesis state. A million accounts take about ten
// seconds.
const readyTimeout = 2 * time.Minute

// Node is a running node.
type Node struct {
	stack  *node.Node
	eth    *eth.Ethereum
	beacon *catalyst.SimulatedBeacon
	alloc  types.GenesisAlloc
	blocks *blockMaker
	folder string // removed by Close

	closing sync.Once
	closed  error
}

// Block is the description of a block that is printed.
type Block struct {
	Number     uint64      `json:"number"`
	Hash       common.Hash `json:"hash"`
	Root       common.Hash `json:"root"`
	ParentRoot common.Hash `json:"parentRoot"`
	Time       uint64      `json:"time"`
}

// Start starts a node, and returns when it serves its state.
func Start(config Config) (*Node, error) {
	if config.Network != nil {
		config.Alloc, config.Bare = config.Network.Alloc, true
	}
	alloc := make(types.GenesisAlloc, len(config.Alloc)+10)
	if !config.Bare {
		// Blocks call these contracts and are invalid without them.
		maps.Copy(alloc, core.SystemContractAllocs())
		_, faucet := Faucet(config.Seed)
		alloc[faucet] = types.Account{Balance: new(big.Int).Lsh(common.Big1, 100)}
	}
	maps.Copy(alloc, config.Alloc)

	n := &Node{alloc: alloc}
	var err error
	if config.Folder == "" {
		// Never in memory: go-ethereum's database in memory sorts the whole state again for each
		// range.
		if n.folder, err = os.MkdirTemp("", "snaplight-testnode-"); err != nil {
			return nil, err
		}
		config.Folder = n.folder
	}
	if n.stack, err = node.New(nodeConfig(config)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(n.folder))
	}
	if err := n.start(ethConfig(config, alloc), !config.Bare); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if len(config.Blocks) > 0 {
		if err := n.importBlocks(config.Blocks); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	n.blocks = newBlockMaker(n, config.Seed)
	return n, nil
}

func nodeConfig(config Config) *node.Config {
	key := config.Key
	if key == nil {
		key = Key(config.Seed, "node")
	}
	conf := node.DefaultConfig
	conf.DataDir = config.Folder
	conf.P2P = p2p.Config{
		PrivateKey:  key,
		NoDiscovery: true,
		ListenAddr:  cmp.Or(config.Listen, "127.0.0.1:0"),
		MaxPeers:    cmp.Or(config.MaxPeers, 50),
	}
	if config.Discovery {
		conf.P2P.NoDiscovery, conf.P2P.DiscoveryV4, conf.P2P.DiscoveryV5 = false, true, true
		conf.P2P.DiscAddr = "127.0.0.1:0" // the number of the free TCP port may be taken in UDP
		conf.P2P.BootstrapNodes, conf.P2P.BootstrapNodesV5 = config.Bootnodes, config.Bootnodes
		conf.P2P.NoDial = true
	}
	conf.WSHost = "127.0.0.1"
	conf.WSPort = config.RPCPort
	conf.WSOrigins = []string{"*"}
	conf.WSModules = []string{"eth", "net", "web3", "debug", "admin"}
	// HTTP is served at the port of the WebSockets, to the pages of any origin.
	conf.HTTPHost = conf.WSHost
	conf.HTTPPort = conf.WSPort
	conf.HTTPCors = []string{"*"}
	conf.HTTPModules = []string{"eth", "net", "web3"}
	return &conf
}

func ethConfig(config Config, alloc types.GenesisAlloc) *ethconfig.Config {
	chain := *params.AllDevChainProtocolChanges
	if config.Amsterdam {
		chain.AmsterdamTime, chain.BogotaTime = new(uint64), nil
	}
	genesis := &core.Genesis{
		Config:   &chain,
		GasLimit: ethconfig.Defaults.Miner.GasCeil,
		Alloc:    alloc,
	}
	if config.Network != nil {
		genesis = config.Network
	}
	conf := ethconfig.Defaults
	conf.NetworkId = genesis.Config.ChainID.Uint64()
	conf.SyncMode = ethconfig.FullSync
	conf.StateScheme = cmp.Or(config.Scheme, "path")
	conf.TxPool.NoLocals = true
	conf.LogNoHistory = true
	conf.Genesis = genesis
	return &conf
}

func (n *Node) start(conf *ethconfig.Config, makesBlocks bool) (err error) {
	if n.eth, err = eth.New(n.stack, conf); err != nil {
		return err
	}
	system := filters.NewFilterSystem(n.eth.APIBackend, filters.Config{})
	n.stack.RegisterAPIs([]rpc.API{{Namespace: "eth", Service: filters.NewFilterAPI(system)}})
	if err := n.stack.Start(); err != nil {
		return err
	}
	if makesBlocks {
		if n.beacon, err = catalyst.NewSimulatedBeacon(0, common.Address{}, n.eth); err != nil {
			return err
		}
		if err := n.beacon.Fork(n.eth.BlockChain().Genesis().Hash()); err != nil {
			return err
		}
	}
	return n.awaitServing()
}

// awaitServing waits for go-ethereum's background work on a new state. Until it is done, the node
// answers ranges as if it had no state.
func (n *Node) awaitServing() error {
	request := snap.GetAccountRangePacket{
		Root:  n.eth.BlockChain().Genesis().Root(),
		Limit: common.MaxHash,
	}
	for deadline := time.Now().Add(readyTimeout); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, proof := snap.ServiceGetAccountRangeQuery(n.eth.BlockChain(), &request); len(proof) > 0 {
			return nil
		}
		if len(n.alloc) == 0 {
			return nil // an empty trie has no proofs to wait for
		}
	}
	return errors.New("the node does not serve its state")
}

// Close ends the node. Closing it again does nothing.
func (n *Node) Close() error {
	n.closing.Do(func() {
		if n.beacon != nil {
			n.closed = n.beacon.Stop()
		}
		n.closed = errors.Join(n.closed, n.stack.Close(), os.RemoveAll(n.folder))
	})
	return n.closed
}

// Alloc returns the whole genesis state, with the contracts that blocks need.
func (n *Node) Alloc() types.GenesisAlloc { return n.alloc }

// Chain returns the node's chain. Tests compare with it.
func (n *Node) Chain() *core.BlockChain { return n.eth.BlockChain() }

// Enode returns where the node is reached.
func (n *Node) Enode() string { return n.stack.Server().Self().URLv4() }

// Server is the node's devp2p server.
func (n *Node) Server() *p2p.Server { return n.stack.Server() }

// RPC returns the URL of JSON-RPC over WebSocket.
func (n *Node) RPC() string { return n.stack.WSEndpoint() }

// NetworkID returns the id of the network and of the chain.
func (n *Node) NetworkID() uint64 { return n.Chain().Config().ChainID.Uint64() }

// Head is the newest block.
func (n *Node) Head() Block {
	return n.describe(n.Chain().CurrentBlock())
}

func (n *Node) describe(header *types.Header) Block {
	block := Block{Number: header.Number.Uint64(), Hash: header.Hash(), Root: header.Root, Time: header.Time}
	if parent := n.Chain().GetHeaderByHash(header.ParentHash); parent != nil {
		block.ParentRoot = parent.Root
	}
	return block
}

// MakeBlock makes a block full of changes and returns it.
func (n *Node) MakeBlock() (Block, error) {
	if n.beacon == nil {
		return Block{}, errors.New("a bare chain makes no blocks")
	}
	parent := n.Chain().CurrentBlock().Hash()
	if err := n.blocks.fill(); err != nil {
		return Block{}, fmt.Errorf("transactions: %w", err)
	}
	n.beacon.Commit()
	header := n.Chain().CurrentBlock()
	if header.ParentHash != parent {
		return Block{}, errors.New("no block was made")
	}
	return n.describe(header), nil
}
