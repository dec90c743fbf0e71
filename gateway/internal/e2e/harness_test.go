package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

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
	gatewayProgram = filepath.Join(folder, "gateway")
	if out, err := exec.Command("go", "build", "-o", gatewayProgram, "../../cmd/gateway").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// lastResort ends programs that a killed test left behind.
const lastResort = "300"

// program is one that says in a line of JSON that it is ready.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	ready map[string]any
	done  chan error
}

func start(t *testing.T, path string, args ...string) *program {
	t.Helper()
	cmd := exec.Command(path, append(args, "--exit-with-stdin", "--max-seconds", lastResort)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // one that is killed leaves its folder behind
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, cmd: cmd, stdin: stdin, done: make(chan error, 1)}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.ready)
	}
	go func() {
		io.Copy(io.Discard, stdout)
		p.done <- cmd.Wait()
	}()
	t.Cleanup(func() {
		stdin.Close()
		<-p.done
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(path), log.String())
		}
	})
	if err != nil {
		t.Fatalf("%s is not ready: %v", path, err)
	}
	return p
}

func (p *program) text(name string) string {
	p.t.Helper()
	text, ok := p.ready[name].(string)
	if !ok {
		p.t.Fatalf("no %s in %v", name, p.ready)
	}
	return text
}

// terminate asks the program to end, and waits until it has.
func (p *program) terminate() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	err := <-p.done
	p.done <- err
	return err
}

// startGateway runs a gateway before these nodes.
func startGateway(t *testing.T, enodes []string, args ...string) *program {
	t.Helper()
	args = append([]string{"--listen", "127.0.0.1:0", "--log-level", "debug"}, args...)
	for _, enode := range enodes {
		args = append(args, "--node", enode)
	}
	return start(t, gatewayProgram, args...)
}

// metric reads a value of /metrics; several of one name are added up.
func (p *program) metric(name string) float64 {
	p.t.Helper()
	response, err := http.Get(p.text("http") + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	sum, found := 0.0, false
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), " ")
		if key == name || strings.HasPrefix(key, name+"{") {
			number, err := strconv.ParseFloat(value, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			sum, found = sum+number, true
		}
	}
	if !found {
		p.t.Fatalf("no metric %s", name)
	}
	return sum
}

// connect tries until the gateway has a node.
func connect(ctx context.Context, url string) (*wsclient.Client, error) {
	for {
		client, err := wsclient.Dial(ctx, url)
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

// startPeer runs the native peer on a genesis file or with other arguments. Its path comes from whoever built it.
func startPeer(t *testing.T, args ...string) *program {
	t.Helper()
	path := os.Getenv("SNAPLIGHT_PEER")
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("SNAPLIGHT_PEER is not set: build the native peer (cargo build --release -p snaplight-peer) and name it")
		}
		t.Skip("SNAPLIGHT_PEER is not set: build the native peer (cargo build --release -p snaplight-peer) and name it")
	}
	return start(t, path, args...)
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
