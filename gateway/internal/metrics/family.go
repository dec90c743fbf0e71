package metrics

import (
	"slices"

	"snaplight/gateway/internal/wire"
)

// label is a label and all values that it may have. Values that are not known count as
// [wire.OtherName], so a family has a bounded number of series whatever comes from a peer.
type label struct {
	name   string
	values []string
}

func (l label) closed(value string) string {
	if slices.Contains(l.values, value) {
		return value
	}
	return wire.OtherName
}

func names(labels []label) (names []string) {
	for _, label := range labels {
		names = append(names, label.name)
	}
	return names
}

// Family is a metric with labels.
type Family[Metric any] struct {
	labels []label
	series func(values ...string) Metric
}

// With returns the series with these values, in the order of the labels.
func (f Family[Metric]) With(values ...string) Metric {
	closed := make([]string, len(values))
	for i, value := range values {
		closed[i] = f.labels[i].closed(value)
	}
	return f.series(closed...)
}
