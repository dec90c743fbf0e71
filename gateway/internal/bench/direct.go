package bench

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"snaplight/gateway/internal/wire"
)

// direct is a client that speaks RLPx to a node itself.
type direct struct {
	server *p2p.Server
	snap   chan p2p.MsgReadWriter
	rw     p2p.MsgReadWriter

	mu   sync.Mutex
	next uint64
	open map[uint64]chan []byte
	over chan struct{}
	once sync.Once
}

// dialPatience is how long connecting to a node may take. Chosen without a measurement.
const dialPatience = 10 * time.Second

func dialDirect(url string) (*direct, error) {
	node, err := enode.Parse(enode.ValidSchemes, url)
	if err != nil {
		return nil, err
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	d := &direct{snap: make(chan p2p.MsgReadWriter, 1), open: make(map[uint64]chan []byte), over: make(chan struct{})}
	agreed := make(chan struct{})
	d.server = &p2p.Server{Config: p2p.Config{
		PrivateKey: key, Name: "snaplight-gethbench", MaxPeers: 1, DialRatio: 1, NoDiscovery: true, StaticNodes: []*enode.Node{node},
		Protocols: []p2p.Protocol{
			{Name: "eth", Version: wire.EthVersion, Length: wire.EthLength, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error { return mirror(rw, agreed) }},
			{Name: "snap", Version: 1, Length: wire.SnapLength(1), Run: d.read},
		},
	}}
	if err := d.server.Start(); err != nil {
		return nil, err
	}
	select {
	case d.rw = <-d.snap:
		<-agreed
		return d, nil
	case <-time.After(dialPatience):
		d.server.Stop()
		return nil, errors.New("the node was not reached directly")
	}
}

// mirror answers a Status with the same Status, and ignores everything else.
func mirror(rw p2p.MsgReadWriter, agreed chan<- struct{}) error {
	msg, err := rw.ReadMsg()
	if err != nil {
		return err
	}
	status, err := io.ReadAll(msg.Payload)
	if err != nil {
		return err
	}
	if err := p2p.Send(rw, wire.StatusCode, rlp.RawValue(status)); err != nil {
		return err
	}
	close(agreed)
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		msg.Discard()
	}
}

func (d *direct) read(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
	defer d.once.Do(func() { close(d.over) })
	d.snap <- rw
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		payload := make([]byte, msg.Size)
		if _, err := io.ReadFull(msg.Payload, payload); err != nil {
			return err
		}
		id, _, err := wire.SplitID(payload)
		if err != nil {
			return err
		}
		d.mu.Lock()
		waiter := d.open[id]
		delete(d.open, id)
		d.mu.Unlock()
		if waiter != nil {
			waiter <- payload
		}
	}
}

func (d *direct) ask(code uint64, fields ...any) ([]byte, error) {
	d.mu.Lock()
	d.next++
	id, waiter := d.next, make(chan []byte, 1)
	d.open[id] = waiter
	d.mu.Unlock()
	if err := p2p.Send(d.rw, code, append([]any{id}, fields...)); err != nil {
		return nil, err
	}
	select {
	case payload := <-waiter:
		return payload, nil
	case <-d.over:
		return nil, errors.New("the node left")
	}
}

func (d *direct) close() { d.server.Stop() }
