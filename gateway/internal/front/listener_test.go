package front

import (
	"net"
	"testing"
	"time"
)

// stranger is a connection from an address, whose other end does not matter.
type stranger struct {
	net.Conn
	from      string
	closed    bool
	deadlines int // how often it got another time to write
	lengths   []int
}

func (s *stranger) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(s.from), Port: 4000}
}

func (s *stranger) Close() error {
	s.closed = true
	return nil
}

func (s *stranger) SetWriteDeadline(time.Time) error {
	s.deadlines++
	return nil
}

func (s *stranger) Write(b []byte) (int, error) {
	s.lengths = append(s.lengths, len(b))
	return len(b), nil
}

// arrivals are connections that arrive one after the other.
type arrivals []net.Conn

func (a *arrivals) Accept() (net.Conn, error) {
	if len(*a) == 0 {
		return nil, net.ErrClosed
	}
	next := (*a)[0]
	*a = (*a)[1:]
	return next, nil
}

func (a *arrivals) Close() error   { return nil }
func (a *arrivals) Addr() net.Addr { return &net.TCPAddr{} }

// One visitor opened 256 connections, and nobody else got in. The others of a visitor are closed, even
// if they never say anything.
func TestAVisitorTakesNoPlacesOfOthers(t *testing.T) {
	const most, perVisitor = 10, 3
	var all arrivals
	var greedy []*stranger
	for range 256 {
		greedy = append(greedy, &stranger{from: "203.0.113.7"})
		all = append(all, greedy[len(greedy)-1])
	}
	for _, from := range []string{"203.0.113.8", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"} {
		all = append(all, &stranger{from: from})
	}
	b := newBounded(&all, most, perVisitor, Proxies{}).(*bounded)
	var accepted []net.Conn
	var from []string
	for {
		conn, err := b.Accept()
		if err != nil {
			break
		}
		accepted = append(accepted, conn)
		from = append(from, conn.RemoteAddr().(*net.TCPAddr).IP.String())
	}
	open := 0
	for _, conn := range greedy {
		if !conn.closed {
			open++
		}
	}
	// Loopback is not limited: there may be a proxy that nobody named.
	if open != perVisitor || len(accepted) != perVisitor+5 {
		t.Errorf("the visitor has %d connections, and these were accepted: %v", open, from)
	}
	for _, conn := range accepted {
		conn.Close()
		conn.Close()
	}
	if len(b.taken) > 0 || len(b.places) > 0 {
		t.Errorf("%v and %d places are taken when all have left", b.taken, len(b.places))
	}
}

// A frame of 2 MiB had 30 s, so an honest client slower than 70 kB/s was cut, and with the largest
// frames one slower than 350 kB/s.
func TestEachPieceOfAFrameHasItsOwnTime(t *testing.T) {
	for length, pieces := range map[int]int{0: 1, 1: 1, pieceSize: 1, pieceSize + 1: 2, 2 << 20: 32, 10 << 20: 160} {
		slow := &stranger{}
		written, err := (&placed{Conn: slow}).Write(make([]byte, length))
		sum := 0
		for _, piece := range slow.lengths {
			sum += piece
		}
		if err != nil || written != length || sum != length || slow.deadlines != pieces || len(slow.lengths) != pieces {
			t.Errorf("%d bytes: %d written in %d pieces with %d deadlines, %v", length, written, len(slow.lengths), slow.deadlines, err)
		}
	}
}
