package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"

	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

const (
	crowdGood     = 100
	crowdBad      = 100
	crowdAccounts = 20_000
	crowdBytes    = 1 << 20   // a client's answers in flight
	crowdAnswer   = 200 << 10 // small enough for several of them
	crowdNuisance = 10        // how often a client comes back to send garbage
)

// smallBuffer makes a client's system hold almost nothing, so that what the client does not read
// stays at the gateway.
const smallBuffer = 4 << 10

// crowdBound is the bound of docs/gateway.md for this many clients: base, clients with their
// answers and their own MiB, one node. The gateway allows for more clients, because those that come
// back may be faster than the end of their last connection.
const crowdBound = 64<<20 + (crowdGood+crowdBad+10)*(crowdBytes+1<<20) + 64<<20

// Whatever half of the clients do, the other half completes its syncs, and memory stays below its
// bound.
func TestACrowdOfBadClientsHarmsNobody(t *testing.T) {
	node := startNode(t, testnode.Config{Alloc: testnode.Generate(testnode.Recipe{Accounts: crowdAccounts, Contracts: 50, Seed: 31})})
	gateway := startGateway(t, []string{node.Enode()}, "--max-clients", "460", "--client-bytes", "1048576", "--log-level", "info")
	url, root := gateway.URL, node.Head().Root

	ctx, stop := context.WithCancel(deadline(t))
	var bad sync.WaitGroup
	var settled sync.WaitGroup // bad clients that are already at their worst
	settled.Add(crowdBad)
	var told, untold atomic.Int64
	for i := range crowdBad {
		bad.Go(func() {
			misbehave(ctx, t, i, url, root, settled.Done, &told, &untold)
		})
	}
	settled.Wait()

	var good sync.WaitGroup
	for range crowdGood {
		good.Go(func() {
			client, err := wsclient.Dial(ctx, url)
			if err != nil {
				t.Error(err)
				return
			}
			defer client.Close()
			var accounts atomic.Int64
			if err := client.Walk(ctx, root, wsclient.Segments(4), crowdAnswer, &accounts); err != nil {
				t.Error(err)
			}
			if int(accounts.Load()) != len(node.Alloc()) {
				t.Errorf("%d of %d accounts", accounts.Load(), len(node.Alloc()))
			}
		})
	}
	good.Wait()
	memory := gateway.metric("process_resident_memory_bytes")
	t.Logf("gateway: %.0f MB resident of %d MB allowed, %.0f clients, %.0f MB relayed", memory/1e6, crowdBound/1_000_000,
		gateway.metric("snaplight_gateway_clients"), gateway.metric("snaplight_gateway_answer_bytes_total")/1e6)
	if memory > crowdBound {
		t.Errorf("%.0f bytes are above the bound of %d", memory, crowdBound)
	}
	stop()
	bad.Wait()
	if told.Load() == 0 || untold.Load() > 0 {
		t.Errorf("%d who broke the protocol were told so, %d were not", told.Load(), untold.Load())
	}
	if lost := node.Server().PeerCount(); lost != 1 {
		t.Error("the node left the gateway for what clients did")
	}
}

// misbehave does what the i-th bad client does until the context ends.
func misbehave(ctx context.Context, t *testing.T, i int, url string, root common.Hash, settled func(), told, untold *atomic.Int64) {
	everything := []any{root, common.Hash{}, common.MaxHash, uint64(crowdAnswer)}
	snap := wire.SharedOffsets().Snap
	switch i % 4 {
	case 0, 1: // asks and does not read
		conn := ready(ctx, t, url, smallBuffer)
		if conn == nil {
			settled()
			return
		}
		defer conn.CloseNow()
		for id := range uint64(20) {
			conn.Write(ctx, websocket.MessageBinary, wire.Frame(snap+wire.GetAccountRangeCode, append([]any{id}, everything...)))
		}
		settled()
		<-ctx.Done()
	case 2: // asks, and reads one frame whenever the others progress
		conn := ready(ctx, t, url)
		settled()
		if conn == nil {
			return
		}
		defer conn.CloseNow()
		for id := uint64(0); ctx.Err() == nil; id++ {
			conn.Write(ctx, websocket.MessageBinary, wire.Frame(snap+wire.GetAccountRangeCode, append([]any{id}, everything...)))
			_, reader, err := conn.Reader(ctx)
			if err != nil {
				return
			}
			buf := make([]byte, 64)
			for err == nil && ctx.Err() == nil {
				_, err = reader.Read(buf)
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Millisecond): // its pace; nothing waits for it
				}
			}
		}
	case 3: // sends garbage, is disconnected, and comes back
		settled()
		for n := range crowdNuisance {
			conn := ready(ctx, t, url)
			if conn == nil {
				return
			}
			conn.Write(ctx, websocket.MessageBinary, rubbish(i+n, root))
			err := drain(ctx, conn)
			switch code := websocket.CloseStatus(err); {
			case code == 4002 || code == wire.CloseText || code == wire.CloseOversized:
				told.Add(1)
			case ctx.Err() == nil && !errors.Is(err, context.Canceled):
				untold.Add(1)
				t.Errorf("rubbish %d was answered by %v", (i+n)%6, err)
			}
			conn.CloseNow()
		}
	}
}

// rubbish is a frame that no client may send.
func rubbish(kind int, root common.Hash) []byte {
	snap := wire.SharedOffsets().Snap
	switch kind % 6 {
	case 0:
		noise := make([]byte, 500)
		rand.Read(noise)
		noise[0] = 0xff // no message id
		return noise
	case 1:
		return make([]byte, 1<<20) // larger than the largest request
	case 2:
		// A node disconnects for this.
		return wire.Frame(snap+wire.GetTrieNodesCode, []any{uint64(1), root, [][][]byte{{}}, uint64(1)})
	case 3:
		return wire.Frame(snap+wire.AccountRangeCode, []any{uint64(1), []any{}, []any{}})
	case 4:
		return wire.Frame(snap+9, []any{uint64(1)})
	}
	return wsclient.HelloFrame(wire.BySnap, 1)
}

// ready connects and does the handshake by hand. It returns nil when all is over.
func ready(ctx context.Context, t *testing.T, url string, buffer ...int) *websocket.Conn {
	conn, err := wsclient.Open(ctx, url, buffer...)
	if err != nil {
		if ctx.Err() == nil {
			t.Error(err)
		}
		return nil
	}
	conn.Write(ctx, websocket.MessageBinary, wsclient.HelloFrame(wire.BySnap, 1))
	for range 2 { // Hello, and Status, which is sent back
		_, frame, err := conn.Read(ctx)
		if err != nil {
			if ctx.Err() == nil {
				t.Error(err)
			}
			conn.CloseNow()
			return nil
		}
		if id, _, _ := wire.Split(frame); id == wire.SharedOffsets().Eth+wire.StatusCode {
			conn.Write(ctx, websocket.MessageBinary, frame)
		}
	}
	return conn
}

// drain reads to the end and returns how the connection ended.
func drain(ctx context.Context, conn *websocket.Conn) error {
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return err
		}
	}
}
