// Package metrics has the gateway's counters, for Prometheus.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are all counters of one gateway. Labels have few values, and no peer chooses them.
type Metrics struct {
	Registry      *prometheus.Registry
	Clients       prometheus.Gauge       // open WebSockets
	Nodes         *prometheus.GaugeVec   // nodes that serve, by how they are asked
	Accepted      prometheus.Counter     // WebSockets since the start
	Refused       *prometheus.CounterVec // by reason
	Disconnects   *prometheus.CounterVec // of clients, by reason and by who ended the connection
	NodesLost     *prometheus.CounterVec // by reason
	Requests      *prometheus.CounterVec // by kind
	AnswerBytes   *prometheus.CounterVec // relayed, by kind
	AnswerSeconds *prometheus.HistogramVec
	Discarded     prometheus.Counter // answers whose client had left
}

// New makes the counters and registers them.
func New() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "snaplight_gateway", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "snaplight_gateway", Name: name, Help: help})
	}
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		Clients:  gauge("clients", "Clients connected."),
		Nodes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "snaplight_gateway", Name: "nodes", Help: "Nodes connected and serving, by how they are asked.",
		}, []string{"by"}),
		Refused:     counter("refused_total", "WebSockets that were refused.", "why"),
		Disconnects: counter("disconnects_total", "Clients' connections that ended.", "reason", "by"),
		NodesLost:   counter("nodes_lost_total", "Connections to nodes that ended.", "reason"),
		Requests:    counter("requests_total", "Requests sent to nodes.", "kind"),
		AnswerBytes: counter("answer_bytes_total", "Bytes of answers for clients.", "kind"),
		AnswerSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "snaplight_gateway", Name: "answer_seconds", Help: "From sending a request to a node to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"kind"}),
	}
	for _, by := range []string{"snap", "hash"} {
		m.Nodes.WithLabelValues(by).Set(0) // so that it is there before the first node is
	}
	accepted := counter("accepted_total", "WebSockets accepted.")
	discarded := counter("discarded_total", "Answers that came after their client had gone.")
	m.Accepted, m.Discarded = accepted.WithLabelValues(), discarded.WithLabelValues()
	m.Registry.MustRegister(m.Clients, m.Nodes, accepted, m.Refused, m.Disconnects, m.NodesLost, m.Requests, m.AnswerBytes, m.AnswerSeconds,
		discarded, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}
