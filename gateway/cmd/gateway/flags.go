package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/params"

	"snaplight/gateway/internal/front"
	"snaplight/gateway/internal/upstream"
)

// The default limits. docs/gateway.md has a table with their reasons.
const (
	defaultClients     = 256
	defaultPerAddress  = 32
	defaultClientBytes = 4 << 20
	defaultRequestSize = 128 << 10
	defaultIdle        = 10 * time.Minute
	defaultNodes       = 8
	defaultHeader      = "X-Forwarded-For"
)

// loopbackOrigins are pages under development. Other pages must be allowed by --origin.
var loopbackOrigins = []string{
	"http://localhost", "http://localhost:*", "http://127.0.0.1", "http://127.0.0.1:*", `http://\[::1\]`, `http://\[::1\]:*`,
}

// options are the parsed command line.
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

// list is a flag that may be repeated.
type list []string

func (l *list) String() string { return fmt.Sprint(*l) }

// Set implements flag.Value.
func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

func parse(arguments []string) (*options, error) {
	o := &options{front: front.Config{Name: name}}
	var nodes, hosts, origins, proxies, dns, bootnodes list
	var genesis string
	f := flag.NewFlagSet("gateway", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), "Brings Ethereum nodes to browsers: snap over WebSocket, see docs/gateway.md.\n\n"+
			"    gateway --node ENODE [flags]\n"+
			"    gateway --attach ~/.ethereum/geth.ipc [flags]\n\n")
		f.PrintDefaults()
	}
	f.StringVar(&o.listen, "listen", "127.0.0.1:8580", "WebSocket `ADDRESS`; with port 0 the system chooses a free port")
	f.StringVar(&o.admin, "admin", "", "`ADDRESS` of /metrics and /healthz, which are then nowhere else; by default that of the WebSocket")
	f.Var(&nodes, "node", "`ENODE` to stay connected to; may be repeated")
	f.StringVar(&o.attach, "attach", "", "go-ethereum's IPC file or RPC `URL` with the admin API: "+
		"connects to this node, and asks it to always accept this gateway")
	f.StringVar(&o.headRPC, "head-rpc", "", "ws:// `URL` or IPC file of the JSON-RPC of the only --node: "+
		"announces each of its blocks instead of every 32nd; --attach does this by itself")
	f.UintVar(&o.snap, "snap", 1, "version of snap to speak; 2 cannot heal by trie nodes")
	f.StringVar(&o.chain, "network", "", "mainnet, sepolia or hoodi: use only its nodes, boot nodes and forks")
	f.Uint64Var(&o.network.ID, "network-id", 0, "only nodes of this network; 0 is any")
	f.StringVar(&genesis, "genesis-hash", "", "only nodes of the chain with this genesis `HASH`")
	f.BoolVar(&o.discovery.V4, "discovery-v4", false, "search for nodes by discovery v4")
	f.BoolVar(&o.discovery.V5, "discovery-v5", false, "search for nodes by discovery v5")
	f.Var(&dns, "dns", "search for nodes in an enrtree `URL`; `default` is the network's own; may be repeated")
	f.Var(&bootnodes, "bootnode", "`ENODE or ENR` to start discovery from; default the network's own; may be repeated")
	f.StringVar(&o.discovery.Listen, "discovery-listen", "127.0.0.1:0", "UDP `ADDRESS` of discovery; use 0.0.0.0:30303 or similar on the Internet")
	f.IntVar(&o.discovery.MaxNodes, "max-nodes", defaultNodes, "the most discovered nodes at a time, without those of --node")
	f.StringVar(&o.nodeKey, "node-key", "", "`FILE` with the gateway's private key in hex; "+
		"it is created if it does not exist; by default a new key each time")
	f.Var(&hosts, "host", "`NAME` or address, besides loopback, by which clients call this gateway, as in their URL; "+
		"* is any, which lets every page connect whose name is pointed here; may be repeated")
	f.Var(&origins, "origin", "`PATTERN` of pages that may connect, as scheme://host with * as wildcard; "+
		"* alone is any page; default pages on loopback, which are not allowed any more when it is given; may be repeated")
	f.Var(&proxies, "trusted-proxy", "`CIDR` or address of a reverse proxy whose word about clients' addresses is taken; may be repeated")
	f.StringVar(&o.front.Proxies.Header, "client-header", defaultHeader, "`HEADER` in which a trusted proxy names the client's address")
	f.IntVar(&o.front.MaxClients, "max-clients", defaultClients, "the most clients at a time")
	f.IntVar(&o.front.PerVisitor, "clients-per-address", defaultPerAddress, "the most clients at a time of one address, or of one /64 of IPv6; "+
		"0 is no limit; loopback has none, unless it is a trusted proxy")
	f.IntVar(&o.clientBytes, "client-bytes", defaultClientBytes, "the most bytes of answers in flight for a client; one answer can always be sent")
	f.Int64Var(&o.front.RequestSize, "max-request", defaultRequestSize, "the largest message from a client, in bytes")
	f.DurationVar(&o.front.Idle, "idle", defaultIdle, "disconnect a client that asks for nothing this long")
	f.TextVar(&o.level, "log-level", slog.LevelInfo, "debug, info, warn or error")
	f.BoolVar(&o.logJSON, "log-json", false, "log as JSON")
	f.IntVar(&o.maxSeconds, "max-seconds", 0, "end after this time; 0 is never")
	f.BoolVar(&o.exitWithStdin, "exit-with-stdin", false, "end when standard input ends")
	if err := f.Parse(arguments); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%q is not a flag; see --help", f.Arg(0))
	}
	o.front.Origins = origins
	if len(origins) == 0 {
		o.front.Origins = loopbackOrigins
	}
	o.front.AdminApart = o.admin != ""
	var err error
	if o.front.Hosts, err = parseHosts(hosts); err != nil {
		return nil, err
	}
	if o.front.Proxies.Trusted, err = parseRanges(proxies); err != nil {
		return nil, err
	}
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
			return nil, fmt.Errorf("%s %s: %w; expected enode://KEY@HOST:PORT or enr:...", flag, text, err)
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// parseHosts checks names of --host.
func parseHosts(names []string) ([]string, error) {
	for _, name := range names {
		host := front.HostName(name)
		if host == "" || strings.ContainsAny(name, "/ ,") || strings.Contains(host, front.AnyHost) && host != front.AnyHost {
			return nil, fmt.Errorf("--host %s must be a name or an address, such as gw.example or 10.0.0.7, or * alone", name)
		}
	}
	return names, nil
}

// parseRanges reads addresses and ranges of addresses of --trusted-proxy.
func parseRanges(texts []string) (ranges []netip.Prefix, err error) {
	for _, text := range texts {
		one, err := netip.ParsePrefix(text)
		if address, wrong := netip.ParseAddr(text); wrong == nil {
			address = address.Unmap()
			one, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy %s must be an address or a range, such as 127.0.0.1 or 10.0.0.0/8", text)
		}
		ranges = append(ranges, one.Masked())
	}
	return ranges, nil
}

// complete checks flags that depend on each other and fills in derived values.
func (o *options) complete(genesis string, dns []string) error {
	switch {
	case o.snap != 1 && o.snap != 2:
		return fmt.Errorf("--snap must be 1 or 2, not %d", o.snap)
	case o.front.MaxClients < 1 || o.clientBytes < 1 || o.front.RequestSize < 1 || o.front.Idle < time.Second || o.discovery.MaxNodes < 1:
		return errors.New("--max-clients, --client-bytes, --max-request and --max-nodes must be at least 1, " +
			"and --idle at least a second")
	case o.front.PerVisitor < 0:
		return errors.New("--clients-per-address must not be negative; 0 is no limit")
	case o.front.Proxies.Header != defaultHeader && len(o.front.Proxies.Trusted) == 0:
		return errors.New("--client-header needs --trusted-proxy: anybody can send a header")
	case slices.ContainsFunc(o.front.Origins, func(pattern string) bool { _, err := path.Match(pattern, ""); return err != nil }):
		return fmt.Errorf("--origin %s: a pattern is malformed; expected scheme://host with * as wildcard", strings.Join(o.front.Origins, " "))
	case len(o.nodes) == 0 && o.attach == "" && !o.discovers():
		return errors.New("no nodes: give --node ENODE, --attach geth.ipc, or a way to search (--network mainnet --discovery-v4)")
	case o.headRPC != "" && (len(o.nodes) != 1 || o.attach != ""):
		return errors.New("--head-rpc needs exactly one --node; --attach follows its node by itself")
	case strings.HasPrefix(o.headRPC, "http"):
		return fmt.Errorf("--head-rpc %s: over HTTP a node cannot announce its blocks; "+
			"give its WebSocket (ws://127.0.0.1:8546) or its IPC file", o.headRPC)
	}
	if genesis != "" {
		hash := common.HexToHash(genesis)
		if hash.Hex() != genesis && hash.Hex() != "0x"+genesis {
			return fmt.Errorf("--genesis-hash %s must be 32 bytes of lower-case hex", genesis)
		}
		o.network.Genesis = &hash
	}
	var ownNodes []string
	if o.chain != "" {
		chain, ok := upstream.Chains[o.chain]
		if !ok {
			return fmt.Errorf("--network %s must be mainnet, sepolia or hoodi; for others use --network-id and --genesis-hash", o.chain)
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
				return fmt.Errorf("no DNS list of snap nodes is known for the network %s; give its enrtree URL", o.chain)
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

// arguments are the command line without the program's name.
func arguments() []string { return os.Args[1:] }
