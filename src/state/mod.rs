//! The state as Snaplight holds it: one ordered keyspace of accounts and their storage, of which a part is known; in
//! memory as a list of entries, on disk as pages that are written once.
//!
//! What may not enter: peers and their messages, the clock, the database. Only what `trie` has verified is joined, and
//! pages are byte strings that come and go as values.
//!
//! - [`account`]: account bodies, slim and full; slot values.
//! - [`entry`]: what can be known at a path, and how pages are named.
//! - [`tree`]: the state being built: answers are joined to it, complete parts leave it as pages.
//! - `cut`: which subtries go into which page; `source`: what they are cut from.
//! - [`page`]: a page's bytes, and the proof that they are what the parent says; [`pages`]: new ones.
//! - [`read`]: looking up an account or a slot in pages.
//! - [`garbage`]: which pages no root reaches any more.
//! - [`record`]: the one record that names the roots; [`batch`]: what one transaction writes.

pub mod batch;
mod cut;
pub mod entry;
pub mod garbage;
pub mod page;
pub mod pages;
pub mod read;
pub mod record;
mod source;
pub mod tree;

pub use crate::trie::account;
pub use account::{Account, AccountError, SlimAccount, SlotError, check_slot_value};
pub use batch::Batch;
pub use entry::{AccountLeaf, Code, CodesHeld, Entry, Item, PageId, PageRef, StatePath, Storage};
pub use garbage::{Reach, Superseded};
pub use page::{PAGE_BUDGET, PageError};
pub use pages::Pages;
pub use read::{FoundAccount, Lookup, Step, Wanted};
pub use record::{
    Block, Building, Complete, Counts, Litter, Network, Record, RecordError, RootPage,
};
pub use tree::{
    Churn, Estimate, Incomplete, Joined, Received, RevealFault, Revealing, Spill, StorageJoined,
    Tree, TreeError, range_bytes,
};
