//! The store in memory passes every case of the suite.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

#[macro_use]
mod store_suite;

use futures::executor::block_on;
use snaplight::store::MemoryDisk;

macro_rules! in_memory {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            block_on(store_suite::$case(&MemoryDisk::default()));
        }
    )*};
}

every_case!(in_memory);
