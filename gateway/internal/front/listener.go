package front

import (
	"net"
	"sync"
	"time"
)

// keepAlive finds clients whose machine is gone and whose silence nothing else notices.
const keepAlive = time.Minute

// sendBuffer is how much the system may hold of what a client was sent, in bytes. By default it
// grows to 4 MB for each client that does not read. This size still allows 5 MB/s at 100 ms.
const sendBuffer = 512 << 10

// bounded accepts a limited number of connections at a time. Others wait in the system's queue.
type bounded struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newBounded(listener net.Listener, most int) net.Listener {
	return &bounded{Listener: listener, places: make(chan struct{}, most), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.places <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetKeepAlivePeriod(keepAlive)
		tcp.SetWriteBuffer(sendBuffer)
	}
	return &placed{Conn: conn, leave: func() { <-b.places }}, nil
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

// Close implements net.Conn.
func (p *placed) Close() error {
	err := p.Conn.Close()
	p.once.Do(p.leave)
	return err
}
