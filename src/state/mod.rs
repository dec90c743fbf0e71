//! state

pub mod batch;
pub mod entry;

pub use batch::Batch;
pub use entry::PageId;
