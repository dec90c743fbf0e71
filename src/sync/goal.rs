//! What the caller waits for, and how that ends.
//!
//! There is one goal at a time. A newer target takes the place of the one before, of which nothing
//! more is told. Each goal that is not overtaken ends exactly once, by `Done`, `Cancelled` or `Failed`,
//! and then nobody waits. What is under way besides (a repair, a sweep, the last batch of an overtaken
//! sync) is told to nobody.
//!
//! The engine's [`Activity`](super::engine::Activity) says what it works on, [`Goal`] what is waited
//! for. This is what each call does in each phase; the code is in `targets.rs`.
//!
//! | activity | goal | a target whose root is known | a block not known yet | cancel | the end |
//! |---|---|---|---|---|---|
//! | idle | nothing | next | header | no effect | |
//! | idle | header | next | header | `Cancelled` | found: as a target |
//! | idle | next | next | header | `Cancelled` | batches settled: starts, under way |
//! | loading | under way | moves | header, goes on | idle, `Cancelled` | syncing |
//! | loading | header | moves, under way | header | idle, `Cancelled` | syncing, header |
//! | loading a repair | nothing | moves, under way | header | idle | syncing, or healed |
//! | syncing | under way | moves | header, goes on | last batch, ending | last batch, ending |
//! | syncing | header | moves, under way | header | last batch, ending, under way | ending, header |
//! | repairing | nothing, header | moves, under way | header | idle, `Cancelled` if waited for | ending |
//! | ending | under way | next | header | no effect: its last batch says how it ends | `Done`, or `Cancelled` after a cancel |
//! | ending | header, next | next | header | `Cancelled` at once | idle, untold |
//! | ending | nothing | next | header | no effect | idle, untold |
//!
//! A target that is complete already stops a first sync or a heal (what was built waits in the record),
//! and is next. A failure ends what is under way: the goal hears of it if it is that, and stays if it
//! is a header or the next target.

use super::Event;
use super::Output;
use super::engine::Engine;
use super::headers::{HeaderSearch, Pivot};

/// What the caller waits for.
#[derive(Debug)]
pub(super) enum Goal {
    /// Nobody waits.
    Nothing,
    /// A block whose header is being looked for. A sync of before goes on meanwhile.
    Header(HeaderSearch),
    /// A state to start towards as soon as every earlier batch is settled.
    Next(Pivot),
    /// The end of the engine's activity, which is not idle then.
    UnderWay,
}

impl Goal {
    pub(super) fn header(&self) -> Option<&HeaderSearch> {
        match self {
            Goal::Header(search) => Some(search),
            _ => None,
        }
    }

    pub(super) fn header_mut(&mut self) -> Option<&mut HeaderSearch> {
        match self {
            Goal::Header(search) => Some(search),
            _ => None,
        }
    }
}

impl Engine {
    /// Tells the end of what the caller waits for.
    pub(super) fn end_goal(&mut self, end: Event) {
        self.goal = Goal::Nothing;
        self.waiting = None;
        self.outbox.push_back(Output::Event(end));
    }

    /// Ends the goal by a cancellation, if somebody waits.
    pub(super) fn end_cancelled(&mut self) {
        if !matches!(self.goal, Goal::Nothing) {
            self.end_goal(Event::Cancelled);
        }
    }
}
