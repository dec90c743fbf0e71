// Package programs runs this repository's own programs beside tests and measurements: the gateway, the test node, the native peer.
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

// lastResort ends programs, in seconds, should they not notice that whoever started them has gone.
const lastResort = "900"

// Program is one that runs and has said that it is ready.
type Program struct {
	Ready

	path   string
	cmd    *exec.Cmd
	stdin  io.Closer
	log    strings.Builder
	folder string // its temporary files: one that is killed leaves them behind
	ended  chan struct{}
	err    error // once it has ended
}

// Ready is the line of JSON by which programs say that they are; each has some of it.
type Ready struct {
	URL   string // of the gateway's and the native peer's WebSocket
	HTTP  string // of the gateway's other pages
	Admin string // of the gateway's /metrics and /healthz, if they are apart
	Enode string // of the test node
	Root  string // of the state that the test node or the native peer begins with
}

// Start runs a program until Stop, and returns once it is ready.
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

// Stop ends the program by the end of its standard input, and waits until it has ended.
func (p *Program) Stop() error {
	p.stdin.Close()
	<-p.ended
	return p.err
}

// Terminate ends the program as an operator does, and waits until it has ended.
func (p *Program) Terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.ended
	return p.err
}

// Kill gives the program no time for anything.
func (p *Program) Kill() error { return p.cmd.Process.Kill() }

// Log is what a program that was stopped has written to standard error.
func (p *Program) Log() string { return p.log.String() }

// Metric reads a value of a gateway's /metrics; those that differ in labels only are added up.
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
