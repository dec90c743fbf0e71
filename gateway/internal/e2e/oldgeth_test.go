package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"snaplight/gateway/internal/bench"
	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wsclient"
)

// A real go-ethereum 1.10.26, which speaks eth/66, eth/67 and snap/1, serves its state by hash
// through the gateway: go-ethereum's scheduler gets the same trie nodes and codes there as directly.
func TestAnOldNodesStateIsSyncedByHashThroughTheGateway(t *testing.T) {
	alloc := testnode.Generate(testnode.Recipe{Accounts: 1500, Contracts: 150, HugeSlots: 3000, Seed: 61})
	enode := startOldGeth(t, alloc)
	gateway := startGateway(t, []string{enode})
	client := must(connect(deadline(t), gateway.URL, byHash))(t)
	header := must(client.Header(client.Status.LatestHash))(t)
	if crypto.Keccak256Hash(header) != client.Status.Genesis {
		t.Fatal("the old node's only block is not its genesis block")
	}
	var decoded types.Header
	if err := rlp.DecodeBytes(header, &decoded); err != nil {
		t.Fatal(err)
	}
	// What it does not have is left out, and the order is that of the hashes.
	unknown := common.Hash{1}
	items := must(client.NodeData([]common.Hash{unknown, decoded.Root, types.EmptyRootHash, types.EmptyCodeHash, decoded.Root}))(t)
	if len(items) != 2 || crypto.Keccak256Hash(items[0]) != decoded.Root {
		t.Errorf("%d items for a root that is asked for twice", len(items))
	}
	if got := must(client.NodeData(nil))(t); len(got) != 0 {
		t.Errorf("%d items for nothing", len(got))
	}
	nodes := nodesOf(t, gateway)
	if len(nodes) != 1 || nodes[0].By != "hash" || !strings.HasPrefix(nodes[0].Name, "Geth/v1.10.26") {
		t.Errorf("listed as %+v", nodes)
	}
	client.Close()

	direct := must(bench.SyncByHash(enode, decoded.Root, 4))(t)
	through := must(bench.SyncByHash(gateway.URL, decoded.Root, 4))(t)
	for name, got := range map[string]bench.HashFigures{"directly": direct, "through the gateway": through} {
		if got.Accounts != len(alloc) || got.Nodes != direct.Nodes || got.Codes != direct.Codes || got.Codes == 0 || got.Slots < 3000 {
			t.Errorf("%s: %+v of %d accounts", name, got, len(alloc))
		}
	}
	if _, err := bench.SyncByHash(gateway.URL, unknown, 1); err == nil {
		t.Error("a state was synced that nobody has")
	}
	// A snap that is shared and not used does not make it a node by snap.
	dialled, err := wsclient.Dial(deadline(t), gateway.URL)
	if err == nil {
		dialled.Close()
		t.Error("a client by snap got the old node")
	}
	if sent := gateway.metric(`snaplight_gateway_requests_total{kind="node-data"}`); int(sent) < through.Requests {
		t.Errorf("%v requests are counted", sent)
	}
}

// startOldGeth runs go-ethereum 1.10.26 on loopback, and returns where it is reached.
func startOldGeth(t *testing.T, alloc types.GenesisAlloc) (enode string) {
	t.Helper()
	program := os.Getenv("SNAPLIGHT_OLD_GETH")
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("SNAPLIGHT_OLD_GETH is not set: cargo xtask builds go-ethereum 1.10.26 and sets it")
		}
		t.Skip("SNAPLIGHT_OLD_GETH is not set: cargo xtask builds go-ethereum 1.10.26 and sets it")
	}
	folder := t.TempDir()
	files := map[string]string{
		// No flag says that devp2p listens on loopback alone.
		"config.toml":  "[Node.P2P]\nListenAddr = \"127.0.0.1:0\"\n",
		"genesis.json": oldGenesis(t, alloc),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(program, "--datadir", folder, "init", filepath.Join(folder, "genesis.json")).CombinedOutput(); err != nil {
		t.Fatalf("geth init: %v: %s", err, out)
	}
	// The guard kills it when this process has gone.
	geth := exec.Command("sh", "../../../xtask/node/guard.sh", program, "--config", filepath.Join(folder, "config.toml"), "--datadir", folder,
		"--networkid", "1337", "--syncmode", "full", "--nodiscover", "--nat", "none", "--ipcdisable", "--authrpc.port", "0", "--cache", "64")
	stdin := must(geth.StdinPipe())(t)
	stderr := must(geth.StderrPipe())(t)
	if err := geth.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	t.Cleanup(func() {
		stdin.Close()
		<-read
		geth.Wait()
	})
	started := regexp.MustCompile(`Started P2P networking.*(enode:[^"?]+)`)
	found := make(chan string, 1)
	go func() {
		defer close(read)
		defer close(found)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if match := started.FindStringSubmatch(lines.Text()); match != nil {
				found <- match[1]
				break
			}
		}
		io.Copy(io.Discard, stderr)
	}()
	select {
	case enode, ok := <-found:
		if !ok {
			t.Fatal("go-ethereum 1.10.26 ended before it was ready")
		}
		return enode
	case <-deadline(t).Done():
		t.Fatal("go-ethereum 1.10.26 is not ready")
		return ""
	}
}

// oldGenesis is a genesis file for go-ethereum before the merge, with proof of authority.
func oldGenesis(t *testing.T, alloc types.GenesisAlloc) string {
	t.Helper()
	var state strings.Builder
	if err := testnode.WriteAlloc(&state, alloc); err != nil {
		t.Fatal(err)
	}
	const signer = 32 + common.AddressLength + crypto.SignatureLength
	genesis, err := json.Marshal(map[string]any{
		"config": map[string]any{
			"chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0,
			"constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
			"clique": map[string]any{"period": 0, "epoch": 30_000},
		},
		"difficulty": "0x1", "gasLimit": "0x1c9c380", "extraData": hexutil.Encode(make([]byte, signer)), "alloc": json.RawMessage(state.String()),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(genesis)
}
