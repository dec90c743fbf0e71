package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"snaplight/gateway/internal/programs"
	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

// RelayFigures compare the gateway with a client that speaks RLPx to the same node: for accounts,
// where the node does most of the work, and for codes, where carrying bytes is almost all the work.
type RelayFigures struct {
	Accounts PathFigures `json:"accounts"`
	Codes    PathFigures `json:"codes"`
}

// PathFigures are the medians of both paths. They do not contain the node's own CPU time.
type PathFigures struct {
	Direct        float64 `json:"directBytesPerSecond"`
	Relayed       float64 `json:"relayedBytesPerSecond"`
	Ratio         float64 `json:"ratio"`
	DirectCPU     float64 `json:"directClientCpuMsPerMB"`
	GatewayCPU    float64 `json:"gatewayCpuMsPerMB"`
	GatewayClient float64 `json:"webSocketClientCpuMsPerMB"`
}

// Both paths ask as a syncing client does.
const (
	relaySegments = 8
	relayAnswer   = 512 << 10
)

// The node's state: accounts to fetch, and codes to fetch again and again.
const (
	relayContracts = 1500
	codeAnswers    = 100 // answers of codes per segment and round
	relaySeed      = 1
)

// asker is any client that can ask a node.
type asker interface {
	ask(code uint64, fields ...any) (payload []byte, err error)
}

// load sends many requests to a node. It returns how many bytes arrived and how long it took.
type load func(asker) (bytes int64, took time.Duration, err error)

// Relay puts the same loads on the node, directly and through the gateway in turns.
func Relay(built *programs.Built, accounts, rounds int) (figures RelayFigures, err error) {
	node, err := programs.Start(built.Testnode, "--accounts", fmt.Sprint(accounts), "--contracts", fmt.Sprint(relayContracts), "--seed", fmt.Sprint(relaySeed), "--bare")
	if err != nil {
		return figures, err
	}
	defer node.Stop()
	gateway, err := programs.Start(built.Gateway, "--listen", "127.0.0.1:0", "--node", node.Enode, "--log-level", "warn")
	if err != nil {
		return figures, err
	}
	defer gateway.Stop()
	client, err := wsclient.Dial(context.Background(), gateway.URL)
	if err != nil {
		return figures, err
	}
	defer client.Close()
	direct, err := dialDirect(node.Enode, wire.BySnap)
	if err != nil {
		return figures, err
	}
	defer direct.close()

	both := paths{direct: direct, relayed: overWebSocket{client}, gateway: gateway}
	root := common.HexToHash(node.Root)
	if figures.Accounts, err = both.measure(rounds, func(a asker) (int64, time.Duration, error) { return askAccounts(a, root) }); err != nil {
		return figures, err
	}
	codes := codeHashes(testnode.Generate(testnode.Recipe{Accounts: accounts, Contracts: relayContracts, Seed: relaySeed}))
	figures.Codes, err = both.measure(rounds, func(a asker) (int64, time.Duration, error) { return askCodes(a, codes) })
	return figures, err
}

// paths are the two ways to a node.
type paths struct {
	direct, relayed asker
	gateway         *programs.Program
}

func (p paths) measure(rounds int, load load) (figures PathFigures, err error) {
	var directRates, relayRates, ratios, directCPU, gatewayCPU, clientCPU []float64
	for round := -1; round < rounds; round++ { // the first one warms up
		runtime.GC()
		before := ownCPU()
		directBytes, directTime, err := load(p.direct)
		if err != nil {
			return figures, fmt.Errorf("directly: %w", err)
		}
		own := ownCPU() - before
		runtime.GC()
		gatewayBefore, err := p.gateway.Metric("process_cpu_seconds_total")
		if err != nil {
			return figures, err
		}
		before = ownCPU()
		relayBytes, relayTime, err := load(p.relayed)
		if err != nil {
			return figures, fmt.Errorf("through the gateway: %w", err)
		}
		ownRelay := ownCPU() - before
		gatewayAfter, err := p.gateway.Metric("process_cpu_seconds_total")
		if err != nil {
			return figures, err
		}
		if round < 0 {
			continue
		}
		const perMB = 1e9 // seconds per byte to milliseconds per megabyte
		direct, relayed := float64(directBytes)/directTime.Seconds(), float64(relayBytes)/relayTime.Seconds()
		directRates, relayRates = append(directRates, direct), append(relayRates, relayed)
		// The ratio is of one round, because other work of the machine slows both paths of a round.
		ratios = append(ratios, relayed/direct)
		directCPU = append(directCPU, own.Seconds()/float64(directBytes)*perMB)
		gatewayCPU = append(gatewayCPU, (gatewayAfter-gatewayBefore)/float64(relayBytes)*perMB)
		clientCPU = append(clientCPU, ownRelay.Seconds()/float64(relayBytes)*perMB)
	}
	return PathFigures{median(directRates), median(relayRates), median(ratios), median(directCPU), median(gatewayCPU), median(clientCPU)}, nil
}

// codeHashes are the hashes of all codes of a state.
func codeHashes(alloc types.GenesisAlloc) []common.Hash {
	seen := make(map[common.Hash]bool)
	var hashes []common.Hash
	for _, account := range alloc {
		if hash := crypto.Keccak256Hash(account.Code); len(account.Code) > 0 && !seen[hash] {
			seen[hash] = true
			hashes = append(hashes, hash)
		}
	}
	return hashes
}

// askCodes asks for the same codes again and again, several at a time.
func askCodes(a asker, codes []common.Hash) (bytes int64, took time.Duration, err error) {
	return sideBySide(func(_ int, ask question) error {
		for range codeAnswers {
			if _, err := ask(a, wire.GetByteCodesCode, codes, uint64(relayAnswer)); err != nil {
				return err
			}
		}
		return nil
	})
}

// askAccounts asks for all accounts, several parts of the key space at the same time.
func askAccounts(a asker, root common.Hash) (bytes int64, took time.Duration, err error) {
	segments := wsclient.Segments(relaySegments)
	return sideBySide(func(at int, ask question) error {
		segment := segments[at]
		for segment.Next.Cmp(segment.Last) <= 0 {
			payload, err := ask(a, wire.GetAccountRangeCode, root, segment.Next, segment.Last, uint64(relayAnswer))
			if err != nil {
				return err
			}
			last, ok := lastKey(payload)
			if !ok || last.Cmp(segment.Last) >= 0 {
				return nil
			}
			segment.Next = wsclient.After(last)
		}
		return nil
	})
}

// question sends a request, and counts the bytes of the answer.
type question func(a asker, code uint64, fields ...any) (payload []byte, err error)

// sideBySide runs relaySegments parts of a load at the same time. Their askers count what they
// receive.
func sideBySide(part func(at int, ask question) error) (bytes int64, took time.Duration, err error) {
	var total atomic.Int64
	ask := func(a asker, code uint64, fields ...any) ([]byte, error) {
		payload, err := a.ask(code, fields...)
		total.Add(int64(len(payload)))
		return payload, err
	}
	var group sync.WaitGroup
	errs := make(chan error, relaySegments)
	start := time.Now()
	for at := range relaySegments {
		group.Go(func() {
			if err := part(at, ask); err != nil {
				errs <- err
			}
		})
	}
	group.Wait()
	took = time.Since(start)
	select {
	case err = <-errs:
	default:
	}
	return total.Load(), took, err
}

// lastKey finds the last account of an answer with as little work as possible, because decoding is
// not measured.
func lastKey(payload []byte) (last common.Hash, ok bool) {
	_, content, err := wire.SplitID(payload)
	if err != nil {
		return last, false
	}
	accounts, _, err := rlp.SplitList(content)
	for err == nil && len(accounts) > 0 {
		var account, key []byte
		if account, accounts, err = rlp.SplitList(accounts); err != nil {
			break
		}
		if key, _, err = rlp.SplitString(account); err == nil {
			last, ok = common.BytesToHash(key), true
		}
	}
	return last, ok && err == nil
}

type overWebSocket struct{ *wsclient.Client }

func (c overWebSocket) ask(code uint64, fields ...any) ([]byte, error) {
	return c.Ask(wire.Snap, code, fields...)
}

// ownCPU is the CPU time that this process has used.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
