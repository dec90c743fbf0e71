package main

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rpc"
)

// attachPatience is how long a node may take to answer which enode it is. Chosen without a
// measurement.
const attachPatience = 10 * time.Second

// attach asks a local node for its enode, and asks it to always accept this gateway.
func attach(ctx context.Context, at string, key *ecdsa.PrivateKey, log *slog.Logger) (*enode.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, attachPatience)
	defer cancel()
	failed := func(err error) (*enode.Node, error) {
		return nil, fmt.Errorf("--attach %s: %w; expected go-ethereum's geth.ipc, or the URL of an RPC with the admin API", at, err)
	}
	client, err := rpc.DialContext(ctx, at)
	if err != nil {
		return failed(err)
	}
	defer client.Close()
	var info struct {
		Enode string
		Ports struct{ Listener int }
	}
	if err := client.CallContext(ctx, &info, "admin_nodeInfo"); err != nil {
		return failed(err)
	}
	said, err := enode.ParseV4(info.Enode)
	if err != nil {
		return failed(err)
	}
	// The enode's address is the public one. The gateway connects to the address of the RPC
	// instead.
	host := "127.0.0.1"
	if u, err := url.Parse(at); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	ips, err := net.DefaultResolver.LookupIP(ctx, "ip", host)
	if err != nil {
		return failed(err)
	}
	const anyPort = 30303 // a trusted peer is recognised by its key; its address is not used
	self := enode.NewV4(&key.PublicKey, net.IPv4(127, 0, 0, 1), anyPort, 0)
	if err := client.CallContext(ctx, nil, "admin_addTrustedPeer", self.URLv4()); err != nil {
		log.Warn("the node could not be asked to always accept this gateway", "error", err)
	}
	return enode.NewV4(said.Pubkey(), ips[0], info.Ports.Listener, 0), nil
}
