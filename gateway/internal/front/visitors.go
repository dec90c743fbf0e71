package front

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// networkBits is how much of an IPv6 address tells visitors apart: one connection to the Internet
// has a whole /64 of them, or more.
const networkBits = 64

// Proxies are the reverse proxies whose word about a client's address is taken.
type Proxies struct {
	Trusted []netip.Prefix
	Header  string // which header has the addresses; each proxy appends the one that it sees
}

func (p Proxies) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(p.Trusted, func(range_ netip.Prefix) bool { return range_.Contains(address) })
}

// visitor is whom a client counts for.
type visitor struct {
	network netip.Prefix
	// limited is false for loopback without a named proxy. There, it may be a proxy that nobody
	// named, which would be one visitor for all its clients.
	limited bool
}

// connected is the visitor at the other end of a TCP connection.
func (p Proxies) connected(remote string) visitor {
	address := parseAddress(remote)
	return visitor{networkOf(address), !address.IsLoopback() && !p.trusts(address)}
}

// visitor is the visitor who made a request. A trusted proxy's header names it: of its addresses,
// the last one that is not itself that of a trusted proxy, because anybody can write what stands
// before it. A trusted proxy that names nobody is the visitor itself.
func (p Proxies) visitor(r *http.Request) visitor {
	address := parseAddress(r.RemoteAddr)
	if !p.trusts(address) {
		return p.connected(r.RemoteAddr)
	}
	hops := strings.Split(strings.Join(r.Header.Values(p.Header), ","), ",")
	for _, hop := range slices.Backward(hops) {
		named := parseAddress(strings.TrimSpace(hop))
		if !named.IsValid() {
			break
		}
		if address = named; !p.trusts(address) {
			break
		}
	}
	return visitor{networkOf(address), true}
}

// parseAddress reads an IP address, which may have a port. The result is not valid if it is none.
func parseAddress(text string) netip.Addr {
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		with, _ := netip.ParseAddrPort(text)
		address = with.Addr()
	}
	return address.Unmap().WithZone("")
}

// networkOf is what an address is counted by.
func networkOf(address netip.Addr) netip.Prefix {
	bits := address.BitLen()
	if address.Is6() {
		bits = networkBits
	}
	network, _ := address.Prefix(bits)
	return network
}
