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
	opened chan p2p.MsgReadWriter // what requests are sent by: snap, or by hash eth
	rw     p2p.MsgReadWriter

	mu   sync.Mutex
	next uint64
	open map[uint64]chan []byte
	over chan struct{}
	once sync.Once
}

// dialPatience is how long connecting to a node may take. Chosen without a measurement.
const dialPatience = 10 * time.Second

func dialDirect(url string, by wire.By) (*direct, error) {
	node, err := enode.Parse(enode.ValidSchemes, url)
	if err != nil {
		return nil, err
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	d := &direct{opened: make(chan p2p.MsgReadWriter, 1), open: make(map[uint64]chan []byte), over: make(chan struct{})}
	agreed := make(chan struct{})
	protocols := []p2p.Protocol{
		{Name: "eth", Version: wire.EthVersion, Length: wire.EthLength, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error { return mirrorAndIgnore(rw, agreed) }},
		{Name: "snap", Version: 1, Length: wire.SnapLength(1), Run: d.read},
	}
	if by == wire.ByHash {
		protocols = []p2p.Protocol{
			{Name: "eth", Version: wire.Eth66Version, Length: wire.Eth66Length, Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
				if err := mirror(rw, agreed); err != nil {
					return err
				}
				return d.read(peer, rw)
			}},
		}
	}
	d.server = &p2p.Server{Config: p2p.Config{
		PrivateKey: key, Name: "snaplight-gethbench", MaxPeers: 1, DialRatio: 1, NoDiscovery: true, StaticNodes: []*enode.Node{node},
		Protocols: protocols,
	}}
	if err := d.server.Start(); err != nil {
		return nil, err
	}
	select {
	case d.rw = <-d.opened:
		<-agreed
		return d, nil
	case <-time.After(dialPatience):
		d.server.Stop()
		return nil, errors.New("the node was not reached directly")
	}
}

// mirror answers a Status with the same Status.
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
	return nil
}

// mirrorAndIgnore ignores everything else.
func mirrorAndIgnore(rw p2p.MsgReadWriter, agreed chan<- struct{}) error {
	if err := mirror(rw, agreed); err != nil {
		return err
	}
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		msg.Discard()
	}
}

// read reads answers. Everything else that comes by eth is ignored.
func (d *direct) read(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
	defer d.once.Do(func() { close(d.over) })
	byHash := !peer.RunningCap("snap", []uint{1})
	d.opened <- rw
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		if byHash && msg.Code != wire.NodeDataCode {
			msg.Discard()
			continue
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
