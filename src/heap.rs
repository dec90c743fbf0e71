//! How many bytes of the heap a value owns, counted by the capacity of its vectors: unused capacity
//! is memory as well. `tests/memory.rs` compares this with an allocator that counts.

use std::collections::VecDeque;
use std::ops::Range;

use crate::hash::Hash;
use crate::trie::{Fold, path::Path};

/// A value that knows how much it owns on the heap.
pub(crate) trait HeapBytes {
    /// Whether no value of this type owns anything. Collections of such values need not be walked.
    const IS_FLAT: bool = false;

    /// Bytes on the heap, without the bytes of the value itself.
    fn heap_bytes(&self) -> usize;
}

/// Implements [`HeapBytes`] for types that own nothing.
macro_rules! flat {
    ($($name:ty),* $(,)?) => {
        $(impl $crate::heap::HeapBytes for $name {
            const IS_FLAT: bool = true;

            fn heap_bytes(&self) -> usize {
                0
            }
        })*
    };
}
pub(crate) use flat;

/// Implements [`HeapBytes`] for a type by the fields that own something; the others own nothing.
macro_rules! owns {
    ($($name:ty: $($field:tt),+;)+) => {
        $(impl $crate::heap::HeapBytes for $name {
            fn heap_bytes(&self) -> usize {
                [$($crate::heap::HeapBytes::heap_bytes(&self.$field)),+]
                    .iter()
                    .sum()
            }
        })+
    };
}
pub(crate) use owns;

flat!((), u8, u32, u64, usize, Hash, Path);

impl<T: HeapBytes> HeapBytes for Vec<T> {
    fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<T>() + owned(self)
    }
}

impl<T: HeapBytes> HeapBytes for VecDeque<T> {
    fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<T>() + owned(self)
    }
}

impl<T: HeapBytes> HeapBytes for Box<[T]> {
    fn heap_bytes(&self) -> usize {
        size_of_val::<[T]>(self) + owned(self)
    }
}

impl<T: HeapBytes> HeapBytes for Box<T> {
    fn heap_bytes(&self) -> usize {
        size_of::<T>() + T::heap_bytes(self)
    }
}

impl<T: HeapBytes> HeapBytes for Option<T> {
    const IS_FLAT: bool = T::IS_FLAT;

    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, T::heap_bytes)
    }
}

impl<T> HeapBytes for Range<T> {
    const IS_FLAT: bool = true;

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl<A: HeapBytes, B: HeapBytes> HeapBytes for (A, B) {
    const IS_FLAT: bool = A::IS_FLAT && B::IS_FLAT;

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes() + self.1.heap_bytes()
    }
}

impl<A: HeapBytes, B: HeapBytes, C: HeapBytes> HeapBytes for (A, B, C) {
    const IS_FLAT: bool = A::IS_FLAT && B::IS_FLAT && C::IS_FLAT;

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes() + self.1.heap_bytes() + self.2.heap_bytes()
    }
}

impl HeapBytes for String {
    fn heap_bytes(&self) -> usize {
        self.capacity()
    }
}

impl HeapBytes for Fold {
    fn heap_bytes(&self) -> usize {
        Fold::heap_bytes(self)
    }
}

/// Bytes that the values themselves own.
fn owned<'a, T: HeapBytes + 'a>(values: impl IntoIterator<Item = &'a T>) -> usize {
    match T::IS_FLAT {
        true => 0,
        false => values.into_iter().map(T::heap_bytes).sum(),
    }
}
