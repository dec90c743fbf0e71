// Command gateway brings Ethereum nodes to browsers: devp2p nodes on one side, WebSockets that
// speak docs/websocket-peers.md on the other. See docs/gateway.md.
package main

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"snaplight/gateway/internal/front"
	"snaplight/gateway/internal/metrics"
	"snaplight/gateway/internal/upstream"
)

// How long the gateway waits at its end until clients and nodes have been told. The sum is less
// than the ten seconds after which Docker kills. Without nodesPatience, p2p would wait half a
// minute for a node in the middle of its handshake.
const (
	clientsPatience = 5 * time.Second
	nodesPatience   = 3 * time.Second
)

// The gateway's memory limit is made of these, see docs/gateway.md. Go's garbage collector is told
// to stay below the limit.
const (
	baseMemory = 64 << 20
	// Of a client without its answers: at most 512 kB of requests, and buffers and stacks.
	clientMemory = 1 << 20
	// A devp2p message has at most 16 MiB, and is held encrypted, decrypted and decompressed: 64 MiB.
	// As much again may come of a node's answers of node data, in which codes are as large as they
	// like: 32 MiB that are in flight and 32 MiB that clients hold above their budgets.
	nodeMemory = 128 << 20
)

func main() {
	o, err := parse(arguments())
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.maxSeconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(o.maxSeconds)*time.Second)
		defer cancel()
	}
	if o.exitWithStdin {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	log := logger(o)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryBound(o))
	}
	key, err := identity(o.nodeKey)
	if err != nil {
		return err
	}
	id := upstream.Identity{Key: key, Name: name}
	if o.attach != "" {
		node, err := attach(ctx, o.attach, key, log)
		if err != nil {
			return err
		}
		o.nodes = append(o.nodes, node)
		o.headRPC = o.attach
	}

	counters := metrics.New()
	pool := upstream.NewPool(o.snap, o.network, upstream.Limits{ClientBytes: o.clientBytes}, counters, log)
	server := front.New(o.front, pool, counters, log)
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w; is another gateway running? Port 0 takes any free one", err)
	}
	servers := []*http.Server{server.Serve(listener)}
	at := reachedAt(listener.Addr())
	ready := map[string]any{"ready": true, "url": "ws://" + at + "/", "http": "http://" + at}
	if o.admin != "" {
		admin, err := net.Listen("tcp", o.admin)
		if err != nil {
			return fmt.Errorf("--admin: %w", err)
		}
		servers = append(servers, server.Admin(admin))
		ready["admin"] = "http://" + reachedAt(admin.Addr())
	}

	nodesCtx, leaveNodes := context.WithCancel(context.Background())
	defer leaveNodes()
	var nodes sync.WaitGroup
	for _, node := range o.nodes {
		nodes.Go(func() { pool.KeepStatic(nodesCtx, id, node) })
	}
	if o.headRPC != "" {
		followed := o.nodes[len(o.nodes)-1].ID() // the attached node, or the only one
		nodes.Go(func() { pool.FollowHeads(nodesCtx, followed, o.headRPC) })
	}
	if o.discovers() {
		ended, err := pool.Discover(nodesCtx, id, o.discovery)
		if err != nil {
			return err
		}
		nodes.Go(func() { <-ended })
	}
	log.Info("gateway started", "version", version, "listen", listener.Addr(), "snap", o.snap, "memory bound", memoryBound(o))
	sayWhoMayConnect(o, log)
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}

	<-ctx.Done()
	log.Info("gateway stops")
	patience, cancel := context.WithTimeout(context.Background(), clientsPatience)
	defer cancel()
	for _, s := range servers {
		go s.Shutdown(patience) // ends new connections only; it does not know of WebSockets
	}
	server.Close(patience)
	leaveNodes()
	left := make(chan struct{})
	go func() {
		defer close(left)
		nodes.Wait()
	}()
	select {
	case <-left:
	case <-time.After(nodesPatience):
	}
	return nil
}

// sayWhoMayConnect says what the flags about visitors come to, given or not.
func sayWhoMayConnect(o *options, log *slog.Logger) {
	hosts := append([]string{"loopback"}, o.front.Hosts...)
	if slices.Contains(o.front.Hosts, front.AnyHost) {
		hosts = []string{"any"}
	}
	origins := []string(o.front.Origins)
	if slices.Contains(origins, "*") {
		origins = []string{"any"}
	}
	log.Info("who may connect", "hosts", hosts, "pages of", origins, "clients per address", o.front.PerVisitor,
		"trusted proxies", o.front.Proxies.Trusted)
	for _, address := range []string{o.listen, o.admin} {
		if reachable(address) && len(o.front.Hosts) == 0 {
			log.Warn("others can reach this address, and are refused, because they do not call it by a name of loopback: "+
				"give the names that they use by --host", "address", address)
		}
	}
	if len(o.front.Proxies.Trusted) == 0 && o.front.PerVisitor > 0 {
		log.Info("clients from loopback are not limited per address; if a reverse proxy is there, name it: --trusted-proxy 127.0.0.1")
	}
}

// reachedAt is the address of a listener in URLs on this machine. Nobody connects to 0.0.0.0.
func reachedAt(listens net.Addr) string {
	tcp, ok := listens.(*net.TCPAddr)
	switch {
	case !ok || !tcp.IP.IsUnspecified():
		return listens.String()
	case tcp.IP.To4() != nil:
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
}

// reachable returns whether others than this machine may reach an address to listen at.
func reachable(address string) bool {
	if address == "" {
		return false
	}
	listens, err := net.ResolveTCPAddr("tcp", address)
	return err == nil && !listens.IP.IsLoopback()
}

func logger(o *options) *slog.Logger {
	handler := &slog.HandlerOptions{Level: o.level}
	if o.logJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, handler))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, handler))
}

// memoryBound is the most memory that the gateway may use: the sum of its limits.
func memoryBound(o *options) int64 {
	nodes := len(o.nodes)
	if o.discovers() {
		nodes += o.discovery.MaxNodes
	}
	return baseMemory + int64(o.front.MaxClients)*int64(o.clientBytes+clientMemory) + int64(nodes)*nodeMemory
}

// identity reads the gateway's private key, or makes one.
func identity(path string) (*ecdsa.PrivateKey, error) {
	if path == "" {
		return crypto.GenerateKey()
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := crypto.GenerateKey()
		if err != nil {
			return nil, err
		}
		return key, crypto.SaveECDSA(path, key)
	}
	if err != nil {
		return nil, fmt.Errorf("--node-key: %w", err)
	}
	key, err := crypto.HexToECDSA(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("--node-key %s: %w; 64 digits of hex are expected", path, err)
	}
	return key, nil
}
