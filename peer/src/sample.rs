//! `sample N`: prints what accounts of a generated state are now, so that a caller can compare.

use crate::hex;
use serde_json::{Value, json};
use snaplight_peer::{
    keccak::keccak,
    state::{Recipe, State},
};
use std::sync::Arc;

/// How many slots of a contract are printed. They are the ones of its numbered variables.
const SLOTS: u64 = 3;

/// The state that a chain began with. Its addresses are known; those of accounts that blocks add
/// are not.
pub(crate) struct Sampler {
    pub(crate) recipe: Recipe,
    pub(crate) start: Arc<State>,
}

impl Sampler {
    /// Takes `count` accounts. Up to half of them are accounts that the chain has changed or
    /// deleted since it began.
    pub(crate) fn take(&self, now: &State, count: u64) -> Vec<Value> {
        let count = count.min(self.recipe.accounts);
        let changed = (0..self.recipe.accounts)
            .filter(|index| {
                let hash = keccak(&self.recipe.address(*index));
                self.start.account(&hash) != now.account(&hash)
            })
            .take((count / 2) as usize);
        let mut indexes: Vec<u64> = changed.collect();
        let others = count - indexes.len() as u64;
        indexes.extend((0..others).map(|at| at * self.recipe.accounts / others));
        indexes
            .into_iter()
            .map(|index| self.account(now, index))
            .collect()
    }

    fn account(&self, now: &State, index: u64) -> Value {
        let address = self.recipe.address(index);
        let hash = keccak(&address);
        let storage = now.storage(&hash);
        let slots = |storage: &snaplight_peer::trie::Trie| {
            let slot = |at| {
                let key = self.recipe.slot_key(index, at);
                json!({ "key": hex(&key), "value": storage.get(&keccak(&key)).map(text) })
            };
            (0..SLOTS).map(slot).collect::<Vec<_>>()
        };
        json!({
            "address": text(&address),
            "slim": now.account(&hash).map(text),
            "slots": storage.map(slots).unwrap_or_default(),
        })
    }
}

fn text(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
