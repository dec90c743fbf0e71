//! Targets: which state to make complete, what the caller waits for, and how that ends.
//!
//! There is one goal at a time. A newer target takes the place of the one before, of which nothing
//! more is told. Each goal that is not overtaken ends exactly once, by `Done`, `Cancelled` or
//! `Failed`, and then nobody waits. What is under way besides (a repair, garbage collection, the
//! last batch of an overtaken sync) is told to nobody.
//!
//! The engine's activity says what it works on, [`Goal`] what is waited for. This is what each call
//! does in each phase; the code is in `engine/targets.rs`.
//!
//! | activity | goal | a target whose root is known | a block not known yet | cancel | the end |
//! |---|---|---|---|---|---|
//! | idle | nothing | next | header | no effect | |
//! | idle | header | next | header | `Cancelled` | found: as a target |
//! | idle | next | next | header | `Cancelled` | batches settled: starts, under way |
//! | resuming | under way | moves | header, goes on | idle, `Cancelled` | syncing |
//! | resuming | header | moves, under way | header | idle, `Cancelled` | syncing, header |
//! | resuming a repair | nothing, header | moves, under way | header | idle, `Cancelled` if waited for | repairing, or healed |
//! | syncing | under way | moves | header, goes on | last batch, ending | last batch, ending |
//! | syncing | header | moves, under way | header | last batch, ending, under way | ending, header |
//! | repairing | nothing, header | moves, under way | header | idle, `Cancelled` if waited for | ending |
//! | rescoping | nothing | moves, under way | header | put off: last batch, ending | ending |
//! | rescoping | header | moves, under way | header | put off: last batch, `Cancelled`, ending | ending, header |
//! | ending | under way | next | header | no effect: its last batch says how it ends | `Done`, or `Cancelled` after a cancel |
//! | ending | header, next | next | header | `Cancelled` at once | idle, no event |
//! | ending | nothing | next | header | no effect | idle, no event |
//!
//! What is to be held may change at any moment (`engine/scopes.rs`). What is under way goes on for
//! the new scope. Over a complete state that lacks something of it, the engine begins to build the
//! same root for it by itself once it is idle: it is rescoping, which in all else is a sync or a
//! resuming. Nobody waits for that as for a target, so its end is told to nobody: the record says
//! for which scope the complete state was built. Only its failure is told, by `Failed`, unless a
//! header is looked for. After a failure or a cancellation none begins until the next target or
//! scope. "Complete" below means the root and the scope.
//!
//! A target that is complete already stops a first sync or a heal (what was built waits in the
//! record), and is next. It ends at once, unless it is another block with the same root: then a
//! batch names this block in the record first, which is an ending like any other. A failure ends
//! the activity. The goal ends with it only if it is
//! `UnderWay`.

use crate::hash::Hash;
use crate::state::{Block, Building, Complete, Record};
use crate::wire::VerifiedHeader;

/// A state to make complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The state with this root.
    Root(Hash),
    /// The state after the block with this hash. Its header is fetched from a peer and proven by
    /// its hash.
    Block(Hash),
    /// The state after the block with this header, which the caller has.
    Header(VerifiedHeader),
}

/// A state to make complete, once its root is known: go-ethereum's pivot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pivot {
    pub(crate) root: Hash,
    /// The block after which the state has this root, as far as it is known: the one asked for
    /// last.
    pub(crate) block: Option<Block>,
}

impl Pivot {
    /// This pivot, after `before`. A root alone names no block: the one that is known to have this
    /// root stays.
    pub(crate) fn after(self, before: Pivot) -> Pivot {
        let is_known = self.block.is_none() && self.root == before.root;
        if is_known { before } else { self }
    }

    /// The pivot of a block whose header was proven before: the record names it.
    pub(crate) fn recorded(record: &Record, block: &Hash) -> Option<Pivot> {
        let complete = record.readable().map(Pivot::of_complete);
        let building = record.building.iter().map(Pivot::of_building);
        let is_it = |pivot: &Pivot| pivot.block.is_some_and(|known| known.hash == *block);
        complete.chain(building).find(is_it)
    }

    /// The state after the block with this header.
    pub(crate) fn of_header(header: &VerifiedHeader) -> Pivot {
        let (root, block) = (header.state_root(), Some(header.block()));
        Pivot { root, block }
    }

    /// The complete state.
    pub(crate) fn of_complete(state: &Complete) -> Pivot {
        let (root, block) = (state.top.root(), state.block);
        Pivot { root, block }
    }

    /// The state that is being built.
    pub(crate) fn of_building(state: &Building) -> Pivot {
        let (root, block) = (state.top.root(), state.block);
        Pivot { root, block }
    }
}

/// A header that is being looked for.
#[derive(Debug)]
pub(crate) struct HeaderSearch {
    block: Hash,
    /// Whether a request for it is in flight.
    is_asked: bool,
}

impl HeaderSearch {
    pub(crate) fn new(block: Hash) -> HeaderSearch {
        HeaderSearch {
            block,
            is_asked: false,
        }
    }

    /// The hash of the block.
    pub(crate) fn block(&self) -> Hash {
        self.block
    }

    /// Whether nobody is being asked for it.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_asked
    }

    /// A request for it was sent.
    pub(crate) fn asked(&mut self) {
        self.is_asked = true;
    }

    /// The request for it ended without the header.
    pub(crate) fn requeue(&mut self) {
        self.is_asked = false;
    }
}

/// What the caller waits for.
#[derive(Debug)]
pub(crate) enum Goal {
    /// Nobody waits.
    Nothing,
    /// A block whose header is being looked for. An earlier sync goes on meanwhile.
    Header(HeaderSearch),
    /// A state to start towards as soon as every earlier batch is settled.
    Next(Pivot),
    /// The end of the engine's activity, which is not idle then.
    UnderWay,
}

impl Goal {
    /// The search for a header, if that is what is waited for.
    pub(crate) fn header(&self) -> Option<&HeaderSearch> {
        match self {
            Goal::Header(search) => Some(search),
            _ => None,
        }
    }

    /// The search for this block's header, if that is what is waited for.
    pub(crate) fn header_of(&mut self, block: &Hash) -> Option<&mut HeaderSearch> {
        match self {
            Goal::Header(search) if search.block == *block => Some(search),
            _ => None,
        }
    }

    /// Whether it is the end of what the engine works on.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self, Goal::UnderWay)
    }
}
