// Command gethbench measures go-ethereum and the gateway for comparison with the browser. It prints one line of JSON.
//
//	gethbench sync   [--accounts 1000000] [--seed 1] [--cores 1,2] [--peers 2] [--runs 1]
//	gethbench verify [--sizes 1000,5000 | FILE ...]
//	gethbench relay  [--accounts 200000] [--rounds 5]
//	gethbench idle   [--clients 1000]
//
// sync: go-ethereum's syncer, peers in its own process, Pebble on disk, on the state that `snaplight-peer --accounts N --seed S` serves.
// verify: VerifyRangeProof and StackTrie, one core, on the answers that benches/wasm makes, or on ones that it exported.
// relay: bytes a second and CPU, through the gateway and directly over RLPx. idle: memory per client that asks nothing.
// relay and idle build the node and the gateway first, so they run in the gateway's folder.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"snaplight/gateway/internal/bench"
)

func main() {
	result, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "gethbench:", err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(result)
}

func run(args []string) (any, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("what to measure: sync, verify, relay or idle")
	}
	f := flag.NewFlagSet("gethbench "+args[0], flag.ContinueOnError)
	switch args[0] {
	case "sync":
		accounts := f.Int("accounts", 1_000_000, "accounts in the state")
		seed := f.Uint64("seed", 1, "of the state")
		cores := f.String("cores", "1,2", "numbers of cores (GOMAXPROCS) to sync with, one after the other")
		peers := f.Int("peers", 2, "peers")
		runs := f.Int("runs", 1, "times each")
		if err := f.Parse(args[1:]); err != nil {
			return nil, err
		}
		return sync(*accounts, *seed, *cores, *peers, *runs)
	case "verify":
		sizes := f.String("sizes", "1000,5000", "accounts per answer")
		if err := f.Parse(args[1:]); err != nil {
			return nil, err
		}
		return verify(*sizes, f.Args())
	case "relay", "idle":
		accounts := f.Int("accounts", 200_000, "accounts in the node's state (relay)")
		rounds := f.Int("rounds", 5, "sweeps each way; medians are told (relay)")
		clients := f.Int("clients", 1000, "clients (idle)")
		if err := f.Parse(args[1:]); err != nil {
			return nil, err
		}
		programs, err := bench.BuildPrograms()
		if err != nil {
			return nil, err
		}
		defer programs.Close()
		if args[0] == "idle" {
			figures, err := bench.Idle(programs, *clients)
			return map[string]any{"idle": figures}, err
		}
		figures, err := bench.Relay(programs, *accounts, *rounds)
		return map[string]any{"relay": figures}, err
	}
	return nil, fmt.Errorf("%q cannot be measured: sync, verify, relay or idle can", args[0])
}

func sync(accounts int, seed uint64, cores string, peers, runs int) (any, error) {
	counts, err := numbers(cores)
	if err != nil {
		return nil, err
	}
	state, err := bench.Generated(accounts, seed)
	if err != nil {
		return nil, err
	}
	var all []bench.SyncFigures
	for range runs {
		for _, count := range counts {
			figures, err := bench.Sync(state, count, peers)
			if err != nil {
				return nil, err
			}
			all = append(all, figures)
			fmt.Fprintf(os.Stderr, "%d core(s): %.0f accounts/s, %.1f s\n", count, figures.Rate, figures.Seconds)
		}
	}
	return map[string]any{"root": state.Root, "machineCores": runtime.NumCPU(), "sync": all}, nil
}

func verify(sizes string, files []string) (any, error) {
	var answers []bench.Answer
	var err error
	if len(files) == 0 {
		counts, err := numbers(sizes)
		if err != nil {
			return nil, err
		}
		if answers, err = bench.WasmAnswers(counts); err != nil {
			return nil, err
		}
	}
	for _, file := range files {
		answer, err := bench.ReadAnswer(file)
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	var all []bench.VerifyFigures
	for _, answer := range answers {
		var figures bench.VerifyFigures
		if figures, err = bench.Verify(answer); err != nil {
			return nil, err
		}
		all = append(all, figures)
	}
	return map[string]any{"verify": all}, nil
}

func numbers(text string) (all []int, err error) {
	for part := range strings.SplitSeq(text, ",") {
		number, err := strconv.Atoi(part)
		if err != nil || number < 1 {
			return nil, fmt.Errorf("%q is no list of numbers", text)
		}
		all = append(all, number)
	}
	return all, nil
}
