package front

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"snaplight/gateway/internal/upstream"
	"snaplight/gateway/internal/wire"
)

// Times of the protocol, see docs/websocket-peers.md §3.
const (
	handshakePatience = 30 * time.Second // from the opening to the client's Status
	silence           = 15 * time.Second // after this a Ping, and after the same time again the end
)

const (
	// openPlaces is how many places a client has for requests whose answers are not sent yet. When
	// all are taken, its socket is not read. A request takes one place, and one more for every
	// placeSize bytes of it. The protocol asks servers to accept 16 requests, and the largest
	// sensible one (1,024 trie paths) has 72 kB.
	openPlaces = 32
	placeSize  = 16 << 10
	// farewell is how long a client may take to read the last message. Chosen without a
	// measurement.
	farewell = 5 * time.Second
)

// session is one client. One goroutine reads its socket, and one writes to it.
type session struct {
	server *Server
	conn   *websocket.Conn
	prefix string         // the beginning of the node's key, if the client has named one
	node   *upstream.Node // nil until the client's Hello, as the lane
	lane   *upstream.Lane
	ctx    context.Context // ends all reading and writing at once
	cancel context.CancelFunc
	open   chan struct{} // one for each place that is taken
	wake   chan struct{} // there is something to write

	visitor visitor // whom it counts for

	mu      sync.Mutex
	urgent  [][]byte // Hello, Status, Pongs; bounded by maxUrgent
	answers []answer // bounded by the lane's budget
	blocks  *wire.BlockRange
	ready   bool // both Statuses have been exchanged
	ending  *ending
	heard   time.Time // when the last frame arrived
	asked   time.Time // when the last request arrived
	moved   time.Time // when the last answer left
	pinged  time.Time // when the last Ping was sent
	parked  bool      // the reader waits for a place, so silence means nothing
	due     time.Time // when the handshake must be done
}

// ending is how a session ends.
type ending struct {
	reason wire.Reason
	code   int    // of the WebSocket
	text   string // an explanation for people
	silent bool   // no Disconnect: the close code says everything, or the client has gone
	by     string // who ended it, for the metrics: client, gateway or node
}

// answer is a frame that waits to be sent, and the number of its request's places.
type answer struct {
	frame  []byte
	places int
}

// places is how many places a request of this length takes.
func places(length int) int { return min(1+length/placeSize, openPlaces) }

// maxUrgent bounds the waiting Pongs: a client that sends Pings and does not read gets no more of
// them.
const maxUrgent = 16

func newSession(server *Server, conn *websocket.Conn, prefix string, v visitor) *session {
	now := time.Now()
	s := &session{
		server: server, conn: conn, prefix: prefix, visitor: v, open: make(chan struct{}, openPlaces), wake: make(chan struct{}, 1),
		heard: now, asked: now, due: now.Add(handshakePatience),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// run serves the client until its connection ends.
func (s *session) run() {
	defer s.cancel()
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.end(s.read())
	writer.Wait()
	if s.lane != nil {
		s.lane.Close()
	}
	s.server.gone(s)
}

// end ends the session. Only the first ending counts.
func (s *session) end(e ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending == nil {
		if e.code == 0 {
			e.code = e.reason.CloseCode()
		}
		s.ending = &e
		// The writer may be waiting for a slow client.
		time.AfterFunc(farewell, s.cancel)
		s.poke()
	}
}

// poke wakes the writer.
func (s *session) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Deliver implements upstream.Client.
func (s *session) Deliver(frame []byte, asked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answer{frame, places(asked)})
	s.poke()
}

// BlockRange implements upstream.Client. A client that is behind only gets the newest one.
func (s *session) BlockRange(blocks wire.BlockRange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks = &blocks
	s.poke()
}

// NodeLost implements upstream.Client.
func (s *session) NodeLost(reason wire.Reason, text string) {
	s.end(ending{reason: reason, text: "the node is gone: " + text, by: "node"})
}

// send queues a frame before the answers.
func (s *session) send(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.urgent) < maxUrgent {
		s.urgent = append(s.urgent, frame)
	}
	s.poke()
}

// read handles what arrives until the end, and returns how it ended.
func (s *session) read() ending {
	var state phase
	for {
		id, payload, e := s.frame()
		if e != nil {
			return *e
		}
		if e := s.handle(&state, id, payload); e != nil {
			return *e
		}
	}
}

// attach finds the session's node, one that can do what the client offers. If there is none, it waits
// for one.
func (s *session) attach(ways []wire.By) *ending {
	ctx, cancel := context.WithTimeout(s.ctx, nodeWait)
	defer cancel()
	if s.node = s.server.pool.Pick(ctx, s.prefix, ways); s.node != nil {
		s.lane = s.node.Join(s, s.visitor.network)
	}
	if s.lane == nil {
		return &ending{reason: wire.Other, text: "no such node is connected at present; try again later", by: "gateway"}
	}
	return nil
}

// blocksFrame announces a node's newest block.
func (s *session) blocksFrame(blocks wire.BlockRange) []byte {
	if s.node.By() == wire.ByHash {
		return wire.Frame(s.offsets().Eth+wire.NewBlockHashesCode, wire.NewBlockHashes(blocks))
	}
	return wire.Frame(s.offsets().Eth+wire.BlockRangeUpdateCode, blocks)
}

func (s *session) offsets() wire.Offsets { return s.node.By().Offsets(s.node.Snap()) }

func (s *session) sendHello() {
	id := make([]byte, 64)
	rand.Read(id)
	hello := wire.Hello{
		Version:      wire.P2PVersion,
		Name:         shortened(s.node.Name()+" via "+s.server.config.Name, wire.MaxName),
		Capabilities: s.node.By().Capabilities(s.node.Snap()),
		NodeID:       id,
	}
	s.send(hello.Encode())
}

// shortened cuts a text to a limit of the protocol, and not in the middle of a character. A node's
// own name may be longer.
func shortened(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "")
}

// frame reads a frame and splits it.
func (s *session) frame() (id uint64, payload []byte, e *ending) {
	kind, reader, err := s.conn.Reader(s.ctx)
	if err != nil {
		return 0, nil, s.readError(err)
	}
	if kind != websocket.MessageBinary {
		return 0, nil, &ending{reason: wire.Breach, code: wire.CloseText, text: "text is not spoken here", silent: true, by: "gateway"}
	}
	// A request is kept until its turn, so it gets a small buffer of its own.
	var frame bytes.Buffer
	if _, err := io.Copy(&frame, reader); err != nil {
		return 0, nil, s.readError(err)
	}
	s.mu.Lock()
	s.heard = time.Now()
	s.mu.Unlock()
	id, payload, err = wire.Split(frame.Bytes())
	if err != nil {
		return 0, nil, breach("%v", err)
	}
	if id < wire.CapabilitiesFrom && frame.Len() > wire.BaseFrameLimit {
		return 0, nil, breach("a base message of %d bytes", frame.Len())
	}
	return id, payload, nil
}

func (s *session) readError(err error) *ending {
	e := &ending{reason: wire.Transport, text: err.Error(), silent: true, by: "client"}
	var closed websocket.CloseError
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		e = &ending{reason: wire.Breach, code: wire.CloseOversized, text: "larger than any request", silent: true, by: "gateway"}
	case errors.As(err, &closed):
		e.reason = wire.Done
		if closed.Code >= 4000 && closed.Code < 4256 {
			e.reason = wire.Reason(closed.Code - 4000)
		}
	}
	return e
}

func breach(format string, args ...any) *ending {
	return &ending{reason: wire.Breach, text: fmt.Sprintf(format, args...), by: "gateway"}
}
