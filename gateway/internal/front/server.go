// Package front is the gateway's WebSocket side. It speaks docs/websocket-peers.md with clients,
// and hands each client's requests to its node.
package front

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"snaplight/gateway/internal/metrics"
	"snaplight/gateway/internal/upstream"
	"snaplight/gateway/internal/wire"
)

const (
	// nodeWait is how long a client waits for a node that is not connected, perhaps because it is
	// restarting. It is shorter than the time that clients wait for a Hello.
	nodeWait = 3 * time.Second
	// headerPatience is how long the HTTP part of a handshake may take, with the body of a request,
	// which nobody reads. Chosen without a measurement.
	headerPatience = 5 * time.Second
	// headerBytes is how large the HTTP part may be. Browsers send less than 2 kB.
	headerBytes = 8 << 10
	// spareConnections may be open besides the clients': for health, for metrics, and to say that
	// the gateway is full.
	spareConnections = 64
	// spareForVisitor is how many of them one visitor may have, so that a visitor with all its
	// clients can be told that there are no more.
	spareForVisitor = 8
	// keyLength is the length of a node's key in hex. shortestKey is how much of it a path must
	// give.
	keyLength, shortestKey = 128, 8
)

// Config says how to serve clients. Clients that are no pages send no origin and are accepted.
type Config struct {
	Name        string        // the gateway's, in its Hello
	MaxClients  int           // the most at a time
	PerVisitor  int           // the most at a time of one address; 0 is no limit
	Proxies     Proxies       // whose word about addresses is taken
	Hosts       []string      // names besides loopback that the gateway answers to; AnyHost is any
	Idle        time.Duration // how long a client may ask for nothing
	RequestSize int64         // the largest frame from a client, in bytes
	Origins     []string      // of pages, as scheme://host patterns; "*" is any
	AdminApart  bool          // only [Server.Admin] serves metrics and health
}

// Server serves clients.
type Server struct {
	config  Config
	pool    *upstream.Pool
	metrics *metrics.Metrics
	log     *slog.Logger
	accept  websocket.AcceptOptions
	hosts   hosts

	mu       sync.Mutex
	sessions map[*session]struct{} // bounded by MaxClients
	visitors map[netip.Prefix]int  // the sessions of each visitor; bounded by MaxClients
	refusals int                   // connections that are being told that the gateway is full
	closing  bool
	empty    sync.WaitGroup // done when all sessions have ended
}

// New makes a server for the nodes of a pool.
func New(config Config, pool *upstream.Pool, m *metrics.Metrics, log *slog.Logger) *Server {
	s := &Server{
		config: config, pool: pool, metrics: m, log: log, hosts: newHosts(config.Hosts),
		sessions: make(map[*session]struct{}), visitors: make(map[netip.Prefix]int),
	}
	s.accept = websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}}
	if slices.Contains(config.Origins, "*") {
		s.accept.InsecureSkipVerify = true
	} else {
		s.accept.OriginPatterns = config.Origins
	}
	return s
}

// Serve serves on a listener until Close.
func (s *Server) Serve(listener net.Listener) *http.Server {
	perVisitor := s.config.PerVisitor
	if perVisitor > 0 {
		perVisitor += spareForVisitor
	}
	server := s.httpServer(s.handler())
	go server.Serve(newBounded(listener, s.config.MaxClients+spareConnections, perVisitor, s.config.Proxies))
	return server
}

// Admin serves health and metrics on a listener of their own.
func (s *Server) Admin(listener net.Listener) *http.Server {
	mux := http.NewServeMux()
	s.addAdmin(mux)
	server := s.httpServer(mux)
	go server.Serve(newBounded(listener, spareConnections, spareForVisitor, s.config.Proxies))
	return server
}

func (s *Server) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: s.named(handler), ReadTimeout: headerPatience, IdleTimeout: headerPatience, WriteTimeout: piecePatience, MaxHeaderBytes: headerBytes,
		// Strangers cause most errors, so they are not logged.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /nodes", s.nodes)
	if s.config.AdminApart {
		for _, path := range []string{"/metrics", "/healthz"} {
			mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, path+" is at the address of --admin", http.StatusNotFound)
			})
		}
	} else {
		s.addAdmin(mux)
	}
	mux.HandleFunc("GET /", s.client)
	return mux
}

func (s *Server) addAdmin(mux *http.ServeMux) {
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2}))
	mux.HandleFunc("GET /healthz", s.health)
}

// health is 200 while there is a node, so that clients can be served.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	nodes := len(s.pool.Nodes())
	w.Header().Set("Content-Type", "application/json")
	if nodes == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	s.mu.Lock()
	clients := len(s.sessions)
	s.mu.Unlock()
	json.NewEncoder(w).Encode(map[string]any{"ok": nodes > 0, "nodes": nodes, "clients": clients})
}

// nodes lists the nodes, for pages that want several nodes or a certain one.
func (s *Server) nodes(w http.ResponseWriter, r *http.Request) {
	infos := []upstream.Info{}
	for _, node := range s.pool.Nodes() {
		infos = append(infos, node.Info())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*") // it contains no secrets
	json.NewEncoder(w).Encode(infos)
}

// client accepts a WebSocket. Its path names the node: nothing for any node, or the beginning of a
// key.
func (s *Server) client(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains(subprotocols(r), wire.Subprotocol) {
		s.metrics.Refused.With(metrics.RefusedSubprotocol).Inc()
		http.Error(w, "this is a WebSocket for snap peers: connect with the subprotocol "+wire.Subprotocol, http.StatusBadRequest)
		return
	}
	conn, err := websocket.Accept(w, r, &s.accept)
	if err != nil {
		s.metrics.Refused.With(metrics.RefusedHandshake).Inc()
		s.log.Debug("handshake refused", "origin", r.Header.Get("Origin"), "error", err)
		return
	}
	conn.SetReadLimit(s.config.RequestSize)
	// In a goroutine of its own: net/http would hold its memory of the request as long as the
	// client stays.
	go s.welcome(conn, nodeKey(r.URL.Path), s.config.Proxies.visitor(r))
}

// nodeKey is the beginning of a node's key if the path's last part is one. All other paths mean any
// node, so a proxy may use any path for the gateway.
func nodeKey(path string) string {
	last := strings.ToLower(path[strings.LastIndexByte(path, '/')+1:])
	if len(last) < shortestKey || len(last) > keyLength || strings.Trim(last, "0123456789abcdef") != "" {
		return ""
	}
	return last
}

func subprotocols(r *http.Request) (all []string) {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			all = append(all, strings.TrimSpace(name))
		}
	}
	return all
}

// welcome gives a client a place.
func (s *Server) welcome(conn *websocket.Conn, prefix string, v visitor) {
	session := newSession(s, conn, prefix, v)
	if no := s.enter(session); no != nil {
		s.refuse(conn, no)
		return
	}
	s.metrics.Accepted.Inc()
	session.run()
}

// refusal is why a client gets no place.
type refusal struct {
	reason wire.Reason
	text   string
	why    string // for the metrics
	silent bool   // too many others are being told
}

// enter gives the session a place, or returns why there is none.
func (s *Server) enter(session *session) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := session.visitor
	no := refusal{reason: wire.TooMany, why: wire.TooMany.String()}
	switch {
	case s.closing:
		return &refusal{reason: wire.Quitting, text: "the gateway is shutting down", why: wire.Quitting.String()}
	case v.limited && s.config.PerVisitor > 0 && s.visitors[v.network] >= s.config.PerVisitor:
		no.text, no.why = "your address has too many connections", metrics.RefusedAddress
	case len(s.sessions) >= s.config.MaxClients:
		no.text = "the gateway is full"
	default:
		s.sessions[session] = struct{}{}
		s.visitors[v.network]++
		s.empty.Add(1)
		s.metrics.Clients.Set(float64(len(s.sessions)))
		return nil
	}
	s.refusals++
	no.silent = s.refusals > spareConnections/2
	return &no
}

// gone frees a session's place.
func (s *Server) gone(session *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session)
	network := session.visitor.network
	if s.visitors[network]--; s.visitors[network] == 0 {
		delete(s.visitors, network)
	}
	s.metrics.Clients.Set(float64(len(s.sessions)))
	s.empty.Done()
}

// refuse says why there is no place, over the WebSocket, because a page cannot read an HTTP error.
func (s *Server) refuse(conn *websocket.Conn, no *refusal) {
	s.metrics.Refused.With(no.why).Inc()
	if no.silent {
		conn.CloseNow()
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		conn.Write(ctx, websocket.MessageBinary, wire.DisconnectFrame(no.reason))
		conn.Close(websocket.StatusCode(no.reason.CloseCode()), no.text)
	}
	if no.reason == wire.TooMany {
		s.mu.Lock()
		s.refusals--
		s.mu.Unlock()
	}
}

// Close tells all clients that the gateway ends, and waits until they have left or the context
// ends.
func (s *Server) Close(ctx context.Context) {
	s.mu.Lock()
	s.closing = true
	sessions := make([]*session, 0, len(s.sessions))
	for session := range s.sessions {
		sessions = append(sessions, session)
	}
	s.mu.Unlock()
	for _, session := range sessions {
		session.end(ending{reason: wire.Quitting, text: "the gateway is shutting down", by: "gateway"})
	}
	done := make(chan struct{})
	go func() {
		s.empty.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		for _, session := range sessions {
			session.conn.CloseNow()
		}
	}
}
