package bench

import (
	"bufio"
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
)

// Programs are the built node and gateway.
type Programs struct {
	testnode, gateway string
	folder            string // where they were built, to be removed
}

// FindPrograms takes those that SNAPLIGHT_TESTNODE and SNAPLIGHT_GATEWAY name, as `cargo xtask` does, or builds them. For that
// it must run in the gateway's folder, or below.
func FindPrograms() (*Programs, error) {
	testnode, gateway := os.Getenv("SNAPLIGHT_TESTNODE"), os.Getenv("SNAPLIGHT_GATEWAY")
	if testnode != "" && gateway != "" {
		return &Programs{testnode, gateway, ""}, nil
	}
	folder, err := os.MkdirTemp("", "snaplight-gethbench-")
	if err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-o", folder+"/", "snaplight/gateway/cmd/testnode", "snaplight/gateway/cmd/gateway")
	if out, err := build.CombinedOutput(); err != nil {
		os.RemoveAll(folder)
		return nil, fmt.Errorf("building the node and the gateway: %w: %s", err, out)
	}
	return &Programs{filepath.Join(folder, "testnode"), filepath.Join(folder, "gateway"), folder}, nil
}

// Close removes what was built.
func (p *Programs) Close() { os.RemoveAll(p.folder) }

// longest ends programs that were left behind.
const longest = "900"

// running is a program that said that it is ready.
type running struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ready map[string]any
}

func start(program string, args ...string) (*running, error) {
	cmd := exec.Command(program, append(args, "--exit-with-stdin", "--max-seconds", longest)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &running{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &r.ready)
	}
	go io.Copy(io.Discard, stdout)
	if err != nil {
		r.stop()
		return nil, fmt.Errorf("%s is not ready: %w", program, err)
	}
	return r, nil
}

func (r *running) text(name string) string {
	text, _ := r.ready[name].(string)
	return text
}

func (r *running) stop() {
	r.stdin.Close()
	r.cmd.Wait()
}

// metric reads one of the gateway's figures.
func (r *running) metric(name string) (float64, error) {
	response, err := http.Get(r.text("http") + "/metrics")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.New("no figure " + name)
}
