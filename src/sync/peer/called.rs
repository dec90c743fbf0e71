//! A provider as a peer: what its replies, and calls without one, say of it.

use super::provider::NOT_HERE_MS;
use super::{FailedCall, Link, Peer, Provider, Refusal};
use crate::hash::Hash;
use crate::sync::ids::Millis;
use crate::sync::want::RequestKind;
use crate::wire::PeerFault;
use crate::wire::rpc::Trouble;

impl Peer {
    /// A provider's call was answered, with so many bytes.
    pub(crate) fn replied(&mut self, bytes: usize, elapsed_ms: u64) {
        self.delivered.bytes += bytes as u64;
        if let Link::Rpc(provider) = &mut self.link {
            provider.answered(elapsed_ms);
        }
    }

    /// It does not have the state or block: it is not asked for this root for a while, which is the
    /// same each time.
    pub(crate) fn is_not_here(&mut self, kind: RequestKind, root: Hash, now: Millis) {
        let kinds = match kind {
            RequestKind::Proofs | RequestKind::CodesOf => {
                [RequestKind::Proofs, RequestKind::CodesOf]
            }
            kind => [kind, kind],
        };
        for kind in kinds {
            self.refused[kind.index()] = Some(Refusal {
                root,
                lasts_ms: NOT_HERE_MS,
                until: Some(now.after(NOT_HERE_MS)),
            });
        }
    }

    /// A call failed, which is no fault unless nothing more is to be had.
    pub(crate) fn call_failed(&mut self, now: Millis, call: &FailedCall) -> Result<(), PeerFault> {
        match call.trouble {
            Trouble::Spent => return Err(PeerFault::Spent),
            Trouble::NotHere => self.is_not_here(call.kind, call.root, now),
            _ => {}
        }
        if let Link::Rpc(provider) = &mut self.link {
            provider.failed(now, call);
        }
        Ok(())
    }

    /// An answer was wrong; too many of them are a fault.
    pub(crate) fn marked(&mut self) -> Result<(), PeerFault> {
        self.provider_mut().map_or(Ok(()), Provider::marked)
    }

    /// An answer was under another root than `root`. `is_named`: its block was named.
    pub(crate) fn was_elsewhere(
        &mut self,
        now: Millis,
        (kind, root): (RequestKind, Hash),
        is_named: bool,
    ) -> Result<(), PeerFault> {
        if !is_named {
            // Its newest block is another one, earlier or later.
            self.refused(kind, root, now);
            return Ok(());
        }
        if !self.provider_mut().is_some_and(Provider::missed) {
            return Ok(());
        }
        self.is_not_here(kind, root, now);
        self.marked()
    }

    /// A proof lacked a node.
    pub(crate) fn was_incomplete(
        &mut self,
        now: Millis,
        (kind, root): (RequestKind, Hash),
    ) -> Result<(), PeerFault> {
        if !self.provider_mut().is_some_and(Provider::was_incomplete) {
            return Ok(());
        }
        self.is_not_here(kind, root, now);
        self.marked()
    }
}
