//! The bounds of the engine, which hold at any moment.

use snaplight::sync::{Limits, Millis};
use snaplight::wire::eth::HEADER_BYTES;

use crate::world::World;

/// So many requests may be open at a peer, late ones included (`docs/websocket-peers.md`, 6.2).
const MAX_REQUESTS_PER_PEER: usize = 16;
/// The same where a set is or was held: its requests are small.
const MAX_SMALL_REQUESTS_PER_PEER: usize = 64;
/// Two batches may be in flight, and the last batch of a cancelled sync.
const MAX_BATCHES: usize = 3;
/// What one answer may add above a bound. The largest answer has 512 KiB and its proofs.
const ONE_ANSWER: usize = 1024 * 1024;

#[track_caller]
pub(crate) fn assert_bounded(world: &World, limits: &Limits) {
    assert_bounded_with_copies(world, limits, 0);
}

/// The same for a state in which trie nodes occur at many places. `copies`: the bytes that they may
/// have in memory because of that.
#[track_caller]
pub(crate) fn assert_bounded_with_copies(world: &World, limits: &Limits, copies: usize) {
    let footprint = world.engine.footprint();
    let peers = world.engine.progress(Millis(world.now)).peers;
    let most_requests = match world.engine.today().version() {
        0 => MAX_REQUESTS_PER_PEER,
        _ => MAX_SMALL_REQUESTS_PER_PEER,
    };
    for peer in &peers {
        assert!(peer.in_flight <= most_requests, "{peer:?}");
    }
    let unanswered = world.unanswered.most;
    assert!(unanswered <= most_requests, "{unanswered} requests");
    assert!(footprint.batches <= MAX_BATCHES, "{footprint:?}");
    // Headers may be asked for at any time.
    let most_asked = limits.asked_bytes + 2 * HEADER_BYTES * peers.len() as u64;
    assert!(footprint.asked <= most_asked, "{footprint:?}");
    assert!(
        footprint.requests <= peers.len() * most_requests,
        "{footprint:?}"
    );
    let most_arrived = limits.asked_bytes as usize * 2 + ONE_ANSWER;
    assert!(footprint.arrived <= most_arrived, "{footprint:?}");
    let most_pending = limits.batch_bytes + limits.waiting_bytes + ONE_ANSWER;
    assert!(footprint.pending <= most_pending, "{footprint:?}");
    // What is in flight by hash is joined although the tree is full by then.
    let by_hash = match world.hashes.requests {
        0 => 0,
        _ => limits.asked_bytes as usize,
    };
    let most_waiting = limits.waiting_bytes + limits.cut_bytes + ONE_ANSWER + by_hash;
    assert!(footprint.tree <= most_waiting + copies, "{footprint:?}");
}
