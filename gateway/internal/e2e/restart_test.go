package e2e

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"snaplight/gateway/internal/programs"
	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

const (
	restartClients  = 6
	restartAccounts = 5000
	smallAnswer     = 4 << 10 // so that a walk takes many requests
)

// A node that ends and comes back ends no sync: its clients are told and continue afterwards, and
// the clients of another node notice nothing.
func TestANodeThatRestartsEndsNoSync(t *testing.T) {
	folder := t.TempDir()
	if err := programs.Build(folder, "testnode"); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "testnode")
	args := []string{"--accounts", "5000", "--seed", "41", "--bare"}
	node := start(t, program, args...)
	key := enode.MustParse(node.Enode)
	address, err := url.Parse(node.Enode)
	if err != nil {
		t.Fatal(err)
	}
	args = append(args, "--listen", address.Host)
	other := startNode(t, testnode.Config{Alloc: testnode.Generate(testnode.Recipe{Accounts: restartAccounts, Seed: 42}), Seed: 42})
	gateway := startGateway(t, []string{node.Enode, other.Enode()})
	root := common.HexToHash(node.Root)
	ctx := deadline(t)

	otherURL := gateway.URL + other.Server().Self().URLv4()[len("enode://"):][:32]
	bystander := must(wsclient.Dial(ctx, otherURL))(t)
	defer bystander.Close()

	// Each step ends the node once more while all clients are in the middle of a walk.
	walkers := make([]*walker, restartClients)
	for i := range walkers {
		walkers[i] = &walker{url: gateway.URL + address.User.Username(), root: root, segments: wsclient.Segments(2)}
	}
	for round, end := range []struct {
		how    func() error
		reason wire.Reason
	}{
		{func() error { return node.Kill() }, wire.Transport},
		{func() error { return node.Terminate() }, wire.Quitting},
	} {
		var group sync.WaitGroup
		halfway := make(chan struct{}, restartClients)
		dead := make(chan struct{})
		for _, w := range walkers {
			group.Go(func() { w.walkUntilDeath(ctx, t, restartAccounts*(round+1)/4, halfway, dead, end.reason) })
		}
		for range walkers {
			<-halfway
		}
		if err := end.how(); err != nil {
			t.Fatal(err)
		}
		close(dead)
		group.Wait()
		node = start(t, program, args...)
		if again := enode.MustParse(node.Enode); again.ID() != key.ID() {
			t.Fatal("another node came back")
		}
	}
	var group sync.WaitGroup
	for _, w := range walkers {
		group.Go(func() { w.finish(ctx, t) })
	}
	group.Wait()

	var seen atomic.Int64
	if err := bystander.Walk(ctx, other.Head().Root, wsclient.Segments(2), smallAnswer*16, &seen); err != nil || int(seen.Load()) != len(other.Alloc()) {
		t.Errorf("the other node's client got %d of %d accounts: %v", seen.Load(), len(other.Alloc()), err)
	}
}

// walker is a client that syncs over one connection after another.
type walker struct {
	url      string
	root     common.Hash
	segments []wsclient.Segment
	accounts atomic.Int64
}

// walkUntilDeath walks until it has this many accounts and keeps asking while the node is being
// killed. The gateway must then say why it ended.
func (w *walker) walkUntilDeath(ctx context.Context, t *testing.T, until int, halfway chan<- struct{}, dead <-chan struct{}, reason wire.Reason) {
	client := w.connect(ctx, t)
	walking, stop := context.WithCancel(ctx)
	go func() {
		for int(w.accounts.Load()) < until && ctx.Err() == nil {
			if client.Err() != nil {
				break
			}
			// One answer after the other, so that it stops at the right place.
			if _, err := client.Accounts(w.root, common.Hash{}, common.Hash{}, 0); err != nil {
				break
			}
		}
		stop()
	}()
	err := client.Walk(walking, w.root, w.segments, smallAnswer, &w.accounts)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	halfway <- struct{}{}
	for err = nil; err == nil; { // there are always requests in flight
		_, err = client.Accounts(w.root, common.Hash{}, common.MaxHash, smallAnswer)
	}
	<-dead
	var ended *wsclient.Ended
	if !errors.As(err, &ended) || !ended.Said || ended.Reason != reason || ended.Code != reason.CloseCode() {
		t.Errorf("told %v, expected %v", err, reason)
	}
}

// connect tries until the gateway has the node again.
func (w *walker) connect(ctx context.Context, t *testing.T) *wsclient.Client {
	for {
		client, err := connect(ctx, w.url)
		if err == nil {
			return client
		}
		t.Error(err)
		if ctx.Err() != nil {
			t.FailNow()
		}
	}
}

func (w *walker) finish(ctx context.Context, t *testing.T) {
	client := w.connect(ctx, t)
	defer client.Close()
	if err := client.Walk(ctx, w.root, w.segments, smallAnswer, &w.accounts); err != nil {
		t.Error(err)
	}
	if w.accounts.Load() != restartAccounts {
		t.Errorf("%d of %d accounts", w.accounts.Load(), restartAccounts)
	}
}
