// Package programs runs this repository's programs for tests and measurements: the gateway, the
// test node and the native peer.
package programs

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// lastResort ends a program after this many seconds if it does not notice that its starter has
// gone.
const lastResort = "900"

// Program is a running program that is ready.
type Program struct {
	Ready

	path   string
	cmd    *exec.Cmd
	stdin  io.Closer
	log    strings.Builder
	folder string // its temporary files: a killed program leaves them behind
	ended  chan struct{}
	err    error // set when it has ended
}

// Ready is the line of JSON that a program prints when it is ready. Each program sets some of
// these.
type Ready struct {
	URL   string // of the gateway's and the native peer's WebSocket
	HTTP  string // of the gateway's other pages
	Admin string // of the gateway's /metrics and /healthz, if they are separate
	Enode string // of the test node
	Root  string // the state root of the test node's or the native peer's first state
}

// Start starts a program, and returns when it is ready.
func Start(path string, args ...string) (*Program, error) {
	folder, err := os.MkdirTemp("", "snaplight-program-")
	if err != nil {
		return nil, err
	}
	p := &Program{path: path, folder: folder, ended: make(chan struct{})}
	p.cmd = exec.Command(path, append(args, "--exit-with-stdin", "--max-seconds", lastResort)...)
	p.cmd.Env = append(os.Environ(), "TMPDIR="+folder)
	p.cmd.Stderr = &p.log
	stdout, err := p.start()
	if err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.Ready)
	}
	go func() {
		defer close(p.ended)
		io.Copy(io.Discard, lines)
		p.err = p.cmd.Wait()
		os.RemoveAll(folder)
	}()
	if err != nil {
		p.Stop()
		return nil, fmt.Errorf("%s is not ready: %w; it said:\n%s", path, err, p.Log())
	}
	return p, nil
}

func (p *Program) start() (stdout io.Reader, err error) {
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return stdout, p.cmd.Start()
}

// Stop ends the program by closing its standard input, and waits until it has ended.
func (p *Program) Stop() error {
	p.stdin.Close()
	<-p.ended
	return p.err
}

// Terminate ends the program by SIGTERM, as an operator does, and waits until it has ended.
func (p *Program) Terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.ended
	return p.err
}

// Kill ends the program at once, by SIGKILL.
func (p *Program) Kill() error { return p.cmd.Process.Kill() }

// Log returns what a program that has ended wrote to standard error.
func (p *Program) Log() string { return p.log.String() }

// Metric reads a value of a gateway's /metrics. Values that only differ in their labels are added
// up.
func (p *Program) Metric(name string) (sum float64, err error) {
	response, err := http.Get(p.HTTP + "/metrics")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	found := false
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), " ")
		if key != name && !strings.HasPrefix(key, name+"{") {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s of %s: %w", name, p.path, err)
		}
		sum, found = sum+number, true
	}
	if !found {
		return 0, fmt.Errorf("%s has no metric %s", p.path, name)
	}
	return sum, lines.Err()
}
