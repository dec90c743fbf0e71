package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"snaplight/gateway/internal/bench"
)

// The native peer writes states to files, and go-ethereum's side of the benchmarks reads them. A
// realistic state is synced completely, and healed over blocks that change, create and delete
// contracts and delegations.
func TestGoEthereumSyncsAndHealsRealisticStatesThatTheNativePeerExports(t *testing.T) {
	peer := exec.CommandContext(deadline(t), peerProgram(t), "--realistic", "3000", "--seed", "5", "--chain", "--exit-with-stdin")
	stdin := must(peer.StdinPipe())(t)
	lines := json.NewDecoder(must(peer.StdoutPipe())(t))
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	defer peer.Wait()
	defer stdin.Close()
	type line struct {
		Root            string
		StateRoot       string
		Error           string
		ChangedNodes    int64
		ChangedAccounts int
		bench.Counts
	}
	read := func() (told line) {
		t.Helper()
		if err := lines.Decode(&told); err != nil || told.Error != "" {
			t.Fatal(err, told.Error)
		}
		return told
	}
	ask := func(order string) line {
		t.Helper()
		if _, err := fmt.Fprintln(stdin, order); err != nil {
			t.Fatal(err)
		}
		return read()
	}
	read()
	folder := t.TempDir()
	var states []*bench.State
	export := func() {
		t.Helper()
		file := filepath.Join(folder, fmt.Sprint(len(states)))
		told := ask("export " + file)
		state := must(bench.ReadExport(file))(t)
		if state.Root.Hex() != told.Root || state.Counts() != told.Counts {
			t.Errorf("%s and %+v were read, and written was %+v", state.Root, state.Counts(), told)
		}
		states = append(states, state)
	}
	export()
	first := ask("block 0.02")
	if first.ChangedAccounts < 50 {
		t.Errorf("a block of 2 %% changed %d accounts", first.ChangedAccounts)
	}
	export()
	for range 4 {
		ask("block 0.1")
	}
	export()

	base := 0
	for state := range states {
		fresh := must(bench.Sync(states, bench.Order{Cores: 2, State: state}, 2))(t)
		if state == base {
			continue
		}
		heal := must(bench.Sync(states, bench.Order{Cores: 2, State: state, Over: &base}, 2))(t)
		if heal.Counts != fresh.Counts || heal.Bytes >= fresh.Bytes {
			t.Errorf("healed with %+v, synced with %+v", heal, fresh)
		}
		// Both sides count the same nodes.
		if state == 1 && heal.Nodes != first.ChangedNodes {
			t.Errorf("%d nodes were healed, and the peer has changed %d", heal.Nodes, first.ChangedNodes)
		}
	}
}
