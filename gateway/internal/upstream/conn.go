package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// dialTimeout is how long one attempt to connect may take.
const dialTimeout = 5 * time.Second

// errNoPort is the error of a node without a TCP port, which cannot be dialled.
var errNoPort = errors.New("no TCP port")

// dialled is a connection to a node. It reports when it is closed. Only its reader learns that the
// node has gone.
type dialled struct {
	net.Conn
	closed chan<- struct{} // nil if nobody waits for it
}

// dial tries once to connect to a node.
func dial(ctx context.Context, node *enode.Node, closed chan<- struct{}) (net.Conn, error) {
	endpoint, ok := node.TCPEndpoint()
	if !ok {
		return nil, fmt.Errorf("enode %s has %w", node.ID().TerminalString(), errNoPort)
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", endpoint.String())
	if err != nil {
		return nil, err
	}
	return &dialled{conn, closed}, nil
}

// Write implements net.Conn. It hides errors: a node that leaves says why before, and p2p would
// drop this message if it saw a failed write first.
func (d *dialled) Write(b []byte) (int, error) {
	n, err := d.Conn.Write(b)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return len(b), nil
	}
	return n, err
}

// Close implements net.Conn.
func (d *dialled) Close() error {
	err := d.Conn.Close()
	select {
	case d.closed <- struct{}{}:
	default:
	}
	return err
}

// discoveredDialer dials a node that was discovered. There are many, so each is tried once.
type discoveredDialer struct{}

// Dial implements p2p.NodeDialer.
func (discoveredDialer) Dial(ctx context.Context, node *enode.Node) (net.Conn, error) {
	return dial(ctx, node, nil)
}
