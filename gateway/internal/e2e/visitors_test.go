package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"snaplight/gateway/internal/testnode"
	"snaplight/gateway/internal/wire"
	"snaplight/gateway/internal/wsclient"
)

// visit opens a WebSocket with these headers. The first may be Host.
func visit(t *testing.T, url string, headers ...string) (*websocket.Conn, *http.Response) {
	t.Helper()
	options := &websocket.DialOptions{Subprotocols: []string{wire.Subprotocol}, HTTPHeader: http.Header{}}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			options.Host = headers[i+1]
			continue
		}
		options.HTTPHeader.Add(headers[i], headers[i+1])
	}
	conn, response, _ := websocket.Dial(deadline(t), url, options)
	if response == nil {
		t.Fatal("no answer")
	}
	if conn != nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, response
}

// greeted is what a gateway says after a Hello: its own Hello, or a Disconnect and how it ended.
func greeted(t *testing.T, conn *websocket.Conn) (id uint64, code websocket.StatusCode, text string) {
	t.Helper()
	conn.Write(deadline(t), websocket.MessageBinary, wsclient.HelloFrame(wire.BySnap, 1))
	_, frame, err := conn.Read(deadline(t))
	if err == nil {
		if id, _, err = wire.Split(frame); err == nil && id == wire.HelloID {
			return id, 0, ""
		}
		err = drain(deadline(t), conn)
	}
	var closed websocket.CloseError
	errors.As(err, &closed)
	return wire.DisconnectID, closed.Code, closed.Reason
}

// One visitor opened as many connections as the gateway takes, and nobody else got in. Behind a
// named proxy, visitors are told apart by its header, and by networks in IPv6.
func TestOneVisitorLeavesPlacesForOthers(t *testing.T) {
	const most, perAddress = 12, 4
	node := smallNode(t, testnode.Config{}).Enode()
	gateway := startGateway(t, []string{node}, "--max-clients", fmt.Sprint(most), "--clients-per-address", fmt.Sprint(perAddress),
		"--trusted-proxy", "127.0.0.0/8")
	must(connect(deadline(t), gateway.URL))(t).Close() // the gateway has its node
	for i, network := range []string{"203.0.113.7", "2001:db8:1:2"} {
		for n := range most {
			address := network
			if i == 1 {
				address = fmt.Sprintf("%s::%x", network, n+1)
			}
			conn, _ := visit(t, gateway.URL, "X-Forwarded-For", fmt.Sprintf("198.51.100.%d, %s", n, address))
			id, code, text := greeted(t, conn)
			if n < perAddress && id != wire.HelloID {
				t.Errorf("%s: connection %d ended with %d %q", address, n, code, text)
			}
			if n >= perAddress && (code != 4004 || !strings.Contains(text, "address")) {
				t.Errorf("%s: connection %d is answered by %d, %d %q", address, n, id, code, text)
			}
		}
	}
	conn, _ := visit(t, gateway.URL, "X-Forwarded-For", "203.0.113.8")
	if id, code, text := greeted(t, conn); id != wire.HelloID {
		t.Errorf("another visitor is told %d %q", code, text)
	}
	if refused := gateway.metric(`snaplight_gateway_refused_total`); refused != 2*(most-perAddress) {
		t.Errorf("%v were refused", refused)
	}
}

// Several tabs, and these tests, share loopback. Without a named proxy nobody is limited there, and no
// header is believed.
func TestLoopbackIsNotLimitedPerAddress(t *testing.T) {
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()}, "--clients-per-address", "2")
	for range 5 {
		conn, _ := visit(t, gateway.URL, "X-Forwarded-For", "203.0.113.7")
		if id, code, text := greeted(t, conn); id != wire.HelloID {
			t.Errorf("told %d %q", code, text)
		}
	}
}

// A page of another name let this name point to the gateway (DNS rebinding). Then the browser sends the
// page's own name as Host, and Origin agrees with it.
func TestAnotherNamesHostIsRefusedEverywhere(t *testing.T) {
	node := smallNode(t, testnode.Config{}).Enode()
	for _, c := range []struct {
		flags    []string
		accepted map[string]bool
	}{
		{nil, map[string]bool{"evil.example": false, "evil.example:8580": false, "gw.example": false, "127.0.0.1:1": true, "localhost": true, "[::1]": true}},
		{[]string{"--host", "gw.example", "--host", "10.0.0.7"}, map[string]bool{"evil.example": false, "gw.example": true, "GW.example:443": true, "10.0.0.7": true, "localhost": true}},
		{[]string{"--host", "*", "--admin", "127.0.0.1:0"}, map[string]bool{"evil.example": true}},
		{[]string{"--admin", "127.0.0.1:0"}, map[string]bool{"evil.example": false, "localhost": true}},
	} {
		gateway := startGateway(t, []string{node}, c.flags...)
		must(connect(deadline(t), gateway.URL))(t).Close()
		admin := gateway.HTTP
		if gateway.Admin != "" {
			admin = gateway.Admin
		}
		for host, accepted := range c.accepted {
			_, response := visit(t, gateway.URL, "Host", host, "Origin", "http://"+host)
			want := map[bool]int{true: http.StatusSwitchingProtocols, false: http.StatusMisdirectedRequest}[accepted]
			if response.StatusCode != want {
				t.Errorf("%v: a WebSocket to %q is answered by %s", c.flags, host, response.Status)
			}
			for _, url := range []string{gateway.HTTP + "/nodes", admin + "/healthz", admin + "/metrics"} {
				status, text := get(t, url, host)
				if accepted != (status == http.StatusOK) || !accepted && (status != http.StatusMisdirectedRequest || !strings.Contains(text, "--host evil.example") && !strings.Contains(text, "--host gw.example")) {
					t.Errorf("%v: %s of %q is answered by %d %.100q", c.flags, url, host, status, text)
				}
			}
		}
	}
}

func get(t *testing.T, url, host string) (status int, text string) {
	t.Helper()
	request := must(http.NewRequestWithContext(deadline(t), http.MethodGet, url, nil))(t)
	request.Host = host
	response := must(http.DefaultClient.Do(request))(t)
	defer response.Body.Close()
	return response.StatusCode, string(must(io.ReadAll(response.Body))(t))
}

// A gateway in a container listens at all addresses. The URL that it prints is one that it answers to.
func TestAGatewayAtAllAddressesSaysWhoMayConnect(t *testing.T) {
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()}, "--listen", "0.0.0.0:0")
	must(connect(deadline(t), gateway.URL))(t).Close()
	gateway.Stop()
	for _, said := range []string{"who may connect", "hosts=[loopback]", "http://localhost", `"clients per address"=32`, "give the names that they use by --host"} {
		if !strings.Contains(gateway.Log(), said) {
			t.Errorf("%q is not said", said)
		}
	}
}

// 20,000 connections that ended with different reasons made 20,000 series in /metrics.
func TestReasonsOfClientsMakeNoSeries(t *testing.T) {
	const connections = 60
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()})
	for i := range uint64(connections) {
		conn := must(wsclient.Open(deadline(t), gateway.URL))(t)
		if i%2 == 0 {
			conn.Write(deadline(t), websocket.MessageBinary, wire.Frame(wire.DisconnectID, []uint64{i * i * 1_000_003}))
			drain(deadline(t), conn)
		}
		conn.Close(websocket.StatusCode(4100+i), "")
	}
	for gateway.metric("snaplight_gateway_clients") > 0 { // they are counted when they have left
	}
	_, text := get(t, gateway.HTTP+"/metrics", "localhost")
	if series := strings.Count(text, "\nsnaplight_gateway_disconnects_total{"); series == 0 || series > len(wire.ReasonNames()) {
		t.Errorf("%d series for %d connections", series, connections)
	}
	if ended := gateway.metric("snaplight_gateway_disconnects_total"); ended != connections {
		t.Errorf("%v connections were counted", ended)
	}
}

// A connection that does not end its request takes a place for 5 seconds, and not for ever.
func TestARequestThatDoesNotEndIsEnded(t *testing.T) {
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()})
	address := strings.TrimPrefix(gateway.HTTP, "http://")
	for name, begun := range map[string]string{
		"nothing":           "",
		"half a header":     "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
		"a body that waits": "GET /nodes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n1",
		"a request, alone":  "GET /nodes HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := must((&net.Dialer{}).DialContext(deadline(t), "tcp", address))(t)
			defer conn.Close()
			if at, ok := t.Deadline(); ok {
				conn.SetDeadline(at)
			}
			io.WriteString(conn, begun)
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("it was not ended")
			}
		})
	}
}

// Compressed frames would cost memory for each client, and states do not compress.
func TestNoCompressionIsAgreedOn(t *testing.T) {
	gateway := startGateway(t, []string{smallNode(t, testnode.Config{}).Enode()})
	conn, response, err := websocket.Dial(deadline(t), gateway.URL, &websocket.DialOptions{
		Subprotocols: []string{wire.Subprotocol}, CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if agreed := response.Header.Get("Sec-WebSocket-Extensions"); agreed != "" {
		t.Errorf("%q", agreed)
	}
}

// A request for more storages than a node is asked for at a time gets the first ones, whole and
// without a proof, and the rest when it is asked again. Nothing says that there are no more.
func TestALongRequestIsAnsweredFromItsBeginning(t *testing.T) {
	const contracts = wire.MaxStorageAccounts + 40
	node := startNode(t, testnode.Config{Bare: true, Alloc: testnode.Generate(testnode.Recipe{Accounts: contracts, Contracts: contracts, Seed: 61})})
	gateway := startGateway(t, []string{node.Enode()})
	client := must(connect(deadline(t), gateway.URL))(t)
	defer client.Close()
	var accounts []common.Hash
	slots := map[common.Hash]int{}
	for address, account := range node.Alloc() {
		if len(account.Storage) > 0 {
			hash := crypto.Keccak256Hash(address[:])
			accounts = append(accounts, hash)
			slots[hash] = len(account.Storage)
		}
	}
	if len(accounts) <= wire.MaxStorageAccounts {
		t.Fatalf("only %d contracts", len(accounts))
	}
	const all = uint64(1 << 60)
	rest := accounts
	for _, expected := range []int{wire.MaxStorageAccounts, len(accounts) - wire.MaxStorageAccounts} {
		payload := must(client.Ask(wire.Snap, wire.GetStorageRangesCode, node.Head().Root, rest, []byte{}, []byte{}, all))(t)
		var answer struct {
			ID       uint64
			Storages [][]rlp.RawValue
			Proof    [][]byte
		}
		if err := rlp.DecodeBytes(payload, &answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Storages) != expected || len(answer.Proof) > 0 {
			t.Fatalf("%d storages and %d proof nodes, where %d storages are due", len(answer.Storages), len(answer.Proof), expected)
		}
		for i, storage := range answer.Storages {
			if len(storage) != slots[rest[i]] {
				t.Errorf("storage %d has %d slots of %d", i, len(storage), slots[rest[i]])
			}
		}
		rest = rest[expected:]
	}
}
