//! Faults of answers to GetNodeData.

use super::{
    Fault,
    answer::{Answer, Content},
    corrupt, spoil,
};
use crate::{
    Hash,
    node_data::{GetNodeData, Held, NODE_DATA_LIMIT},
};

/// What the honest answer is made of: the request, as a server with these faults understands it.
/// `None` if it never answers.
pub(super) fn items(
    held: Held<'_>,
    request: &GetNodeData,
    faults: &[Fault],
) -> Option<Vec<Vec<u8>>> {
    let mut hashes = request.hashes.clone();
    let mut limit = NODE_DATA_LIMIT;
    for fault in faults {
        let is_node = |hash: &Hash| held.has_node(hash);
        match fault {
            Fault::LacksCodes(lacked) => hashes.retain(|hash| is_node(hash) || !lacked.is_of(hash)),
            Fault::LacksNodes(lacked) => {
                hashes.retain(|hash| !(lacked.is_of(hash) && is_node(hash)));
            }
            Fault::EndsAtNodes(lacked) => {
                let is_lacked = |hash: &Hash| lacked.is_of(hash) && is_node(hash);
                if let Some(first) = hashes.iter().position(is_lacked) {
                    hashes.truncate(first);
                }
            }
            Fault::SilentAbout(hidden) if hashes.iter().any(|hash| hidden.is_of(hash)) => {
                return None;
            }
            Fault::Capped(cap) => limit = limit.min(usize::try_from(*cap).unwrap_or(usize::MAX)),
            // A server sends at least one item, and ends after it.
            Fault::Drip(_) => limit = 1,
            _ => {}
        }
    }
    Some(held.items(&hashes, limit))
}

impl Answer {
    /// As `spoil`, for node data. `late` is the item that `late-item` holds back.
    pub(super) fn spoil_node_data(
        &mut self,
        fault: &Fault,
        held: Held<'_>,
        late: &mut Option<Vec<u8>>,
    ) {
        match fault {
            Fault::WrongId => self.id = !self.id,
            Fault::Empty => self.empty(),
            Fault::ModifyValue => self.modify_value(),
            Fault::Corrupt(field) => corrupt::corrupt(self, *field),
            Fault::Short => self.shorten(),
            Fault::More => self.add_more(held.states()),
            _ => {
                if let Content::Nodes(items) = &mut self.content {
                    spoil_items(fault, items, late);
                }
            }
        }
    }
}

fn spoil_items(fault: &Fault, items: &mut Vec<Vec<u8>>, late: &mut Option<Vec<u8>>) {
    match fault {
        Fault::Reversed => items.reverse(),
        Fault::StrayItem => {
            if let Some(last) = items.last_mut() {
                *last = spoil::surplus_node(0);
            }
        }
        Fault::RepeatItem => {
            if let [first, .., last] = items.as_mut_slice() {
                *last = first.clone();
            }
        }
        Fault::LateItem => {
            let held_back = items.pop();
            items.extend(late.take());
            *late = held_back;
        }
        _ => {}
    }
}
