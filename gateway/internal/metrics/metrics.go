// Package metrics has the gateway's counters, for Prometheus.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"snaplight/gateway/internal/wire"
)

// Why a WebSocket was refused, besides the reasons of the protocol.
const (
	RefusedHost        = "host"        // a name that is not this gateway's
	RefusedSubprotocol = "subprotocol" // it did not offer devp2p.1
	RefusedHandshake   = "handshake"   // no WebSocket, or a page that may not connect
	RefusedAddress     = "address"     // its address has as many clients as it may have
)

// The labels of all metrics, with all their values.
var (
	byLabel     = label{"by", []string{wire.BySnap.String(), wire.ByHash.String()}}
	endedLabel  = label{"by", []string{"client", "gateway", "node"}}
	reasonLabel = label{"reason", wire.ReasonNames()}
	kindLabel   = label{"kind", wire.Kinds()}
	whyLabel    = label{"why", append([]string{RefusedHost, RefusedSubprotocol, RefusedHandshake, RefusedAddress}, wire.ReasonNames()...)}
)

// Metrics are all counters of one gateway. No peer chooses how many series there are: each label has
// a closed set of values.
type Metrics struct {
	Registry      *prometheus.Registry
	Clients       prometheus.Gauge            // open WebSockets
	Nodes         Family[prometheus.Gauge]    // nodes that serve, by how they are asked
	Accepted      prometheus.Counter          // WebSockets since the start
	Refused       Family[prometheus.Counter]  // by why
	Disconnects   Family[prometheus.Counter]  // of clients, by reason and by who ended the connection
	NodesLost     Family[prometheus.Counter]  // by reason
	Requests      Family[prometheus.Counter]  // by kind
	AnswerBytes   Family[prometheus.Counter]  // relayed, by kind
	AnswerSeconds Family[prometheus.Observer] // by kind
	Discarded     prometheus.Counter          // answers whose client had left
}

// New makes the counters and registers them.
func New() *Metrics {
	registry := prometheus.NewRegistry()
	options := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "snaplight_gateway", Name: name, Help: help}
	}
	register := func(collector prometheus.Collector) { registry.MustRegister(collector) }
	counters := func(name, help string, labels ...label) Family[prometheus.Counter] {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts(options(name, help)), names(labels))
		register(vec)
		return Family[prometheus.Counter]{labels, vec.WithLabelValues}
	}
	counter := func(name, help string) prometheus.Counter {
		one := prometheus.NewCounter(prometheus.CounterOpts(options(name, help)))
		register(one)
		return one
	}
	clients := prometheus.NewGauge(prometheus.GaugeOpts(options("clients", "Clients connected.")))
	register(clients)
	nodes := prometheus.NewGaugeVec(prometheus.GaugeOpts(options("nodes", "Nodes connected and serving, by how they are asked.")), names([]label{byLabel}))
	register(nodes)
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "snaplight_gateway", Name: "answer_seconds", Help: "From sending a request to a node to its answer.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
	}, names([]label{kindLabel}))
	register(seconds)
	register(collectors.NewGoCollector())
	register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := &Metrics{
		Registry:      registry,
		Clients:       clients,
		Nodes:         Family[prometheus.Gauge]{[]label{byLabel}, nodes.WithLabelValues},
		Accepted:      counter("accepted_total", "WebSockets accepted."),
		Refused:       counters("refused_total", "WebSockets that were refused.", whyLabel),
		Disconnects:   counters("disconnects_total", "Clients' connections that ended.", reasonLabel, endedLabel),
		NodesLost:     counters("nodes_lost_total", "Connections to nodes that ended.", reasonLabel),
		Requests:      counters("requests_total", "Requests sent to nodes.", kindLabel),
		AnswerBytes:   counters("answer_bytes_total", "Bytes of answers for clients.", kindLabel),
		AnswerSeconds: Family[prometheus.Observer]{[]label{kindLabel}, seconds.WithLabelValues},
		Discarded:     counter("discarded_total", "Answers that came after their client had gone."),
	}
	for _, by := range byLabel.values {
		m.Nodes.With(by).Set(0) // so that it is there before the first node is
	}
	return m
}
