package front

import (
	"context"
	"time"

	"github.com/coder/websocket"

	"snaplight/gateway/internal/wire"
)

// write sends everything that is queued, Pongs first, and watches the deadlines. It also sends the
// last message.
func (s *session) write() {
	timer := time.NewTimer(handshakePatience)
	defer timer.Stop()
	for {
		next := s.take()
		if next.frame != nil {
			// The connection has a deadline for each piece of the frame.
			err := s.conn.Write(s.ctx, websocket.MessageBinary, next.frame)
			if next.places > 0 {
				s.sent(next)
			}
			if err != nil {
				s.end(ending{reason: wire.Timeout, text: "a frame did not leave: " + err.Error(), silent: true, by: "gateway"})
			}
			continue
		}
		e, wait := s.look()
		if e != nil {
			s.close(*e)
			return
		}
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// take returns the next frame. It returns nil if there is none or the session has ended. If the
// node is lost, its last answers are dropped: they are valid, but the client must ask another node
// for the rest anyway.
func (s *session) take() answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending != nil:
		return answer{}
	case len(s.urgent) > 0:
		frame := s.urgent[0]
		s.urgent = s.urgent[1:]
		return answer{frame: frame}
	case s.blocks != nil && s.ready:
		blocks := s.blocks
		s.blocks = nil
		return answer{frame: s.blocksFrame(*blocks)}
	case len(s.answers) > 0:
		next := s.answers[0]
		s.answers[0] = answer{}
		s.answers = s.answers[1:]
		return next
	}
	s.urgent, s.answers = nil, nil // An idle client keeps no arrays.
	return answer{}
}

// sent notes that an answer has been sent, and frees its places.
func (s *session) sent(a answer) {
	s.mu.Lock()
	s.moved = time.Now()
	s.mu.Unlock()
	s.lane.Release(len(a.frame))
	for range a.places {
		<-s.open
	}
}

// look returns the session's ending if a deadline has passed, and otherwise how long until the next
// one.
func (s *session) look() (*ending, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	idle := now.Sub(s.asked)
	switch {
	case s.ending != nil:
		return s.ending, 0
	case !s.ready && !now.Before(s.due):
		return s.expire("no Hello or no Status came"), 0
	case !s.ready:
		return nil, s.due.Sub(now)
	case idle >= s.server.config.Idle && len(s.open) == 0:
		return s.expire("nothing was asked for a long time; come again"), 0
	}
	// Bytes that leave count as life, because the other side's message may be queued behind what it
	// is sending.
	life := s.heard
	if s.moved.After(life) {
		life = s.moved
	}
	next := silence
	switch {
	case s.parked: // It may have sent something that is not read yet.
	case now.Sub(life) < silence:
		next -= now.Sub(life)
	case !s.pinged.After(life):
		s.pinged = now
		s.urgent = append(s.urgent, wire.Frame(wire.PingID, []uint64{}))
		return nil, 0
	case now.Sub(s.pinged) >= silence:
		return s.expire("no sign of life"), 0
	default:
		next -= now.Sub(s.pinged)
	}
	if rest := s.server.config.Idle - idle; rest > 0 {
		next = min(next, rest)
	}
	return nil, next
}

// expire ends the session because of a deadline. The lock is held.
func (s *session) expire(text string) *ending {
	s.ending = &ending{reason: wire.Timeout, code: wire.Timeout.CloseCode(), text: text, by: "gateway"}
	return s.ending
}

// close sends the last message.
func (s *session) close(e ending) {
	s.server.log.Debug("client left", "by", e.by, "reason", e.reason, "why", e.text)
	s.server.metrics.Disconnects.With(e.reason.String(), e.by).Inc()
	if !e.silent {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		s.conn.Write(ctx, websocket.MessageBinary, wire.DisconnectFrame(e.reason))
	}
	const maxText = 123 // the longest text of a close frame
	s.conn.Close(websocket.StatusCode(e.code), shortened(e.text, maxText))
	s.cancel()
}
