//! The state as Snaplight holds it: one ordered key space of accounts and their storage, of which a
//! part is known. In memory it is a list of entries, on disk it is pages that are written once.
//!
//! Peers and their messages, the clock and the database stay outside. Only what `trie` has verified
//! is joined, and pages come and go as byte strings.
//!
//! - [`account`]: account bodies, slim and full; slot values.
//! - [`entry`]: what can be known at a path, and how pages are named.
//! - `tree`: the state being built. Answers are joined to it, complete parts leave it as pages.
//! - `cut`: which subtries go into which page; `source`: what they are cut from.
//! - [`page`]: a page's bytes, and the proof that they are what the parent names; `new_pages`: new
//!   pages on their way into a batch.
//! - [`read`]: looking up an account or a slot in pages.
//! - [`prove`]: the trie nodes that prove an account and slots of it, out of pages.
//! - `gc`: which pages no root reaches any more, and which codes no account names.
//! - [`scope`]: what is to be held of each state: everything, or a set.
//! - `key_space`: where keys lie, and how densely.
//! - [`Counters`]: what a build has taken so far; [`Counts`]: what a state holds.
//! - [`record`]: the one record that names the roots; [`batch`]: what one transaction writes;
//!   [`StoreError`]: why a store fails.
//!
//! `tree`, `gc` and `new_pages` are the engine's own. They are public for tests and benches only,
//! and hidden from the documentation.

pub mod batch;
mod counters;
mod cut;
pub mod entry;
#[doc(hidden)]
pub mod gc;
pub(crate) mod key_space;
#[doc(hidden)]
pub mod new_pages;
pub mod page;
pub mod prove;
pub mod read;
pub mod record;
pub mod scope;
mod source;
mod store_error;
#[doc(hidden)]
pub mod tree;
mod tree_error;

pub use crate::trie::account;
pub use account::{Account, AccountError, SlimAccount, SlotError, check_slot_value};
pub use batch::Batch;
pub use counters::{Counters, Counts, Traffic};
pub use entry::{
    AccountLeaf, Code, CodesHeld, Entry, Item, Neighbour, PageId, PageRef, StatePath, Storage,
};
#[doc(hidden)]
pub use gc::{DiffWalk, MarkWalk};
#[doc(hidden)]
pub use new_pages::NewPages;
pub use page::{PAGE_BUDGET, PageError};
pub use prove::{AccountProof, ProofStep, Prover, SlotProof};
pub use read::{FoundAccount, Lookup, NeededPage, Step};
pub use record::{
    Block, Building, Complete, MAX_KEPT, Network, PendingGc, Record, RecordError, RootPage,
};
pub use scope::{Scope, ScopeError, TrackedAccount, TrackedSet, TrackedSlot, TrackedSlots};
pub use store_error::StoreError;
#[doc(hidden)]
pub use tree::{
    ChangeRate, Estimate, HashedNode, Incomplete, Joined, Received, RevealFault, Revealing,
    StorageJoined, Tree, Unfinished, range_bytes,
};
pub use tree_error::TreeError;
