package front

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"snaplight/gateway/internal/metrics"
)

// AnyHost in [Config.Hosts] makes the gateway answer to every name.
const AnyHost = "*"

// longestHost is how much of a refused name is said back: no name in DNS is longer.
const longestHost = 253

// hosts are the names that the gateway answers to. Without this check, a page of any name could let
// that name point to this machine (DNS rebinding). For the browser the gateway would then be of the
// page's own origin.
type hosts struct {
	any   bool
	names map[string]bool // as [HostName] writes them
}

func newHosts(named []string) hosts {
	h := hosts{names: make(map[string]bool)}
	for _, name := range named {
		h.any = h.any || name == AnyHost
		h.names[HostName(name)] = true
	}
	return h
}

// accepts returns whether the gateway answers to the Host of a request.
func (h hosts) accepts(host string) bool {
	name := HostName(host)
	return h.any || h.names[name] || isLoopback(name)
}

// isLoopback returns whether a name means this machine in every browser. No DNS is asked for these.
func isLoopback(name string) bool {
	address, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// HostName is a Host without its port, in lower case, without brackets and without the dot at the
// end.
func HostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
}

// named refuses requests for other names before anything else of them is looked at.
func (s *Server) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.hosts.accepts(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		s.metrics.Refused.With(metrics.RefusedHost).Inc()
		name := shortened(HostName(r.Host), longestHost)
		s.log.Debug("refused: not a name of this gateway", "host", name)
		text := fmt.Sprintf("this gateway does not answer to the name %q. If it is to be reached by it, its operator starts it with --host %[1]s", name)
		http.Error(w, text, http.StatusMisdirectedRequest)
	})
}
