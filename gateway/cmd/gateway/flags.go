package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/params"

	"snaplight/gateway/internal/front"
	"snaplight/gateway/internal/upstream"
)

// Limits by default; docs/gateway.md has the table with their reasons.
const (
	defaultClients     = 256
	defaultClientBytes = 4 << 20
	defaultRequestSize = 128 << 10
	defaultIdle        = 10 * time.Minute
	defaultNodes       = 8
)

// loopbackOrigins are pages that are being developed. Whoever serves others says so.
var loopbackOrigins = []string{
	"http://localhost", "http://localhost:*", "http://127.0.0.1", "http://127.0.0.1:*", `http://\[::1\]`, `http://\[::1\]:*`,
}

// options is the whole command line, understood.
type options struct {
	listen, admin, attach, nodeKey string
	headRPC                        string
	nodes                          []*enode.Node
	snap                           uint
	chain                          string
	network                        upstream.Network
	discovery                      upstream.Discovery
	front                          front.Config
	clientBytes                    int
	level                          slog.Level
	logJSON, exitWithStdin         bool
	maxSeconds                     int
}

func (o *options) discovers() bool {
	return o.discovery.V4 || o.discovery.V5 || len(o.discovery.DNS) > 0
}

// list is a flag that may come several times.
type list []string

func (l *list) String() string { return fmt.Sprint(*l) }

// Set implements flag.Value.
func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

func parse(arguments []string) (*options, error) {
	o := &options{front: front.Config{Name: name}}
	var nodes, origins, dns, bootnodes list
	var genesis string
	f := flag.NewFlagSet("gateway", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), "Brings Ethereum nodes to browsers: snap over WebSocket, see docs/gateway.md.\n\n    gateway --node ENODE [flags]\n    gateway --attach ~/.ethereum/geth.ipc [flags]\n\n")
		f.PrintDefaults()
	}
	f.StringVar(&o.listen, "listen", "127.0.0.1:8580", "WebSocket `ADDRESS`; port 0 is any free one")
	f.StringVar(&o.admin, "admin", "", "`ADDRESS` of /metrics and /healthz; default is together with the WebSocket")
	f.Var(&nodes, "node", "`ENODE` to stay connected to; may come several times")
	f.StringVar(&o.attach, "attach", "", "go-ethereum's IPC file or RPC `URL` with the admin API: connects to that node, and asks it to always have room for this gateway")
	f.StringVar(&o.headRPC, "head-rpc", "", "ws:// `URL` or IPC file of the JSON-RPC of the one --node: announces each of its blocks, and not only every 32nd; --attach does so by itself")
	f.UintVar(&o.snap, "snap", 1, "version of snap to speak; 2 cannot heal by trie nodes")
	f.StringVar(&o.chain, "network", "", "mainnet, sepolia or hoodi: only its nodes, its bootnodes, its forks")
	f.Uint64Var(&o.network.ID, "network-id", 0, "only nodes of this network; 0 is any")
	f.StringVar(&genesis, "genesis-hash", "", "only nodes of the chain with this genesis `HASH`")
	f.BoolVar(&o.discovery.V4, "discovery-v4", false, "search for nodes by discovery v4")
	f.BoolVar(&o.discovery.V5, "discovery-v5", false, "search for nodes by discovery v5")
	f.Var(&dns, "dns", "search for nodes in an enrtree `URL`; `default` is the network's own")
	f.Var(&bootnodes, "bootnode", "`ENODE or ENR` to start discovery from; default is the network's own")
	f.StringVar(&o.discovery.Listen, "discovery-listen", "127.0.0.1:0", "UDP `ADDRESS` of discovery; the Internet needs 0.0.0.0:30303 or the like")
	f.IntVar(&o.discovery.MaxNodes, "max-nodes", defaultNodes, "discovered nodes at a time, those of --node not counted")
	f.StringVar(&o.nodeKey, "node-key", "", "`FILE` with the gateway's private key in hex, made if it does not exist; default is a new one each time")
	f.Var(&origins, "origin", "pages that may connect, as scheme://host with * as wildcard; may come several times; * alone is any; default is loopback")
	f.IntVar(&o.front.MaxClients, "max-clients", defaultClients, "clients at a time")
	f.IntVar(&o.clientBytes, "client-bytes", defaultClientBytes, "answers that one client may have in flight, in bytes; at least one goes always")
	f.Int64Var(&o.front.RequestSize, "max-request", defaultRequestSize, "largest message from a client, in bytes")
	f.DurationVar(&o.front.Idle, "idle", defaultIdle, "a client that asks for nothing that long is sent away")
	f.TextVar(&o.level, "log-level", slog.LevelInfo, "debug, info, warn or error")
	f.BoolVar(&o.logJSON, "log-json", false, "log as JSON")
	f.IntVar(&o.maxSeconds, "max-seconds", 0, "end after that time; 0 is never")
	f.BoolVar(&o.exitWithStdin, "exit-with-stdin", false, "end when standard input does")
	if err := f.Parse(arguments); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("what is %q? Flags only, see --help", f.Arg(0))
	}
	o.front.Origins = origins
	if len(origins) == 0 {
		o.front.Origins = loopbackOrigins
	}
	o.front.AdminApart = o.admin != ""
	var err error
	if o.nodes, err = parseNodes("--node", nodes); err != nil {
		return nil, err
	}
	if o.discovery.Bootnodes, err = parseNodes("--bootnode", bootnodes); err != nil {
		return nil, err
	}
	return o, o.complete(genesis, dns)
}

func parseNodes(flag string, texts []string) (nodes []*enode.Node, err error) {
	for _, text := range texts {
		node, err := enode.Parse(enode.ValidSchemes, text)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w; expected is enode://KEY@HOST:PORT or enr:...", flag, text, err)
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// complete checks what belongs together and fills in what follows.
func (o *options) complete(genesis string, dns []string) error {
	switch {
	case o.snap != 1 && o.snap != 2:
		return fmt.Errorf("--snap is 1 or 2, not %d", o.snap)
	case o.front.MaxClients < 1 || o.clientBytes < 1 || o.front.RequestSize < 1 || o.front.Idle < time.Second || o.discovery.MaxNodes < 1:
		return errors.New("--max-clients, --client-bytes, --max-request and --max-nodes are at least 1, --idle at least a second")
	case len(o.nodes) == 0 && o.attach == "" && !o.discovers():
		return errors.New("no nodes: give --node ENODE, --attach geth.ipc, or a way to search (--network mainnet --discovery-v4)")
	case o.headRPC != "" && (len(o.nodes) != 1 || o.attach != ""):
		return errors.New("--head-rpc is of one node: give exactly one --node with it; --attach follows its node by itself")
	case strings.HasPrefix(o.headRPC, "http"):
		return fmt.Errorf("--head-rpc %s: over HTTP a node cannot tell its blocks; give its WebSocket (ws://127.0.0.1:8546) or its IPC file", o.headRPC)
	}
	if genesis != "" {
		hash := common.HexToHash(genesis)
		if hash.Hex() != genesis && hash.Hex() != "0x"+genesis {
			return fmt.Errorf("--genesis-hash %s: 32 bytes of lower-case hex are needed", genesis)
		}
		o.network.Genesis = &hash
	}
	var ownNodes []string
	if o.chain != "" {
		chain, ok := upstream.Chains[o.chain]
		if !ok {
			return fmt.Errorf("--network %s: known are mainnet, sepolia and hoodi; for others --network-id and --genesis-hash", o.chain)
		}
		o.discovery.Chain, ownNodes = chain()
		hash := o.discovery.Chain.ToBlock().Hash()
		o.network = upstream.Network{ID: o.discovery.Chain.Config.ChainID.Uint64(), Genesis: &hash}
	}
	for _, url := range dns {
		if url == "default" {
			if o.chain == "" {
				return errors.New("--dns default needs --network")
			}
			if url = params.KnownDNSNetwork(*o.network.Genesis, "snap"); url == "" {
				return fmt.Errorf("network %s has no DNS list of snap nodes that is known here; give its enrtree URL", o.chain)
			}
		}
		o.discovery.DNS = append(o.discovery.DNS, url)
	}
	if len(o.discovery.Bootnodes) == 0 && (o.discovery.V4 || o.discovery.V5) {
		if o.discovery.V5 {
			ownNodes = append(ownNodes, upstream.V5Bootnodes()...)
		}
		if o.chain == "" {
			return errors.New("discovery needs --network, or --bootnode")
		}
		var err error
		o.discovery.Bootnodes, err = parseNodes("bootnode", ownNodes)
		return err
	}
	return nil
}

// arguments are the command line's, without the program.
func arguments() []string { return os.Args[1:] }
