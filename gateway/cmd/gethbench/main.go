// Command gethbench measures go-ethereum and the gateway, for comparison with the browser. It
// prints lines of JSON.
//
//	gethbench sync   FILE ... [--peers 2]
//	gethbench verify FILE ...
//	gethbench relay  [--accounts 200000] [--rounds 5]
//	gethbench idle   [--clients 1000]
//	gethbench turns  [--accounts 200000] [--clients 8] [--seconds 20]
//	gethbench hash   URL --root HASH [--open 4] [--runs 3]
//
// sync runs go-ethereum's syncer on states that snaplight-peer exports ("export FILE"), with peers
// in its own process and Pebble on disk. verify runs VerifyRangeProof and StackTrie on one core, on
// answers that benches/run.mjs exports.
//
// These two print that they are ready and then answer each line on standard input until it ends:
// {"cores": 1, "state": 0} and {"answer": 0, "runs": 10, "what": "both"}. So they can take turns
// with what they are compared with. {"cores": 1, "state": 1, "over": 0} first syncs the first
// file's state, which is not timed, and then heals to the second.
//
// relay measures bytes per second and CPU time, through the gateway and directly over RLPx. idle
// measures memory per client that asks nothing. turns measures what an honest client gets beside
// clients whose requests cost the node much time and bring nothing. They take the node and the
// gateway from SNAPLIGHT_TESTNODE and SNAPLIGHT_GATEWAY, or build them, in the gateway's folder.
//
// hash syncs the state of a root by hash, into memory, with go-ethereum's scheduler and one
// connection: to a node that speaks eth/66 (enode://...), or to a gateway or a native peer (ws://...).
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"snaplight/gateway/internal/bench"
	"snaplight/gateway/internal/programs"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gethbench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("name what to measure: sync, verify, relay, idle, turns or hash")
	}
	f := flag.NewFlagSet("gethbench "+args[0], flag.ExitOnError)
	accounts := f.Int("accounts", 200_000, "accounts in the state (relay, turns)")
	peers := f.Int("peers", 2, "peers (sync)")
	rounds := f.Int("rounds", 5, "rounds of loads, whose medians are printed (relay)")
	root := f.String("root", "", "the state's root (hash)")
	open := f.Int("open", 4, "requests in flight (hash)")
	runs := f.Int("runs", 3, "syncs, one after the other (hash)")
	clients := f.Int("clients", 0, "clients (idle: 1000, turns: 8)")
	seconds := f.Int("seconds", 20, "how long the honest client asks alone, and beside the others (turns)")
	var files []string
	// Options may follow files.
	for f.Parse(args[1:]); f.NArg() > 0; f.Parse(f.Args()[1:]) {
		files = append(files, f.Arg(0))
	}
	switch args[0] {
	case "sync":
		return sync(files, *peers)
	case "verify":
		return verify(files)
	case "hash":
		return syncByHash(files, common.HexToHash(*root), *open, *runs)
	case "relay", "idle", "turns":
		built, err := programs.Find()
		if err != nil {
			return err
		}
		defer built.Close()
		switch args[0] {
		case "idle":
			figures, err := bench.Idle(built, cmp.Or(*clients, 1000))
			return tell(figures, err)
		case "turns":
			figures, err := bench.Turns(built, *accounts, cmp.Or(*clients, 8), time.Duration(*seconds)*time.Second)
			return tell(figures, err)
		}
		figures, err := bench.Relay(built, *accounts, *rounds)
		return tell(figures, err)
	}
	return fmt.Errorf("%q cannot be measured; use sync, verify, relay, idle, turns or hash", args[0])
}

func syncByHash(urls []string, root common.Hash, open, runs int) error {
	if len(urls) != 1 || root == (common.Hash{}) || open < 1 {
		return errors.New("hash needs one URL, a root, and at least one request in flight")
	}
	for range runs {
		if err := tell(bench.SyncByHash(urls[0], root, open)); err != nil {
			return err
		}
	}
	return nil
}

func sync(files []string, peers int) error {
	if len(files) == 0 || peers < 1 {
		return errors.New("sync needs at least one file and one peer")
	}
	type told struct {
		Root common.Hash `json:"root"`
		bench.Counts
	}
	var states []*bench.State
	var ready []told
	for _, file := range files {
		state, err := bench.ReadExport(file)
		if err != nil {
			return err
		}
		states, ready = append(states, state), append(ready, told{state.Root, state.Counts()})
	}
	if err := tell(map[string]any{"ready": true, "states": ready}, nil); err != nil {
		return err
	}
	return answerLines(func(order bench.Order) (any, error) { return bench.Sync(states, order, peers) })
}

func verify(files []string) error {
	var answers []bench.Answer
	var counts []int
	for _, file := range files {
		answer, err := bench.ReadAnswer(file)
		if err != nil {
			return err
		}
		answers, counts = append(answers, answer), append(counts, answer.Len())
	}
	if err := tell(map[string]any{"ready": true, "accounts": counts}, nil); err != nil {
		return err
	}
	return answerLines(func(slice bench.Slice) (any, error) { return bench.Verify(answers, slice) })
}

// answerLines carries out the orders on standard input and prints the results.
func answerLines[Order any](do func(Order) (any, error)) error {
	lines := json.NewDecoder(os.Stdin)
	for {
		var order Order
		if err := lines.Decode(&order); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		if err := tell(do(order)); err != nil {
			return err
		}
	}
}

func tell(figures any, err error) error {
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(figures)
}
