package front

import (
	"fmt"
	"slices"
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
	}
	switch offsets := s.offsets(); {
	case id < offsets.Snap:
		return s.onEth(state, id-offsets.Eth, payload)
	case id < offsets.End:
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
	}
	snap := s.server.pool.Snap()
	ways := slices.DeleteFunc([]wire.By{wire.BySnap, wire.ByHash}, func(by wire.By) bool { return !hello.Offers(by, snap) })
	if len(ways) == 0 {
		text := fmt.Sprintf("this gateway speaks eth/69 with snap/%d, and eth/66", snap)
		return &ending{reason: wire.Useless, text: text, by: "gateway"}
	}
	if e := s.attach(ways); e != nil {
		return e
	}
	// Only now: the client's offer decides which node's name and capabilities this is.
	s.sendHello()
	*state = awaitsStatus
	s.send(append([]byte{byte(s.offsets().Eth + wire.StatusCode)}, s.node.Status().Payload()...))
	s.server.log.Debug("client", "name", hello.Name, "by", s.node.By())
	return nil
}

// becomeReady notes that the handshake is done.
func (s *session) becomeReady() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = true
	s.poke() // the writer must use another deadline
}

func (s *session) onEth(state *phase, code uint64, payload []byte) *ending {
	byHash := s.node.By() == wire.ByHash
	switch {
	case code == wire.StatusCode && *state == awaitsStatus:
		status, err := wire.ParseStatus(s.node.By(), payload)
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
	case byHash && code == wire.GetNodeDataCode:
		request, err := wire.ParseNodeDataRequest(payload)
		if err != nil {
			return breach("%v", err)
		}
		return s.ask(request)
	case code == wire.BlockHeadersCode, byHash && code == wire.NodeDataCode:
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
