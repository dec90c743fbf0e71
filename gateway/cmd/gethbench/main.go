// Command gethbench measures go-ethereum and the gateway for comparison with the browser. It prints lines of JSON.
//
//	gethbench sync   [--accounts 1000000] [--seed 1] [--peers 2]
//	gethbench verify FILE ...
//	gethbench relay  [--accounts 200000] [--rounds 5]
//	gethbench idle   [--clients 1000]
//
// sync: go-ethereum's syncer, peers in its own process, Pebble on disk, on the state that `snaplight-peer --accounts N --seed S` serves.
// verify: VerifyRangeProof and StackTrie, one core, on answers that benches/run.mjs exports. These two say that they are ready
// and then answer each line on standard input, {"cores": 1} and {"answer": 0, "runs": 10, "what": "both"}, until it ends: so
// they can take turns with what they are compared with.
// relay: bytes a second and CPU, through the gateway and directly over RLPx. idle: memory per client that asks nothing. Both take
// the node and the gateway from SNAPLIGHT_TESTNODE and SNAPLIGHT_GATEWAY, or build them, in the gateway's folder.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

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
		return errors.New("what to measure: sync, verify, relay or idle")
	}
	f := flag.NewFlagSet("gethbench "+args[0], flag.ExitOnError)
	accounts := f.Int("accounts", 0, "accounts in the state; 1,000,000 for sync and 200,000 for relay unless told")
	seed := f.Uint64("seed", 1, "of the state (sync)")
	peers := f.Int("peers", 2, "peers (sync)")
	rounds := f.Int("rounds", 5, "sweeps each way; medians are told (relay)")
	clients := f.Int("clients", 1000, "clients (idle)")
	f.Parse(args[1:])
	switch args[0] {
	case "sync":
		return sync(cmp.Or(*accounts, 1_000_000), *seed, *peers)
	case "verify":
		return verify(f.Args())
	case "relay", "idle":
		built, err := programs.Find()
		if err != nil {
			return err
		}
		defer built.Close()
		if args[0] == "idle" {
			figures, err := bench.Idle(built, *clients)
			return tell(figures, err)
		}
		figures, err := bench.Relay(built, cmp.Or(*accounts, 200_000), *rounds)
		return tell(figures, err)
	}
	return fmt.Errorf("%q cannot be measured: sync, verify, relay or idle can", args[0])
}

func sync(accounts int, seed uint64, peers int) error {
	state, err := bench.Generated(accounts, seed)
	if err != nil {
		return err
	}
	if err := tell(map[string]any{"ready": true, "root": state.Root}, nil); err != nil {
		return err
	}
	return answerLines(func(order struct{ Cores int }) (any, error) {
		if order.Cores < 1 {
			return nil, errors.New("cores are needed, at least one")
		}
		return bench.Sync(state, order.Cores, peers)
	})
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

// answerLines does what each line of standard input asks for, and tells what came of it.
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
