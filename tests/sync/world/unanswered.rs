//! The requests that a peer has not answered, as the peer counts them: whatever the engine thinks
//! of them, they end when their answer arrives or the connection ends.

use std::collections::BTreeMap;

use snaplight::sync::PeerId;

/// The message ids of the requests: GetBlockHeaders of eth, GetNodeData of eth/66, and the even
/// ones of snap, which come after the 18 ids of eth/69. An answer's id is one more.
const REQUESTS: [u8; 6] = [0x13, 0x1d, 0x22, 0x24, 0x26, 0x28];

/// The requests that wait for their answers, and the most that did at a time.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    /// The message id of each, by its peer and request id.
    open: BTreeMap<(PeerId, u64), u8>,
    /// The most at one peer.
    pub(crate) most: usize,
    /// The most at one peer of one kind, by the message id.
    pub(crate) most_of_kind: BTreeMap<u8, usize>,
}

impl Unanswered {
    /// How many this peer has not answered.
    pub(crate) fn of(&self, peer: PeerId) -> usize {
        self.open.keys().filter(|(id, _)| *id == peer).count()
    }

    pub(super) fn asked(&mut self, peer: PeerId, frame: &[u8]) {
        let Some((code, id)) = request_id(frame).filter(|(code, _)| REQUESTS.contains(code)) else {
            return;
        };
        self.open.insert((peer, id), code);
        let open = self.open.iter().filter(|((of, _), _)| *of == peer);
        let same = open.filter(|(_, of)| **of == code).count();
        let most = self.most_of_kind.entry(code).or_default();
        *most = same.max(*most);
        self.most = self.of(peer).max(self.most);
    }

    /// The request that this frame answers, if it answers one.
    pub(super) fn answered(&mut self, peer: PeerId, frame: &[u8]) -> Option<u64> {
        let is_answer = |code: u8| REQUESTS.contains(&code.wrapping_sub(1));
        let (_, id) = request_id(frame).filter(|(code, _)| is_answer(*code))?;
        self.open.remove(&(peer, id)).map(|_| id)
    }

    pub(super) fn left(&mut self, peer: PeerId) {
        self.open.retain(|(of, _), _| *of != peer);
    }
}

/// The message id and the request id of a frame: the first number of its list.
fn request_id(frame: &[u8]) -> Option<(u8, u64)> {
    let (code, list) = frame.split_first()?;
    let (header, rest) = list.split_first()?;
    let long = usize::from(header.saturating_sub(0xf7));
    let (first, rest) = rest.get(long..)?.split_first()?;
    let length = usize::from(first.saturating_sub(0x80));
    let id = match first {
        0..0x80 => u64::from(*first),
        _ => rest
            .get(..length)?
            .iter()
            .fold(0, |id, byte| id << 8 | u64::from(*byte)),
    };
    (length <= 8).then_some((*code, id))
}
