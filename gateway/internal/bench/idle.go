package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"snaplight/gateway/internal/programs"
	"snaplight/gateway/internal/wsclient"
)

// IdleFigures say what clients cost that ask nothing.
type IdleFigures struct {
	Clients int     `json:"clients"`
	Bytes   float64 `json:"bytesPerClient"`
}

// warmClients connect first: what the gateway allocates for its first clients is not a cost of each
// client.
const warmClients = 20

// handshakes is how many clients connect at the same time.
const handshakes = 16

// Idle measures the gateway's resident memory per client that is connected and asks nothing.
func Idle(built *programs.Built, clients int) (IdleFigures, error) {
	figures := IdleFigures{Clients: clients}
	node, err := programs.Start(built.Testnode, "--accounts", "100", "--bare")
	if err != nil {
		return figures, err
	}
	defer node.Stop()
	gateway, err := programs.Start(built.Gateway, "--listen", "127.0.0.1:0", "--node", node.Enode, "--log-level", "warn",
		"--max-clients", fmt.Sprint(clients+warmClients))
	if err != nil {
		return figures, err
	}
	defer gateway.Stop()
	closeWarm, err := connect(gateway.URL, warmClients)
	if err != nil {
		return figures, err
	}
	defer closeWarm()
	before, err := gateway.Metric("process_resident_memory_bytes")
	if err != nil {
		return figures, err
	}
	closeAll, err := connect(gateway.URL, clients)
	if err != nil {
		return figures, err
	}
	defer closeAll()
	after, err := gateway.Metric("process_resident_memory_bytes")
	figures.Bytes = (after - before) / float64(clients)
	return figures, err
}

func connect(url string, n int) (closeAll func(), err error) {
	all := make([]*wsclient.Client, n)
	errs := make([]error, n)
	var group sync.WaitGroup
	places := make(chan struct{}, handshakes)
	for i := range all {
		places <- struct{}{}
		group.Go(func() {
			all[i], errs[i] = wsclient.Dial(context.Background(), url)
			<-places
		})
	}
	group.Wait()
	return func() {
		for _, client := range all {
			if client != nil {
				client.Conn.CloseNow()
			}
		}
	}, errors.Join(errs...)
}
