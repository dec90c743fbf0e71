package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"snaplight/gateway/internal/programs"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

// TurnsFigures say what an honest client gets alone, and beside clients whose requests cost the
// node much time and bring few bytes.
type TurnsFigures struct {
	Costly int        `json:"costlyClients"`
	Alone  TurnFigure `json:"alone"`
	Beside TurnFigure `json:"beside"`
}

// TurnFigure is what the honest client got.
type TurnFigure struct {
	Rate  float64 `json:"bytesPerSecond"`
	Worst float64 `json:"worstAnswerSeconds"`
}

const (
	// costlyAccounts is how many unknown accounts a costly request names: as many as fit into the
	// gateway's largest request.
	costlyAccounts = 3800
	// costlyOpen is how many requests a costly client has open. Each takes 8 of its 32 places.
	costlyOpen = 4
)

// Turns measures an honest client that asks for accounts, alone and beside costly clients that ask
// for the storage of unknown accounts, for this long each.
func Turns(built *programs.Built, accounts, costly int, lasts time.Duration) (TurnsFigures, error) {
	figures := TurnsFigures{Costly: costly}
	node, err := programs.Start(built.Testnode, "--accounts", fmt.Sprint(accounts), "--bare")
	if err != nil {
		return figures, err
	}
	defer node.Stop()
	gateway, err := programs.Start(built.Gateway, "--listen", "127.0.0.1:0", "--node", node.Enode, "--log-level", "warn")
	if err != nil {
		return figures, err
	}
	defer gateway.Stop()
	root := common.HexToHash(node.Root)
	honest, err := wsclient.Dial(context.Background(), gateway.URL)
	if err != nil {
		return figures, err
	}
	defer honest.Close()
	if figures.Alone, err = honestly(honest, root, lasts); err != nil {
		return figures, err
	}
	var group sync.WaitGroup
	defer group.Wait()
	for range costly {
		client, err := wsclient.Dial(context.Background(), gateway.URL)
		if err != nil {
			return figures, err
		}
		defer client.Conn.CloseNow()
		for range costlyOpen {
			group.Go(func() { askCostly(client, root) })
		}
	}
	figures.Beside, err = honestly(honest, root, lasts)
	return figures, err
}

// askCostly asks until the connection ends.
func askCostly(client *wsclient.Client, root common.Hash) {
	unknown := make([]common.Hash, costlyAccounts)
	for i := range unknown {
		rand.Read(unknown[i][:])
	}
	for {
		if _, err := client.Ask(wire.Snap, wire.GetStorageRangesCode, root, unknown, []byte{}, []byte{}, uint64(1)); err != nil {
			return
		}
	}
}

// honestly asks for all accounts, again and again until the time is over.
func honestly(client *wsclient.Client, root common.Hash, lasts time.Duration) (figure TurnFigure, err error) {
	timed := &timedAsker{asker: overWebSocket{client}}
	ended := time.AfterFunc(lasts, func() { timed.over.Store(true) })
	defer ended.Stop()
	start := time.Now()
	var bytes int64
	for !timed.over.Load() {
		some, _, err := askAccounts(timed, root)
		if bytes += some; err != nil && !errors.Is(err, errOver) {
			return figure, err
		}
	}
	return TurnFigure{float64(bytes) / time.Since(start).Seconds(), time.Duration(timed.worst.Load()).Seconds()}, nil
}

var errOver = errors.New("the time is over")

// timedAsker notes the longest time that an answer took, and asks no more when the time is over.
type timedAsker struct {
	asker
	over  atomic.Bool
	worst atomic.Int64
}

func (t *timedAsker) ask(code uint64, fields ...any) ([]byte, error) {
	if t.over.Load() {
		return nil, errOver
	}
	start := time.Now()
	payload, err := t.asker.ask(code, fields...)
	took := int64(time.Since(start))
	for was := t.worst.Load(); took > was && !t.worst.CompareAndSwap(was, took); was = t.worst.Load() {
	}
	return payload, err
}
