package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"snaplight/gateway/internal/programs"
	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

// gatewayProgram is built once for all tests.
var gatewayProgram string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "snaplight-gateway-")
	if err != nil {
		panic(err)
	}
	if err := programs.Build(folder, "gateway"); err != nil {
		panic(err)
	}
	gatewayProgram = filepath.Join(folder, "gateway")
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// program is a program that a test runs.
type program struct {
	*programs.Program
	t *testing.T
}

func start(t *testing.T, path string, args ...string) *program {
	t.Helper()
	p, err := programs.Start(path, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(path), p.Log())
		}
	})
	return &program{p, t}
}

// startGateway runs a gateway for these nodes.
func startGateway(t *testing.T, enodes []string, args ...string) *program {
	t.Helper()
	args = append([]string{"--listen", "127.0.0.1:0", "--log-level", "debug"}, args...)
	for _, enode := range enodes {
		args = append(args, "--node", enode)
	}
	return start(t, gatewayProgram, args...)
}

// metric reads a value of /metrics.
func (p *program) metric(name string) float64 {
	p.t.Helper()
	return must(p.Metric(name))(p.t)
}

// connect tries until the gateway has a node.
func connect(ctx context.Context, url string, options ...wsclient.Options) (*wsclient.Client, error) {
	for {
		client, err := wsclient.Dial(ctx, url, options...)
		var ended *wsclient.Ended
		if err == nil || ctx.Err() != nil || !errors.As(err, &ended) || ended.Reason != wire.Other {
			return client, err
		}
	}
}

// startNode runs a go-ethereum node in this process.
func startNode(t *testing.T, config testnode.Config) *testnode.Node {
	t.Helper()
	node, err := testnode.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	return node
}

// startPeer runs the native peer on a genesis file or with other arguments.
func startPeer(t *testing.T, args ...string) *program {
	t.Helper()
	return start(t, peerProgram(t), args...)
}

// peerProgram is the native peer's path, which cargo xtask sets.
func peerProgram(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SNAPLIGHT_PEER")
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("SNAPLIGHT_PEER is not set: build the native peer (cargo build --release -p snaplight-peer) and name it")
		}
		t.Skip("SNAPLIGHT_PEER is not set: build the native peer (cargo build --release -p snaplight-peer) and name it")
	}
	return path
}

// writeGenesis puts a state into a file.
func writeGenesis(t *testing.T, node *testnode.Node) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "genesis.json")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := testnode.WriteAlloc(file, node.Alloc()); err != nil {
		t.Fatal(err)
	}
	return path
}

func deadline(t *testing.T) context.Context {
	ctx := t.Context()
	if at, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, at)
		t.Cleanup(cancel)
	}
	return ctx
}

func must[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(fmt.Errorf("%T: %w", value, err))
		}
		return value
	}
}

// command is a gateway that is expected to end by itself.
func command(ctx context.Context, args []string) *exec.Cmd {
	return exec.CommandContext(ctx, gatewayProgram, append(args, "--listen", "127.0.0.1:0", "--max-seconds", "20")...)
}
