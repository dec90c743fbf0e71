//! Providers: calls go out, replies come back.

use super::Engine;
use crate::sync::ids::{Millis, PeerId};
use crate::wire::rpc::Reply;

impl Engine {
    /// A call of a provider has ended.
    pub(super) fn replied(&mut self, _now: Millis, _peer: PeerId, _id: u64, _reply: Reply) {}
}
