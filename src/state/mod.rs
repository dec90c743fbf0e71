//! The state as Snaplight holds it: one ordered keyspace of accounts and their storage, of which a part is known; in
//! memory as a list of entries ([`tree`]), on disk as pages that are written once ([`page`]), and read from them
//! ([`read`]).
//!
//! What may not enter: peers and their messages, the clock, the database. Only what `trie` has verified is joined, and
//! pages are byte strings that come and go as values.

pub mod account;
pub mod batch;
mod cut;
pub mod entry;
pub mod page;
pub mod pages;
pub mod read;
pub mod record;
mod source;
pub mod tree;

pub use account::{Account, AccountError, SlimAccount, SlotError, check_slot_value};
pub use batch::Batch;
pub use entry::{AccountLeaf, Code, CodesHeld, Entry, Item, PageId, PageRef, StatePath, Storage};
pub use page::{PAGE_BUDGET, PageError};
pub use pages::Pages;
pub use read::{Lookup, Step, Wanted};
pub use record::{Building, Complete, Counts, Network, Record, RecordError};
pub use tree::{Incomplete, Joined, RevealFault, Spill, StorageJoined, Tree, TreeError};
