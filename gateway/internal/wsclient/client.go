// Package wsclient is a client of docs/websocket-peers.md for tests and measurements. It has only
// what they need, and verifies nothing.
package wsclient

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"snaplight/gateway/internal/wire"
)

// dialPatience is how long a handshake may take: a gateway waits for a node before it answers.
const dialPatience = 15 * time.Second

// Ended says how a server ended a connection.
type Ended struct {
	Reason wire.Reason // in its Disconnect
	Said   bool        // whether there was a Disconnect
	Code   int         // the WebSocket close code; -1 if the connection broke
	Text   string
}

// Error implements error.
func (e *Ended) Error() string {
	return fmt.Sprintf("the server ended it: %v (close code %d, %q)", e.Reason, e.Code, e.Text)
}

// Client is a connection that is ready for requests.
type Client struct {
	Conn   *websocket.Conn
	By     wire.By
	Hello  wire.Hello
	Status wire.Status
	Ranges chan wire.BlockRange // announced blocks; only the newest announcement is kept

	first  wire.Offsets
	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	next   uint64
	open   map[uint64]chan []byte
	ended  error
	done   chan struct{}
	send   sync.Mutex
}

// Options say what the client offers.
type Options struct {
	By   wire.By
	Snap uint64 // 1 if 0
}

// Dial connects and makes the handshake.
func Dial(ctx context.Context, url string, options ...Options) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	conn, err := Open(ctx, url)
	if err != nil {
		return nil, err
	}
	var offered Options
	if len(options) > 0 {
		offered = options[0]
	}
	snap := cmp.Or(offered.Snap, 1)
	c := &Client{Conn: conn, By: offered.By, first: offered.By.Offsets(snap), Ranges: make(chan wire.BlockRange, 1), open: make(map[uint64]chan []byte), done: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if err := c.handshake(ctx, snap); err != nil {
		c.cancel()
		conn.CloseNow()
		return nil, err
	}
	go c.read()
	return c, nil
}

// Open opens a WebSocket with the subprotocol and sends nothing. A buffer above 0 is how many bytes
// from the server the system may hold.
func Open(ctx context.Context, url string, buffer ...int) (*websocket.Conn, error) {
	options := &websocket.DialOptions{Subprotocols: []string{wire.Subprotocol}}
	if len(buffer) > 0 {
		options.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
				return errors.Join(raw.Control(func(fd uintptr) {
					err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer[0])
				}), err)
			}}
			return dialer.DialContext(ctx, network, address)
		}}}
	}
	conn, _, err := websocket.Dial(ctx, url, options)
	if err != nil {
		return nil, err
	}
	if conn.Subprotocol() != wire.Subprotocol {
		conn.CloseNow()
		return nil, errors.New("the server did not select " + wire.Subprotocol)
	}
	conn.SetReadLimit(wire.FrameLimit)
	return conn, nil
}

// HelloFrame returns the client's Hello.
func HelloFrame(by wire.By, snap uint64) []byte {
	id := make([]byte, 64)
	rand.Read(id)
	return wire.Hello{
		Version: wire.P2PVersion, Name: "snaplight-go-client/0.1.0", NodeID: id,
		Capabilities: by.Capabilities(snap),
	}.Encode()
}

func (c *Client) handshake(ctx context.Context, snap uint64) error {
	if err := c.Conn.Write(ctx, websocket.MessageBinary, HelloFrame(c.By, snap)); err != nil {
		return err
	}
	payload, _, err := c.expect(ctx, wire.HelloID)
	if err != nil {
		return err
	}
	if c.Hello, err = wire.ParseHello(payload); err != nil {
		return err
	}
	payload, frame, err := c.expect(ctx, c.first.Eth+wire.StatusCode)
	if err != nil {
		return err
	}
	if c.Status, err = wire.ParseStatus(c.By, payload); err != nil {
		return err
	}
	return c.Conn.Write(ctx, websocket.MessageBinary, frame)
}

func (c *Client) expect(ctx context.Context, want uint64) (payload, frame []byte, err error) {
	_, frame, err = c.Conn.Read(ctx)
	if err != nil {
		return nil, nil, endOf(nil, err)
	}
	id, payload, err := wire.Split(frame)
	if err != nil {
		return nil, nil, err
	}
	if id == wire.DisconnectID {
		reason := wire.ParseDisconnect(payload)
		_, _, err = c.Conn.Read(ctx)
		return nil, nil, endOf(&reason, err)
	}
	if id != want {
		return nil, nil, fmt.Errorf("message 0x%x where 0x%x is due", id, want)
	}
	return payload, frame, nil
}

func endOf(reason *wire.Reason, err error) *Ended {
	ended := &Ended{Code: int(websocket.CloseStatus(err))}
	if err != nil {
		ended.Text = err.Error()
	}
	if reason != nil {
		ended.Reason, ended.Said = *reason, true
	}
	return ended
}

// read handles answers until the connection ends.
func (c *Client) read() {
	var reason *wire.Reason
	for {
		_, frame, err := c.Conn.Read(c.ctx)
		if err != nil {
			c.finish(endOf(reason, err))
			return
		}
		id, payload, err := wire.Split(frame)
		if err != nil {
			c.finish(err)
			return
		}
		switch {
		case id == wire.DisconnectID:
			r := wire.ParseDisconnect(payload)
			reason = &r
		case id == wire.PingID:
			c.Write(wire.Frame(wire.PongID, []uint64{}))
		case c.By == wire.ByHash && id == c.first.Eth+wire.NewBlockHashesCode:
			if newest, some, err := wire.ParseNewBlockHashes(payload); err == nil && some {
				c.announced(newest)
			}
		case c.By == wire.BySnap && id == c.first.Eth+wire.BlockRangeUpdateCode:
			if blocks, err := wire.ParseBlockRange(payload); err == nil {
				c.announced(blocks)
			}
		case id >= wire.CapabilitiesFrom:
			c.answer(payload)
		}
	}
}

func (c *Client) announced(blocks wire.BlockRange) {
	select {
	case <-c.Ranges:
	default:
	}
	c.Ranges <- blocks
}

func (c *Client) answer(payload []byte) {
	id, _, err := wire.SplitID(payload)
	if err != nil {
		return
	}
	c.mu.Lock()
	waiter := c.open[id]
	delete(c.open, id)
	c.mu.Unlock()
	if waiter != nil {
		waiter <- payload
	}
}

func (c *Client) finish(err error) {
	c.mu.Lock()
	c.ended = err
	c.mu.Unlock()
	close(c.done)
	c.cancel()
	c.Conn.CloseNow()
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says how the connection ended. It is nil before.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Write sends a whole frame.
func (c *Client) Write(frame []byte) error {
	c.send.Lock()
	defer c.send.Unlock()
	return c.Conn.Write(c.ctx, websocket.MessageBinary, frame)
}

// Close closes the connection.
func (c *Client) Close() {
	c.Write(wire.DisconnectFrame(wire.Done))
	c.Conn.Close(websocket.StatusNormalClosure, "")
	c.cancel()
}

// Ask sends a request of these fields behind its id, and waits for the answer's payload.
func (c *Client) Ask(protocol wire.Protocol, code uint64, fields ...any) ([]byte, error) {
	c.mu.Lock()
	c.next++
	id := c.next
	waiter := make(chan []byte, 1)
	c.open[id] = waiter
	c.mu.Unlock()
	first := c.first.Snap
	if protocol == wire.Eth {
		first = c.first.Eth
	}
	if err := c.Write(wire.Frame(first+code, append([]any{id}, fields...))); err != nil {
		<-c.done
		return nil, c.Err()
	}
	select {
	case payload := <-waiter:
		return payload, nil
	case <-c.done:
		return nil, c.Err()
	}
}

// AccountRange is an AccountRange message, as far as it is used here.
type AccountRange struct {
	ID       uint64
	Accounts []struct {
		Hash common.Hash
		Body rlp.RawValue
	}
	Proof [][]byte
}

// Accounts asks for a range of accounts.
func (c *Client) Accounts(root, origin, limit common.Hash, bytes uint64) (AccountRange, error) {
	var answer AccountRange
	payload, err := c.Ask(wire.Snap, wire.GetAccountRangeCode, root, origin, limit, bytes)
	if err != nil {
		return answer, err
	}
	return answer, rlp.DecodeBytes(payload, &answer)
}

// NodeData asks for trie nodes and codes by their hashes.
func (c *Client) NodeData(hashes []common.Hash) ([][]byte, error) {
	payload, err := c.Ask(wire.Eth, wire.GetNodeDataCode, hashes)
	if err != nil {
		return nil, err
	}
	var answer struct {
		ID    uint64
		Items [][]byte
	}
	return answer.Items, rlp.DecodeBytes(payload, &answer)
}

// Header asks for a block's encoded header. It returns nil if the node has none with this hash.
func (c *Client) Header(hash common.Hash) (rlp.RawValue, error) {
	payload, err := c.Ask(wire.Eth, wire.GetBlockHeadersCode, []any{hash, uint64(1), uint64(0), false})
	if err != nil {
		return nil, err
	}
	var answer struct {
		ID      uint64
		Headers []rlp.RawValue
	}
	if err := rlp.DecodeBytes(payload, &answer); err != nil || len(answer.Headers) == 0 {
		return nil, err
	}
	return answer.Headers[0], nil
}
