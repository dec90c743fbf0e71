//! The phase of a job over nothing: the account trie is walked by cursors, side by side. What
//! no range covers is asked for node by node at the end.

use super::cursor::{ACCOUNT_CURSORS, Cursor};
use super::eta::{self, Eta};
use super::frontier::Frontier;
use super::plan::Ways;
use super::price::WORTH_A_RANGE;
use super::queues::Queues;
use crate::hash::Hash;
use crate::heap::owns;
use crate::state::key_space::{Density, width};
use crate::state::{StatePath, Tree};
use crate::sync::ids::Millis;
use crate::sync::progress::KEY_SPACE_CELLS;
use crate::sync::want::Want;

/// The share of the key space that has to be known, and the accounts in it, before the density of
/// the rest is estimated from them. Chosen without a measurement: of 1,000 accounts the density is
/// known to 3 %.
const ENOUGH_SHARE: f64 = 0.01;
const ENOUGH_ACCOUNTS: u64 = 1_000;

/// The account cursors of a first sync.
#[derive(Debug)]
pub(super) struct FirstSync {
    /// Bound: [`ACCOUNT_CURSORS`]. Empty if nothing is blinded.
    cursors: Vec<Cursor>,
    /// Account ranges that an earlier sync asked for, and that are on their way. Bound: requests
    /// open.
    awaited: Vec<(Hash, Hash)>,
    /// What is asked for node by node instead, while ranges are not answered.
    frontier: Option<Frontier>,
    /// Nodes came since the cursors looked at what is there.
    is_swept: bool,
    eta: Eta,
    /// Accounts held of the target's state.
    accounts: u64,
}

impl FirstSync {
    /// Looks for what `tree` does not hold.
    pub(super) fn of(tree: &Tree) -> FirstSync {
        let mut cursors = match !tree.blinded_where(1, &|_, _| true).is_empty() {
            true => Cursor::slices(Hash::ZERO, ACCOUNT_CURSORS),
            false => Vec::new(),
        };
        for cursor in &mut cursors {
            skip_held(tree, cursor);
        }
        FirstSync {
            cursors,
            awaited: Vec::new(),
            frontier: None,
            is_swept: true,
            eta: Eta::default(),
            accounts: tree.held().accounts,
        }
    }

    /// Counts accounts that an answer brought.
    pub(super) fn joined(&mut self, accounts: u64) {
        self.accounts += accounts;
    }

    /// Nodes have come.
    pub(super) fn revealed(&mut self) {
        self.is_swept = false;
    }

    /// What is missing, or asked for, has changed.
    pub(super) fn changed(&mut self) {
        if let Some(frontier) = &mut self.frontier {
            frontier.changed();
        }
    }

    /// What is asked for node by node; `None` while ranges are answered.
    pub(super) fn frontier_mut(&mut self) -> Option<&mut Frontier> {
        self.frontier.as_mut()
    }

    pub(super) fn frontier(&self) -> Option<&Frontier> {
        self.frontier.as_ref()
    }

    /// Looks for what to ask for node by node, if that is due. `ways`: how peers can be asked.
    pub(super) fn replan(&mut self, tree: &Tree, queues: &mut Queues, ways: Ways) {
        if !self.is_swept {
            self.is_swept = true;
            queues.sweep(tree);
            for cursor in &mut self.cursors {
                skip_held(tree, cursor);
            }
        }
        match ways {
            Ways::All => self.frontier = None,
            Ways::ByHash { is_full } => {
                let frontier = self.frontier.get_or_insert_default();
                if frontier.is_due(is_full) {
                    let (cursors, awaited) = (&self.cursors, &self.awaited);
                    let is_free = |at: &StatePath, hash: &Hash| {
                        let (first, last) = (at.path.first_key(), at.path.last_key());
                        let meets = |(from, to): (Hash, Hash)| from <= last && first <= to;
                        !queues.is_node_asked(at, hash)
                            && (at.account.is_some()
                                || !cursors
                                    .iter()
                                    .any(|cursor| cursor.busy().is_some_and(meets))
                                    && !awaited.iter().any(|span| meets(*span)))
                    };
                    frontier.fill(tree, &is_free);
                }
            }
        }
    }

    /// Whether a cursor is not at its end.
    pub(super) fn lacks_accounts(&self) -> bool {
        !self.cursors.iter().all(Cursor::is_done)
    }

    /// The next range of accounts. Ranges that are too small to be worth their proof are passed
    /// over; their nodes are asked for at the end.
    pub(super) fn take_accounts(&mut self, tree: &Tree) -> Option<Want> {
        let density = self.density();
        for (index, cursor) in self.cursors.iter_mut().enumerate() {
            while let Some((from, last)) = cursor.waiting() {
                let Some((origin, limit)) = tree.blinded_span(&from, &last) else {
                    cursor.finish();
                    break;
                };
                let is_here = |(first, last): &(Hash, Hash)| (first..=last).contains(&&origin);
                if self.awaited.iter().any(is_here) {
                    break;
                }
                let width = width(&origin, &limit);
                if density.is_some_and(|density| density.leaves_in(width) < WORTH_A_RANGE) {
                    cursor.advance(&limit);
                    continue;
                }
                cursor.asked();
                return Some(Want::Accounts {
                    cursor: Some(index),
                    origin,
                    limit,
                });
            }
        }
        None
    }

    /// An account range was joined. `last`: its last key if more lies to the right.
    pub(super) fn accounts_joined(&mut self, cursor: usize, last: Option<Hash>) {
        if let Some(cursor) = self.cursors.get_mut(cursor) {
            cursor.joined(last);
        }
    }

    /// This range has been on its way since before this sync. It is not asked for again meanwhile.
    pub(super) fn await_span(&mut self, origin: Hash, limit: Hash) {
        self.awaited.push((origin, limit));
    }

    /// A request from before this sync ended.
    pub(super) fn span_ended(&mut self, origin: &Hash, limit: &Hash) {
        self.changed();
        self.awaited
            .retain(|(first, last)| (first, last) != (origin, limit));
    }

    /// The request for this cursor's range ended without an answer.
    pub(super) fn requeue(&mut self, cursor: usize) {
        self.changed();
        // Nodes may have brought it meanwhile, and there may be nobody to ask for ranges.
        self.is_swept = false;
        if let Some(cursor) = self.cursors.get_mut(cursor) {
            cursor.requeue();
        }
    }

    /// What is known of each 1/256 of the account key space, 0 to 255; `None` without cursors.
    pub(super) fn key_space(&self) -> Option<[u8; KEY_SPACE_CELLS]> {
        if self.cursors.is_empty() || self.frontier.is_some() {
            return None;
        }
        let mut cells = [0; KEY_SPACE_CELLS];
        let per_cursor = KEY_SPACE_CELLS / ACCOUNT_CURSORS;
        for (cursor, cells) in self.cursors.iter().zip(cells.chunks_mut(per_cursor)) {
            let known = cursor.known(255) as usize * per_cursor;
            for (index, cell) in cells.iter_mut().enumerate() {
                *cell = known.saturating_sub(index * 255).min(255) as u8;
            }
        }
        Some(cells)
    }

    /// Time has passed: notes how far the cursors are, for the estimate.
    pub(super) fn note_pace(&mut self, now: Millis) {
        if !self.cursors.is_empty() {
            self.eta.note(now, eta::share(&self.cursors));
        }
    }

    /// Milliseconds until the account ranges are done, once there is enough data to estimate.
    pub(super) fn eta(&self, now: Millis) -> Option<u64> {
        self.eta.left(now, eta::share(&self.cursors))
    }

    /// How densely accounts lie, once enough is known to estimate it.
    fn density(&self) -> Option<Density> {
        let known: u64 = self.cursors.iter().map(|cursor| cursor.known(255)).sum();
        let share = known as f64 / (255.0 * ACCOUNT_CURSORS as f64);
        let is_enough = share > ENOUGH_SHARE && self.accounts > ENOUGH_ACCOUNTS;
        is_enough
            .then(|| Density::new(self.accounts, share * u64::MAX as f64))
            .flatten()
    }
}

/// Moves the cursor to the first key of its slice that is blinded.
fn skip_held(tree: &Tree, cursor: &mut Cursor) {
    let Some((from, last)) = cursor.waiting() else {
        return;
    };
    match tree.blinded_span(&from, &last) {
        Some((origin, _)) => cursor.start_at(origin),
        None => cursor.finish(),
    }
}

owns! {
    FirstSync: cursors, awaited, frontier, eta;
}
