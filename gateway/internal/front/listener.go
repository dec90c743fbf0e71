package front

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// keepAlive finds clients whose machine is gone and whose silence nothing else notices.
const keepAlive = time.Minute

// sendBuffer is how much the system may hold of what a client was sent, in bytes. By default it
// grows to 4 MB for each client that does not read. This size still allows 5 MB/s at 100 ms.
const sendBuffer = 512 << 10

const (
	// piecePatience is how long a piece of what is sent may take to leave, and pieceSize is its
	// length in bytes. So the slowest client that is not cut reads 2.2 kB/s, however long its frames
	// are.
	piecePatience = 30 * time.Second
	pieceSize     = 64 << 10
)

// bounded accepts a limited number of connections at a time, and of each visitor. Other connections
// wait in the system's queue. A visitor's surplus ones are closed, because they would take the
// places of others.
type bounded struct {
	net.Listener
	proxies    Proxies
	perVisitor int // 0 is no limit
	places     chan struct{}
	closed     chan struct{}
	once       sync.Once

	mu    sync.Mutex
	taken map[netip.Prefix]int // by visitor; bounded by the places
}

func newBounded(listener net.Listener, most, perVisitor int, proxies Proxies) net.Listener {
	return &bounded{
		Listener: listener, proxies: proxies, perVisitor: perVisitor, places: make(chan struct{}, most),
		closed: make(chan struct{}), taken: make(map[netip.Prefix]int),
	}
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.places <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			<-b.places
			return nil, err
		}
		leave, ok := b.admit(b.proxies.connected(conn.RemoteAddr().String()))
		if !ok {
			conn.Close()
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetKeepAlivePeriod(keepAlive)
			tcp.SetWriteBuffer(sendBuffer)
		}
		return &placed{Conn: conn, leave: leave}, nil
	}
}

// admit counts a connection for its visitor, unless that has as many as it may have. The result
// gives the connection's place back.
func (b *bounded) admit(v visitor) (leave func(), ok bool) {
	if b.perVisitor == 0 || !v.limited {
		return func() { <-b.places }, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken[v.network] >= b.perVisitor {
		return nil, false
	}
	b.taken[v.network]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.taken[v.network]--; b.taken[v.network] == 0 {
			delete(b.taken, v.network)
		}
		<-b.places
	}, true
}

// Close implements net.Listener.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// placed gives its place back when it is closed, once.
type placed struct {
	net.Conn
	leave func()
	once  sync.Once
}

// Write implements net.Conn. It sends in pieces, each with a deadline of its own, so that a slow
// client that reads is told from one that does not.
func (p *placed) Write(b []byte) (written int, err error) {
	for {
		piece := b[written:min(len(b), written+pieceSize)]
		p.SetWriteDeadline(time.Now().Add(piecePatience))
		n, err := p.Conn.Write(piece)
		if written += n; err != nil || written == len(b) {
			return written, err
		}
	}
}

// Close implements net.Conn.
func (p *placed) Close() error {
	err := p.Conn.Close()
	p.once.Do(p.leave)
	return err
}
