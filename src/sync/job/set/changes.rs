//! What is likely to have changed at the next move of the root: what changed at the moves before.

use crate::flat_map::FlatMap;
use crate::hash::Hash;
use crate::heap::{flat, owns};
use crate::state::{Scope, StatePath, TrackedSlots};
use crate::trie::common_nibbles;

/// Levels of a trie that are watched. Mainnet's account trie has nine levels of branches, and below
/// the fifth nearly nothing changes from block to block.
const LEVELS: usize = 8;
/// Before anything is known, so many levels are taken to have changed. With a block's changes on
/// mainnet, the nodes down to here nearly always have.
const FIRST_LEVELS: u8 = 2;

/// What changed at the last moves of the root, trie by trie, on the tracked paths.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    accounts: Option<Levels>,
    /// By the hash of the address. Bound: the accounts of the set that have single slots.
    storages: FlatMap<Hash, Levels>,
    /// Nodes revealed since the last move, by trie and level. Bound: the same.
    revealed: FlatMap<Option<Hash>, [u32; LEVELS]>,
}

/// One trie.
#[derive(Clone, Copy, Debug)]
struct Levels {
    /// Whether it changed at the last move.
    has_changed: bool,
    /// The share of the nodes on tracked paths that changed, by level, smoothed: 255 are all.
    shares: [u8; LEVELS],
}

impl Levels {
    /// The deepest level down to which each is worth being asked for ahead, on the way to a leaf at
    /// this depth. A node that did not change is waste. One that did, and was not asked for, makes
    /// the branches between it and the leaf be asked for unseen, and fifteen of sixteen of them have
    /// not changed.
    fn worth(&self, depth: u8) -> u8 {
        let is_worth = |level: usize, share: u8| {
            let unseen = usize::from(depth).saturating_sub(level + 1);
            usize::from(share) * (16 + 15 * unseen) > 255 * 16
        };
        let levels = self.shares.iter().enumerate();
        let worth = levels.take_while(|(level, share)| is_worth(*level, **share));
        (worth.count() as u8).saturating_sub(1)
    }
}

impl Changes {
    /// The deepest level of the account trie that is asked for ahead, on the way to a leaf at this
    /// depth.
    pub(super) fn account_levels(&self, depth: u8) -> u8 {
        let levels = self.accounts.as_ref();
        levels.map_or(FIRST_LEVELS, |levels| levels.worth(depth))
    }

    /// Whether this account's storage changed at the last move, as far as is known.
    pub(super) fn has_changed(&self, account: &Hash) -> bool {
        let levels = self.storages.get(account);
        levels.is_none_or(|levels| levels.has_changed)
    }

    /// The same as [`Changes::account_levels`] of a storage that has changed.
    pub(super) fn slot_levels(&self, account: &Hash, depth: u8) -> u8 {
        let levels = self.storages.get(account);
        levels.map_or(FIRST_LEVELS, |levels| levels.worth(depth))
    }

    /// A node was revealed over a base.
    pub(super) fn revealed(&mut self, at: &StatePath) {
        if !self.revealed.contains(&at.account) {
            self.revealed.insert(at.account, [0; LEVELS]);
        }
        let counts = self.revealed.get_mut(&at.account);
        let level = counts.and_then(|counts| counts.get_mut(usize::from(at.path.len())));
        if let Some(count) = level {
            *count += 1;
        }
    }

    /// Forgets what was revealed: it was not a move.
    pub(in crate::sync::job) fn forget(&mut self) {
        self.revealed.clear();
    }

    /// The move is over: everything that has changed was revealed.
    pub(in crate::sync::job) fn moved(&mut self, scope: &Scope) {
        let Some(set) = scope.tracked() else {
            return self.revealed.clear();
        };
        let keys = set.accounts().iter().map(|account| account.key());
        self.accounts = Some(levels(self.accounts, keys, self.revealed.get(&None)));
        self.storages.retain(&|account| set.get(account).is_some());
        for account in set.accounts() {
            let TrackedSlots::Single(slots) = account.slots() else {
                continue;
            };
            if slots.is_empty() {
                continue;
            }
            let key = account.key();
            let before = self.storages.get(&key).copied();
            let keys = slots.iter().map(|slot| slot.key());
            let after = levels(before, keys, self.revealed.get(&Some(key)));
            self.storages.remove(&key);
            self.storages.insert(key, after);
        }
        self.revealed.clear();
    }
}

/// What to expect of a trie in which so many nodes on the paths to these keys were revealed.
fn levels(
    before: Option<Levels>,
    keys: impl Iterator<Item = Hash>,
    revealed: Option<&[u32; LEVELS]>,
) -> Levels {
    let Some(revealed) = revealed else {
        let shares = before.map_or([0; LEVELS], |before| before.shares);
        return Levels {
            has_changed: false,
            shares,
        };
    };
    // How many places the paths have at each level.
    let mut places = [0u32; LEVELS];
    let mut last: Option<Hash> = None;
    for key in keys {
        let shared = last.map(|last| common_nibbles(&last, &key));
        for (level, places) in places.iter_mut().enumerate() {
            let is_new = shared.is_none_or(|shared| usize::from(shared) < level);
            *places += u32::from(is_new);
        }
        last = Some(key);
    }
    let mut shares = [0; LEVELS];
    for (level, share) in shares.iter_mut().enumerate() {
        let all = places.get(level).copied().unwrap_or_default().max(1);
        let some = revealed.get(level).copied().unwrap_or_default().min(all);
        let now = 255 * some / all;
        let known = before.filter(|before| before.has_changed);
        let old = known.and_then(|before| before.shares.get(level).copied());
        *share = old.map_or(now, |old| (now + u32::from(old)) / 2) as u8;
    }
    Levels {
        has_changed: true,
        shares,
    }
}

flat!(Levels, [u32; LEVELS]);
owns! {
    Changes: storages, revealed;
}
