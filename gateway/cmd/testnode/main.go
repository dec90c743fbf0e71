// Command testnode runs a real go-ethereum node for tests, on loopback and in a temporary folder:
// RLPx with eth and snap, and JSON-RPC over WebSocket and HTTP. It makes blocks on a timer or for
// every line `block` on standard input. It prints a line of JSON when it is ready, and one for every
// block.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"

	"snaplight/gateway/internal/testnode"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "testnode:", err)
		os.Exit(1)
	}
}

type flags struct {
	genesis, writeGenesis, key string
	genesisJSON, imported      string
	recipe                     testnode.Recipe
	config                     testnode.Config
	blockEvery                 time.Duration
	maxSeconds                 int
	exitWithStdin, verbose     bool
}

func parse() (flags, error) {
	var f flags
	flag.StringVar(&f.genesis, "genesis", "", "`FILE` with {address: {balance, nonce, code, storage}}, as for the native peer")
	flag.StringVar(&f.genesisJSON, "genesis-json", "", "`FILE` with a whole chain's genesis in go-ethereum's format, config included; "+
		"makes no blocks")
	flag.StringVar(&f.imported, "import", "", "`FILE` with that chain's blocks, as geth export writes them")
	flag.IntVar(&f.recipe.Accounts, "accounts", 0, "generated plain accounts")
	flag.IntVar(&f.recipe.Contracts, "contracts", 0, "generated contracts")
	flag.IntVar(&f.recipe.HugeSlots, "huge", 0, "one more contract with this many slots")
	flag.Uint64Var(&f.recipe.Seed, "seed", 1, "another seed gives another state, other blocks and another node")
	flag.StringVar(&f.writeGenesis, "write-genesis", "", "write the whole genesis state to `FILE`, for the native peer")
	flag.BoolVar(&f.config.Bare, "bare", false, "serve exactly this state, without the contracts and the faucet "+
		"that blocks need; makes no blocks")
	flag.StringVar(&f.config.Scheme, "scheme", "path", "state scheme, path or hash")
	flag.BoolVar(&f.config.Amsterdam, "amsterdam", false, "activate Amsterdam: block access lists")
	flag.StringVar(&f.config.Listen, "listen", "127.0.0.1:0", "RLPx `ADDRESS`")
	flag.IntVar(&f.config.RPCPort, "rpc-port", 0, "port of JSON-RPC over WebSocket and HTTP; with 0 the system chooses a free port")
	flag.StringVar(&f.key, "node-key", "", "private key in hex; by default made from the seed")
	flag.StringVar(&f.config.Folder, "data", "", "`FOLDER` to keep everything in, a new one each time; "+
		"by default a temporary one that is removed at the end")
	flag.IntVar(&f.config.MaxPeers, "max-peers", 50, "the most peers at a time")
	flag.DurationVar(&f.blockEvery, "block-every", 0, "make blocks on a timer (`1s`); with 0 only on demand")
	flag.IntVar(&f.maxSeconds, "max-seconds", 0, "end after this time")
	flag.BoolVar(&f.exitWithStdin, "exit-with-stdin", false, "end when standard input ends")
	flag.BoolVar(&f.verbose, "verbose", false, "write go-ethereum's log to standard error")
	flag.Parse()

	f.config.Seed = f.recipe.Seed
	generated := f.recipe.Accounts+f.recipe.Contracts+f.recipe.HugeSlots > 0
	switch {
	case flag.NArg() > 0:
		return f, fmt.Errorf("%q is not a flag", flag.Arg(0))
	case f.genesis != "" && generated:
		return f, errors.New("--genesis and a generated state exclude each other")
	case f.genesisJSON != "" && (f.genesis != "" || generated || f.config.Amsterdam):
		return f, errors.New("--genesis-json says all of a chain: no --genesis, no generated state, no --amsterdam")
	case f.imported != "" && f.genesisJSON == "":
		return f, errors.New("--import needs the --genesis-json of its chain")
	case (f.config.Bare || f.genesisJSON != "") && f.blockEvery > 0:
		return f, errors.New("a chain with --bare or --genesis-json makes no blocks")
	case f.config.Scheme != "path" && f.config.Scheme != "hash":
		return f, errors.New("--scheme must be path or hash")
	}
	return f, nil
}

func run() error {
	f, err := parse()
	if err != nil {
		return err
	}
	if f.verbose {
		log.SetDefault(log.NewLogger(log.NewTerminalHandler(os.Stderr, false)))
	}
	// Watched from the beginning: the program that started this one may end before the node is
	// ready.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if f.maxSeconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(f.maxSeconds)*time.Second)
		defer cancel()
	}
	orders := make(chan struct{})
	go func() {
		readOrders(ctx, orders)
		if f.exitWithStdin {
			stop()
		}
	}()

	if err := readChain(&f); err != nil {
		return err
	}
	if f.key != "" {
		if f.config.Key, err = crypto.HexToECDSA(strings.TrimPrefix(f.key, "0x")); err != nil {
			return fmt.Errorf("--node-key: %w", err)
		}
	}
	node, err := testnode.Start(f.config)
	if err != nil {
		return err
	}
	defer node.Close()
	if f.writeGenesis != "" {
		if err := writeGenesis(f.writeGenesis, node.Alloc()); err != nil {
			return err
		}
	}
	return serve(ctx, node, orders, f)
}

// readChain puts the chain into f.config: a recorded one, or a state to make blocks on.
func readChain(f *flags) (err error) {
	switch {
	case f.genesisJSON != "":
		f.config.Network, err = read(f.genesisJSON, testnode.ReadGenesis)
		if err == nil && f.imported != "" {
			f.config.Blocks, err = read(f.imported, testnode.ReadBlocks)
		}
	case f.genesis != "":
		f.config.Alloc, err = read(f.genesis, testnode.ReadAlloc)
	default:
		f.config.Alloc = testnode.Generate(f.recipe)
	}
	return err
}

func read[T any](path string, parse func(io.Reader) (T, error)) (T, error) {
	file, err := os.Open(path)
	if err != nil {
		var none T
		return none, err
	}
	defer file.Close()
	return parse(bufio.NewReader(file))
}

func writeGenesis(path string, alloc types.GenesisAlloc) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(file)
	return errors.Join(testnode.WriteAlloc(buffered, alloc), buffered.Flush(), file.Close())
}

// readOrders passes on the lines `block`, one at a time, until standard input ends.
func readOrders(ctx context.Context, orders chan<- struct{}) {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadString('\n')
		if strings.TrimSpace(line) == "block" {
			select {
			case orders <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				fmt.Fprintln(os.Stderr, "testnode: standard input:", err)
			}
			return
		}
	}
}

func serve(ctx context.Context, node *testnode.Node, orders <-chan struct{}, f flags) error {
	out := json.NewEncoder(os.Stdout)
	head := node.Head()
	ready := struct {
		Ready       bool        `json:"ready"`
		Enode       string      `json:"enode"`
		RPC         string      `json:"rpc"`
		ChainID     uint64      `json:"chainId"`
		NetworkID   uint64      `json:"networkId"`
		GenesisHash common.Hash `json:"genesisHash"`
		Root        common.Hash `json:"root"`
		Number      uint64      `json:"number"`
		Hash        common.Hash `json:"hash"`
		Time        uint64      `json:"time"`
	}{true, node.Enode(), node.RPC(), node.NetworkID(), node.NetworkID(), node.Chain().Genesis().Hash(), head.Root, head.Number, head.Hash, head.Time}
	if err := out.Encode(ready); err != nil {
		return err
	}
	var timer <-chan time.Time
	if f.blockEvery > 0 {
		ticker := time.NewTicker(f.blockEvery)
		defer ticker.Stop()
		timer = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-orders:
		case <-timer:
		}
		block, err := node.MakeBlock()
		if err != nil {
			return err
		}
		if err := out.Encode(map[string]testnode.Block{"block": block}); err != nil {
			return err
		}
	}
}
