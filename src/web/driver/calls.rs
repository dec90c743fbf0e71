//! Carries the engine's calls to the providers that JavaScript supplies, and their replies back.

use std::rc::Rc;

use super::Driver;
use crate::sync::PeerId;
use crate::wire::rpc::Call;

impl Driver {
    /// Makes a call of a provider.
    pub(super) fn call(self: &Rc<Self>, _peer: PeerId, _id: u64, _call: Call) {}
}
