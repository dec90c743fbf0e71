package metrics

import (
	"fmt"
	"testing"

	"snaplight/gateway/internal/wire"
)

// 20,000 connections that ended with different reasons once made 20,000 series, which were never
// freed. So every label of every family gets values that nobody foresaw.
func TestNoValueMakesASeriesThatIsNotForeseen(t *testing.T) {
	m := New()
	before := series(t, m)
	foreseen := len(m.Disconnects.labels[0].values)
	for i := range 20_000 {
		unknown := fmt.Sprint("unknown ", i)
		m.Nodes.With(unknown).Inc()
		m.Refused.With(unknown).Inc()
		m.Disconnects.With(wire.Reason(i).String(), unknown).Inc()
		m.NodesLost.With(unknown).Inc()
		m.Requests.With(unknown).Inc()
		m.AnswerBytes.With(unknown).Inc()
		m.AnswerSeconds.With(unknown).Observe(1)
	}
	// One for each known reason of a Disconnect, and one for all that is unknown of each other family.
	if most := before + foreseen + 6; series(t, m) > most {
		t.Errorf("%d series, where %d are foreseen", series(t, m), most)
	}
}

func series(t *testing.T, m *Metrics) (count int) {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		count += len(family.Metric)
	}
	return count
}
