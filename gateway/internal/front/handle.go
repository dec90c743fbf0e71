package front

import (
	"time"

	"snaplight/gateway/internal/wire"
)

// phase is how far a client's handshake has got.
type phase uint8

const (
	awaitsHello phase = iota
	awaitsStatus
	isReady
)

// handle acts on one message. It returns an ending if that was the last one.
func (s *session) handle(state *phase, id uint64, payload []byte) *ending {
	offsets := wire.SharedOffsets()
	switch {
	case id == wire.DisconnectID:
		return &ending{reason: wire.ParseDisconnect(payload), code: 1000, silent: true, by: "client"}
	case *state == awaitsHello:
		if id != wire.HelloID {
			return breach("message 0x%x in place of a Hello", id)
		}
		return s.onHello(state, payload)
	case id == wire.HelloID:
		return breach("a second Hello")
	case id == wire.PingID:
		s.send(wire.Frame(wire.PongID, []uint64{}))
		return nil
	case id < wire.CapabilitiesFrom:
		return nil // a Pong, or a reserved id
	case id < offsets.Snap:
		return s.onEth(state, id-offsets.Eth, payload)
	case id < offsets.Snap+wire.SnapLength(s.node.Snap()):
		return s.onSnap(state, id-offsets.Snap, payload)
	}
	return breach("message 0x%x belongs to nothing shared", id)
}

func (s *session) onHello(state *phase, payload []byte) *ending {
	hello, err := wire.ParseHello(payload)
	switch {
	case err == wire.ErrOldVersion:
		return &ending{reason: wire.Incompatible, text: err.Error(), by: "gateway"}
	case err != nil:
		return breach("%v", err)
	case !hello.Speaks("eth", wire.EthVersion) || !hello.Speaks("snap", s.node.Snap()):
		return &ending{reason: wire.Useless, text: "this gateway speaks eth/69 and one version of snap, see its Hello", by: "gateway"}
	}
	*state = awaitsStatus
	s.send(statusFrame(s.node.Status()))
	s.server.log.Debug("client", "name", hello.Name)
	return nil
}

func statusFrame(status wire.Status) []byte {
	return append([]byte{byte(wire.SharedOffsets().Eth + wire.StatusCode)}, status.Payload()...)
}

// becomeReady notes that the handshake is done.
func (s *session) becomeReady() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = true
	s.poke() // the writer must use another deadline
}

func (s *session) onEth(state *phase, code uint64, payload []byte) *ending {
	switch {
	case code == wire.StatusCode && *state == awaitsStatus:
		status, err := wire.ParseStatus(payload)
		if err != nil {
			return breach("%v", err)
		}
		if !status.SameChain(s.node.Status()) {
			return &ending{reason: wire.Useless, text: "another network", by: "gateway"}
		}
		*state = isReady
		s.becomeReady()
		return nil
	case *state != isReady:
		return breach("eth message 0x%x before a Status", code)
	case code == wire.StatusCode:
		return breach("a second Status")
	case code == wire.GetBlockHeadersCode:
		request, err := wire.ParseHeadersRequest(payload)
		if err != nil {
			return breach("%v", err)
		}
		return s.ask(request)
	case code == wire.BlockHeadersCode:
		return breach("an answer to a server, which asks nothing")
	}
	return nil // the other messages mean nothing from a client and are ignored
}

func (s *session) onSnap(state *phase, code uint64, payload []byte) *ending {
	if *state != isReady {
		return breach("snap message 0x%x before a Status", code)
	}
	request, err := wire.ParseSnapRequest(s.node.Snap(), code, payload)
	if err != nil {
		return breach("%v", err)
	}
	return s.ask(request)
}

// ask passes a request on, as soon as there are places for it.
func (s *session) ask(request wire.Request) *ending {
	for range places(len(request.Body)) {
		select {
		case s.open <- struct{}{}:
			continue
		default:
		}
		s.park(true)
		select {
		case s.open <- struct{}{}:
		case <-s.ctx.Done():
			return &ending{reason: wire.Transport, text: s.ctx.Err().Error(), silent: true, by: "gateway"}
		}
		s.park(false)
	}
	s.mu.Lock()
	s.asked = time.Now()
	s.mu.Unlock()
	s.lane.Submit(request)
	return nil
}

func (s *session) park(parked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked = parked
	s.heard = time.Now()
}
