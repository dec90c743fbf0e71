package wsclient

import (
	"context"
	"errors"
	"math/big"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
)

// ErrNoState says that a node does not have the requested state.
var ErrNoState = errors.New("the node has not got this state")

// Segment is the unread rest of a part of the key space.
type Segment struct{ Next, Last common.Hash }

// Segments divides the key space into equal parts.
func Segments(n int) []Segment {
	size := new(big.Int).Div(new(big.Int).Lsh(common.Big1, 256), big.NewInt(int64(n)))
	segments := make([]Segment, n)
	for i := range segments {
		first := new(big.Int).Mul(size, big.NewInt(int64(i)))
		segments[i] = Segment{common.BigToHash(first), common.BigToHash(new(big.Int).Sub(new(big.Int).Add(first, size), common.Big1))}
	}
	segments[n-1].Last = common.MaxHash
	return segments
}

// Walk asks for all accounts of a state, the segments at the same time, and counts them. It notes
// its progress in the segments, so that an interrupted walk continues where it was. Each answer is
// counted once.
func (c *Client) Walk(ctx context.Context, root common.Hash, segments []Segment, bytes uint64, accounts *atomic.Int64) error {
	var group sync.WaitGroup
	errs := make([]error, len(segments))
	for i := range segments {
		group.Go(func() { errs[i] = c.walk(ctx, root, &segments[i], bytes, accounts) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func (c *Client) walk(ctx context.Context, root common.Hash, s *Segment, bytes uint64, accounts *atomic.Int64) error {
	for s.Next.Cmp(s.Last) <= 0 && ctx.Err() == nil {
		answer, err := c.Accounts(root, s.Next, s.Last, bytes)
		if err != nil {
			return err
		}
		if len(answer.Accounts) == 0 && len(answer.Proof) == 0 {
			return ErrNoState
		}
		within := len(answer.Accounts)
		for within > 0 && answer.Accounts[within-1].Hash.Cmp(s.Last) > 0 {
			within--
		}
		accounts.Add(int64(within))
		if within < len(answer.Accounts) || within == 0 || answer.Accounts[within-1].Hash == s.Last {
			s.Next = common.MaxHash
			s.Last = common.Hash{}
			return nil
		}
		s.Next = After(answer.Accounts[within-1].Hash)
	}
	return ctx.Err()
}

// After returns the next key.
func After(h common.Hash) common.Hash {
	return common.BigToHash(new(big.Int).Add(h.Big(), common.Big1))
}
