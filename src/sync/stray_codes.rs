//! Codes that no kept state may name: those of builds that moved to another root, or that were
//! given up.

use crate::hash::Hash;
use crate::heap::owns;
use crate::state::{PendingGc, Record};

/// Codes remembered at a time, 128 kB. Chosen without a measurement: a healing that moves a few
/// times brings fewer, and beyond that all codes that are held are looked at.
const MAX_REMEMBERED: usize = 4_096;

/// What is known of stray codes.
#[derive(Default)]
pub(crate) struct StrayCodes {
    /// Whether there may be any, besides those of the state before.
    may_be: bool,
    /// Codes that came since codes were last collected; `None` if not all are known. Bound:
    /// [`MAX_REMEMBERED`].
    fetched: Option<Vec<Hash>>,
}

impl StrayCodes {
    /// What is known over a database with this record.
    pub(crate) fn of(record: &Record) -> StrayCodes {
        let pending = record.pending_gc.as_ref();
        let may_be = record.building.is_some() || pending.is_some_and(|gc| gc.stray_codes);
        match may_be {
            true => StrayCodes::unknown(),
            false => StrayCodes::none(),
        }
    }

    /// Any code may be one.
    pub(crate) fn unknown() -> StrayCodes {
        StrayCodes {
            may_be: true,
            fetched: None,
        }
    }

    /// There are none: codes have just been collected.
    pub(crate) fn none() -> StrayCodes {
        StrayCodes {
            may_be: false,
            fetched: Some(Vec::new()),
        }
    }

    /// The build goes for another root than some of its codes were fetched for.
    pub(crate) fn moved(&mut self) {
        self.may_be = true;
    }

    /// A batch brings these codes.
    pub(crate) fn fetched<'a>(&mut self, codes: impl Iterator<Item = &'a Hash>) {
        if let Some(fetched) = &mut self.fetched {
            fetched.extend(codes);
            if fetched.len() > MAX_REMEMBERED {
                self.fetched = None;
            }
        }
    }

    /// Whether there may be any.
    pub(crate) fn may_be(&self) -> bool {
        self.may_be
    }

    /// The codes that may be strays after a switch; `None`: all that are held.
    pub(crate) fn candidates(&self, pending: &PendingGc) -> Option<Vec<Hash>> {
        match pending.stray_codes {
            true => self.fetched.clone(),
            false => Some(Vec::new()),
        }
    }
}

owns! {
    StrayCodes: fetched;
}
