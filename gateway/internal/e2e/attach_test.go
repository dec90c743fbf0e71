package e2e

import (
	"errors"
	"testing"

	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

// With --attach, a node says who it is and always accepts the gateway, even when it is full.
func TestAttachingFindsTheNodeAndRoomInIt(t *testing.T) {
	// The one place is for peers that the node dials itself.
	node := smallNode(t, testnode.Config{MaxPeers: 1})
	stranger := startGateway(t, []string{node.Enode()})
	var ended *wsclient.Ended
	if _, err := wsclient.Dial(deadline(t), stranger.URL); !errors.As(err, &ended) || ended.Reason != wire.Other {
		t.Errorf("a full node took a stranger, or: %v", err)
	}
	attached := startGateway(t, nil, "--attach", node.RPC())
	client := must(wsclient.Dial(deadline(t), attached.URL))(t)
	if client.Status.Genesis != node.Chain().Genesis().Hash() {
		t.Error("another node")
	}
	client.Close()
}
