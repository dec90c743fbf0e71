package upstream

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"net"
	"time"

	gethlog "github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// How often a configured node is dialled: quickly at first, so that a restarted node is back at
// once, and then less often. The node is the operator's own. Chosen without a measurement.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 3 * time.Second
	settled    = 30 * time.Second // a connection that lasted this long starts over with firstRetry
)

// Identity is the gateway's identity for nodes.
type Identity struct {
	Key  *ecdsa.PrivateKey
	Name string
}

// logger passes go-ethereum's own log on, with its levels.
func logger(log *slog.Logger) gethlog.Logger { return gethlog.NewLogger(log.Handler()) }

// KeepStatic stays connected to one node until the context ends. Each connection has a p2p.Server
// of its own, because a server that has lost a node does not dial it again for half a minute.
func (p *Pool) KeepStatic(ctx context.Context, id Identity, node *enode.Node) {
	retry := firstRetry
	for ctx.Err() == nil {
		started := time.Now()
		if err := p.once(ctx, id, node); err != nil {
			p.log.Warn("node cannot be used; trying again", "node", node.ID().TerminalString(), "error", err)
		}
		if time.Since(started) > settled {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
		retry = min(2*retry, lastRetry)
	}
}

// once is one connection to a node, from the first attempt to its end.
func (p *Pool) once(ctx context.Context, id Identity, node *enode.Node) error {
	dialer := &patientDialer{ctx: ctx, pool: p, closed: make(chan struct{}, 1)}
	server := p2p.Server{Config: p2p.Config{
		PrivateKey:  id.Key,
		Name:        id.Name,
		MaxPeers:    1,
		DialRatio:   1,
		NoDiscovery: true,
		StaticNodes: []*enode.Node{node},
		Protocols:   p.protocols(nil),
		Dialer:      dialer,
		Logger:      logger(p.log),
	}}
	events := make(chan *p2p.PeerEvent, 4)
	subscription := server.SubscribeEvents(events)
	if err := server.Start(); err != nil {
		subscription.Unsubscribe()
		return err
	}
	ended := make(chan struct{})
	stopped := make(chan struct{})
	go func() { // the end of the server causes a last event
		defer close(stopped)
		<-ended
		server.Stop()
		subscription.Unsubscribe()
	}()
	err := p.follow(ctx, events, dialer.closed)
	close(ended)
	for {
		select {
		case event := <-events:
			p.onEvent(event)
		case <-stopped:
			return err
		}
	}
}

// follow waits until the connection has ended or has failed.
func (p *Pool) follow(ctx context.Context, events <-chan *p2p.PeerEvent, closed <-chan struct{}) error {
	added := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-closed:
			// An added peer has announced itself before its socket was closed.
			if !added && len(events) == 0 {
				return errors.New("it was reached but ended the handshake; check that it has this enode's key and accepts " +
					"one more peer (--attach makes it accept; log level debug says more)")
			}
		case event := <-events:
			added = true
			if p.onEvent(event) {
				return nil
			}
		}
	}
}

// onEvent returns whether the event was the end of a connection.
func (p *Pool) onEvent(event *p2p.PeerEvent) bool {
	if event.Type == p2p.PeerEventTypeDrop {
		p.dropped(event.Peer, event.Error)
	}
	return event.Type == p2p.PeerEventTypeDrop
}

// patientDialer dials until the node is there. p2p.Server would wait long after a failure, so it
// never gets one.
type patientDialer struct {
	ctx    context.Context
	pool   *Pool
	closed chan struct{} // closed when a connection that was made has ended
}

// Dial implements p2p.NodeDialer.
func (d *patientDialer) Dial(ctx context.Context, node *enode.Node) (net.Conn, error) {
	for retry, told := firstRetry, false; ; retry = min(2*retry, lastRetry) {
		conn, err := dial(ctx, node, d.closed)
		if err == nil || errors.Is(err, errNoPort) {
			return conn, err
		}
		if !told {
			d.pool.log.Warn("node cannot be reached; trying again until it can", "node", node.ID().TerminalString(), "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-d.ctx.Done():
			return nil, d.ctx.Err()
		case <-time.After(retry):
		}
	}
}
