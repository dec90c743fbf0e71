package programs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Built are the paths of the programs that are measured.
type Built struct {
	Testnode, Gateway string

	folder string // removed by Close; empty if nothing was built
}

// Find returns the programs in SNAPLIGHT_TESTNODE and SNAPLIGHT_GATEWAY, which `cargo xtask` sets,
// or builds them. To build them, it must run in the gateway's folder or below it.
func Find() (*Built, error) {
	testnode, gateway := os.Getenv("SNAPLIGHT_TESTNODE"), os.Getenv("SNAPLIGHT_GATEWAY")
	if testnode != "" && gateway != "" {
		return &Built{testnode, gateway, ""}, nil
	}
	folder, err := os.MkdirTemp("", "snaplight-programs-")
	if err != nil {
		return nil, err
	}
	if err := Build(folder, "testnode", "gateway"); err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	return &Built{filepath.Join(folder, "testnode"), filepath.Join(folder, "gateway"), folder}, nil
}

// Close removes what was built.
func (b *Built) Close() { os.RemoveAll(b.folder) }

// Build builds commands of this module into a folder.
func Build(folder string, commands ...string) error {
	args := []string{"build", "-o", folder + "/"}
	for _, command := range commands {
		args = append(args, "snaplight/gateway/cmd/"+command)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w: %s", strings.Join(commands, ", "), err, out)
	}
	return nil
}
