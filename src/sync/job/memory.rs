//! What a job owns on the heap.

use super::{Job, Large};
use crate::heap::owns;

owns! {
    Large: chunks;
    Job: tree, pages, new_codes, storages, large, codes, codes_asked, nodes_asked, storages_asked,
        cursors, healing, pace, eta;
}
