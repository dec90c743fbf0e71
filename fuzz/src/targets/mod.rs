//! One module for each target.

pub(crate) mod databases;
pub(crate) mod engine;
pub(crate) mod handshake;
pub(crate) mod headers;
pub(crate) mod pages;
pub(crate) mod providers;
pub(crate) mod range_proofs;
pub(crate) mod records;
pub(crate) mod wire;
