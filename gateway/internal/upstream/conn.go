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

// errNoPort is of a node that nobody can dial.
var errNoPort = errors.New("no TCP port")

// dialled is a connection to a node. It tells when it is closed, and leaves it to its reader to find out that the node has gone.
type dialled struct {
	net.Conn
	closed chan<- struct{} // nil if nobody wants to know
}

// dial connects to a node once.
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

// Write implements net.Conn. A node that has gone said why before, and p2p would drop that if it heard of a failed write first.
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

// discoveredDialer dials a node that was discovered. It is one of many, so once is enough.
type discoveredDialer struct{}

// Dial implements p2p.NodeDialer.
func (discoveredDialer) Dial(ctx context.Context, node *enode.Node) (net.Conn, error) {
	return dial(ctx, node, nil)
}
