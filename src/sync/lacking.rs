//! What peers lack: single items that they left out of an answer although they have the rest of the
//! state.

use super::ids::{Millis, PeerId};
use super::peer::longer_pause;
use super::progress::Missing;
use crate::flat_map::FlatMap;
use crate::heap::{HeapBytes, flat, owns};

/// Items remembered at a time, as in go-ethereum. A peer is asked again for what is not remembered.
const MAX_ITEMS: usize = 4096;

/// What one peer lacks.
#[derive(Clone, Copy)]
pub(crate) struct Lacks<'a> {
    pub(crate) lacking: &'a Lacking,
    pub(crate) peer: PeerId,
}

impl Lacks<'_> {
    /// Whether the peer may be asked for this.
    pub(crate) fn has(&self, item: &Missing) -> bool {
        !self.lacking.lacks(item, self.peer)
    }

    /// Whether this peer may be asked for it because another one lacks it.
    pub(crate) fn has_instead(&self, item: &Missing) -> bool {
        self.lacking.is_lacked(item) && self.has(item)
    }
}

/// The items that peers lack.
#[derive(Debug, Default)]
pub(crate) struct Lacking {
    /// Bound: [`MAX_ITEMS`].
    items: FlatMap<Missing, Lacked>,
}

#[derive(Debug, Default)]
struct Lacked {
    /// Bound: [`MAX_PEERS`](super::MAX_PEERS), and those that have left since.
    by: Vec<PeerId>,
    /// The length of the last pause, which is as long as that of a refusal.
    pause_ms: u64,
    /// While all peers lack it: when they may be asked again.
    until: Option<Millis>,
}

impl Lacking {
    /// This peer does not have it. Returns whether that is news, or `None` if no more can be
    /// remembered.
    pub(crate) fn note(&mut self, item: Missing, peer: PeerId) -> Option<bool> {
        if self.items.get(&item).is_none() {
            if self.items.len() >= MAX_ITEMS {
                return None;
            }
            self.items.insert(item, Lacked::default());
        }
        let lacked = self.items.get_mut(&item)?;
        // All lacked it before, and were asked again.
        let is_new = lacked.pause_ms == 0 && !lacked.by.contains(&peer);
        if !lacked.by.contains(&peer) {
            lacked.by.push(peer);
        }
        Some(is_new)
    }

    /// Whether this peer lacks it.
    pub(crate) fn lacks(&self, item: &Missing, peer: PeerId) -> bool {
        self.items
            .get(item)
            .is_some_and(|lacked| lacked.by.contains(&peer))
    }

    /// Whether any peer lacks it.
    pub(crate) fn is_lacked(&self, item: &Missing) -> bool {
        let lacked = self.items.get(item);
        lacked.is_some_and(|lacked| !lacked.by.is_empty())
    }

    /// It is here.
    pub(crate) fn found(&mut self, item: &Missing) {
        self.items.remove(item);
    }

    /// What this peer lacked, it may have by now.
    pub(crate) fn forgive(&mut self, peer: PeerId) {
        for (_, lacked) in self.items.iter_mut() {
            lacked.by.retain(|id| *id != peer);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
    }

    /// Finds what all these peers lack. Once its pause is over, all of them may be asked again.
    pub(crate) fn settle(&mut self, ready: &[PeerId], now: Millis) {
        for (_, lacked) in self.items.iter_mut() {
            let is_anywhere = ready.iter().any(|peer| !lacked.by.contains(peer));
            match lacked.until {
                _ if is_anywhere || ready.is_empty() => lacked.until = None,
                None => {
                    lacked.pause_ms = longer_pause(lacked.pause_ms);
                    lacked.until = Some(now.after(lacked.pause_ms));
                }
                Some(until) if until <= now => {
                    lacked.until = None;
                    lacked.by.clear();
                }
                Some(_) => {}
            }
        }
    }

    /// What all peers lack.
    pub(crate) fn unavailable(&self) -> impl Iterator<Item = &Missing> {
        let items = self.items.iter();
        items.filter_map(|(item, lacked)| lacked.until.map(|_| item))
    }

    /// When peers may be asked again for something that all of them lack.
    pub(crate) fn next_retry(&self) -> Option<Millis> {
        self.items
            .iter()
            .filter_map(|(_, lacked)| lacked.until)
            .min()
    }
}

impl HeapBytes for Lacked {
    fn heap_bytes(&self) -> usize {
        self.by.heap_bytes()
    }
}

flat!(Missing);
owns! {
    Lacking: items;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

    const ALL: [PeerId; 2] = [PeerId(1), PeerId(2)];

    #[test]
    fn an_item_is_unavailable_while_all_peers_lack_it_and_is_asked_for_again() {
        let code = Missing::Code(Hash([7; 32]));
        let mut lacking = Lacking::default();
        lacking.note(code, ALL[0]);
        lacking.note(code, ALL[0]);
        lacking.settle(&ALL, Millis(0));
        assert_eq!(lacking.unavailable().count(), 0);
        assert!(lacking.lacks(&code, ALL[0]) && !lacking.lacks(&code, ALL[1]));
        lacking.note(code, ALL[1]);
        for (now, retry) in [(0, 250), (250, 750), (750, 1_750)] {
            lacking.note(code, ALL[0]);
            lacking.note(code, ALL[1]);
            lacking.settle(&ALL, Millis(now));
            assert!(lacking.unavailable().eq([&code]));
            assert_eq!(lacking.next_retry(), Some(Millis(retry)));
            lacking.settle(&ALL, Millis(retry));
            assert!(!lacking.lacks(&code, ALL[0]));
        }
        lacking.found(&code);
        assert!(lacking.is_empty());
    }

    #[test]
    fn a_peer_that_joins_or_has_a_new_head_is_asked() {
        let code = Missing::Code(Hash([7; 32]));
        let mut lacking = Lacking::default();
        lacking.note(code, ALL[0]);
        lacking.settle(&ALL[..1], Millis(0));
        assert!(lacking.unavailable().eq([&code]));
        lacking.settle(&ALL, Millis(1));
        assert_eq!(lacking.unavailable().count(), 0);
        lacking.note(code, ALL[1]);
        lacking.settle(&ALL, Millis(2));
        assert!(lacking.unavailable().eq([&code]));
        lacking.forgive(ALL[0]);
        lacking.settle(&ALL, Millis(3));
        assert_eq!(lacking.unavailable().count(), 0);
    }
}
