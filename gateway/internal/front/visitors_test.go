package front

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestATrustedProxysLastStrangerIsTheVisitor(t *testing.T) {
	proxies := Proxies{Header: "X-Forwarded-For", Trusted: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8:1::/48"),
	}}
	for name, c := range map[string]struct {
		remote  string
		lines   []string
		network string
		limited bool
	}{
		"a stranger":                            {"203.0.113.7:4000", nil, "203.0.113.7/32", true},
		"a stranger's own header":               {"203.0.113.7:4000", []string{"198.51.100.1"}, "203.0.113.7/32", true},
		"behind a proxy":                        {"127.0.0.1:4000", []string{"203.0.113.7"}, "203.0.113.7/32", true},
		"behind two proxies":                    {"10.1.2.3:4000", []string{"203.0.113.7, 127.0.0.1"}, "203.0.113.7/32", true},
		"what the visitor itself wrote":         {"127.0.0.1:4000", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7/32", true},
		"what it wrote in a line of its own":    {"127.0.0.1:4000", []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7/32", true},
		"what it wrote looks like a proxy":      {"127.0.0.1:4000", []string{"198.51.100.1, 10.2.0.1"}, "10.2.0.1/32", true},
		"behind a proxy at an IPv6 address":     {"[2001:db8:1::1]:4000", []string{"203.0.113.7"}, "203.0.113.7/32", true},
		"with a port":                           {"127.0.0.1:4000", []string{"203.0.113.7:5000"}, "203.0.113.7/32", true},
		"an IPv6 address":                       {"[2001:db8:2:3:4:5:6:7]:4000", nil, "2001:db8:2:3::/64", true},
		"another one of the same network":       {"[2001:db8:2:3::1]:4000", nil, "2001:db8:2:3::/64", true},
		"an IPv6 address in the header":         {"127.0.0.1:4000", []string{"2001:db8:2:3:4:5:6:7"}, "2001:db8:2:3::/64", true},
		"in brackets with a port":               {"127.0.0.1:4000", []string{"[2001:db8:2:3::9]:80"}, "2001:db8:2:3::/64", true},
		"IPv4 written as IPv6":                  {"[::ffff:203.0.113.7]:4000", nil, "203.0.113.7/32", true},
		"a proxy written as IPv6":               {"[::ffff:127.0.0.1]:4000", []string{"203.0.113.7"}, "203.0.113.7/32", true},
		"a proxy that names nobody":             {"127.0.0.1:4000", nil, "127.0.0.1/32", true},
		"a proxy that names nonsense":           {"127.0.0.1:4000", []string{"unknown"}, "127.0.0.1/32", true},
		"nonsense in front of a proxy":          {"127.0.0.1:4000", []string{"unknown, 10.1.0.9"}, "10.1.0.9/32", true},
		"loopback of IPv6, which nobody trusts": {"[::1]:4000", []string{"203.0.113.7"}, "::/64", false},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		for _, line := range c.lines {
			r.Header.Add(proxies.Header, line)
		}
		if v := proxies.visitor(r); v.network.String() != c.network || v.limited != c.limited {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestTheGatewayAnswersToLoopbackAndToWhatItIsNamed(t *testing.T) {
	h := newHosts([]string{"gw.example", "GW2.example:443", "10.0.0.7", "[2001:db8::1]"})
	for host, accepted := range map[string]bool{
		"localhost": true, "LOCALHOST:8580": true, "localhost.:8580": true, "127.0.0.1:8580": true, "127.9.9.9": true, "[::1]:8580": true,
		"gw.example": true, "GW.Example.:8580": true, "gw2.example": true, "10.0.0.7:1": true, "[2001:db8::1]:8580": true,
		"evil.example": false, "gw.example.evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false,
		"sub.gw.example": false, "10.0.0.8": false, "0.0.0.0:8580": false, "[::]:8580": false, "": false, "*": false, "128.0.0.1": false,
	} {
		if h.accepts(host) != accepted {
			t.Errorf("%q: %v", host, !accepted)
		}
	}
	if any := newHosts([]string{AnyHost}); !any.accepts("evil.example") {
		t.Error("not any name")
	}
}
