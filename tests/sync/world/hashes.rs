//! What is asked for by hash, as the peers see it: which hashes are in flight, and which were asked
//! for more than once at a time.

use std::collections::{BTreeMap, BTreeSet};

use snaplight::sync::PeerId;
use snaplight_peer::Hash;
use snaplight_peer::node_data::GetNodeData;

/// GetNodeData on a connection by hash. Its answer's id is one more.
const GET_NODE_DATA: u8 = 0x1d;

/// The hashes that are asked for.
#[derive(Debug, Default)]
pub(crate) struct Hashes {
    /// By the peer and the request id.
    open: BTreeMap<(PeerId, u64), Vec<Hash>>,
    /// Requests.
    pub(crate) requests: u64,
    /// Hashes in all of them.
    pub(crate) asked: u64,
    /// Hashes that were asked for while they were in flight.
    pub(crate) twice: u64,
    /// The most in one request.
    pub(crate) most: usize,
    /// All that were ever asked for.
    pub(crate) distinct: BTreeSet<Hash>,
    /// The hashes of each request.
    pub(crate) all: Vec<Vec<Hash>>,
}

impl Hashes {
    pub(super) fn asked(&mut self, peer: PeerId, frame: &[u8]) {
        let Some((&GET_NODE_DATA, payload)) = frame.split_first() else {
            return;
        };
        let request = GetNodeData::decode(payload).expect("a request of ours");
        let open: BTreeSet<&Hash> = self.open.values().flatten().collect();
        let mut own = BTreeSet::new();
        for hash in &request.hashes {
            self.twice += u64::from(open.contains(hash) || !own.insert(hash));
        }
        self.requests += 1;
        self.asked += request.hashes.len() as u64;
        self.most = self.most.max(request.hashes.len());
        self.distinct.extend(&request.hashes);
        self.all.push(request.hashes.clone());
        self.open.insert((peer, request.id), request.hashes);
    }

    /// A request was answered.
    pub(super) fn answered(&mut self, peer: PeerId, id: u64) {
        self.open.remove(&(peer, id));
    }

    pub(super) fn left(&mut self, peer: PeerId) {
        self.open.retain(|(of, _), _| *of != peer);
    }
}
