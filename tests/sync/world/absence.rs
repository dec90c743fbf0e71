//! A page that is away, or whose clock is wrong: sleep, a clock that jumps, timers that ring late.

use std::cmp::Reverse;

use snaplight::sync::Input;

use super::{Scheduled, World};

/// What a page that was away sees first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wakes {
    /// A timer rings, and the frames follow.
    ByTimer,
    /// The frames come, and then timers ring.
    ByFrames,
}

impl World {
    /// Keeps the page away for `millis` milliseconds: nothing reaches the engine and no timer
    /// rings. The peers and the store go on. What arrives meanwhile waits until the page is back.
    pub(crate) fn sleep(&mut self, millis: u64, wakes: Wakes) {
        let until = self.now + millis;
        let mut waiting = Vec::new();
        while let Some(Reverse((at, number))) = self.queue.peek().copied()
            && at <= until
        {
            self.queue.pop();
            let Some(scheduled) = self.scheduled.remove(&number) else {
                continue;
            };
            self.now = self.now.max(at);
            match scheduled.is_for_engine() {
                true => waiting.push(scheduled),
                false => self.happen(scheduled),
            }
        }
        self.now = until;
        for scheduled in waiting {
            self.schedule(until, scheduled);
        }
        if wakes == Wakes::ByTimer {
            self.input(Input::Tick);
        }
    }

    /// Makes the engine's clock jump. Everything that is under way stays as far away as it was.
    pub(crate) fn jump_clock(&mut self, millis: u64) {
        self.now += millis;
        self.store_free += millis;
        self.lines.iter_mut().for_each(|line| line.shift(millis));
        for connection in self.connections.values_mut() {
            connection.up_free += millis;
            connection.down_free += millis;
        }
        let queue = std::mem::take(&mut self.queue).into_iter();
        self.queue = queue
            .map(|Reverse((at, number))| Reverse((at + millis, number)))
            .collect();
    }

    /// When the timer for `deadline` rings: in time, or in a hidden tab later.
    pub(super) fn rings(&self, deadline: u64) -> u64 {
        let deadline = deadline.max(self.now);
        deadline.next_multiple_of(self.timers_ms.max(1))
    }
}

impl Scheduled {
    /// Whether it is something that the engine hears of.
    fn is_for_engine(&self) -> bool {
        match self {
            Scheduled::FromPeer(..)
            | Scheduled::Reply(..)
            | Scheduled::Committed(..)
            | Scheduled::Load(..) => true,
            Scheduled::ToPeer(..)
            | Scheduled::OnLine(..)
            | Scheduled::Call(..)
            | Scheduled::Commit(_) => false,
        }
    }
}
