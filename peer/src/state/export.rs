//! A state as a file, for programs that are not written in Rust. This page describes the format.
//!
//! Numbers are little-endian. The file can be written and read in one pass from front to back.
//!
//! | part | bytes |
//! |---|---|
//! | magic | 8: `snapst01` |
//! | the state root | 32 |
//! | accounts, slots and codes in total | 8, 8, 8 |
//! | each account, in the order of the hashes: hash of the address | 32 |
//! | its slim body: length, bytes | 4, length |
//! | number of its slots | 4 |
//! | each slot, in the order of the hashes: hash of the key | 32 |
//! | RLP of its value: length, bytes | 4, length |
//! | each code, after all accounts, in the order of the hashes: length, bytes | 4, length |

use super::State;
use crate::trie::Trie;
use std::io::{self, Write};

/// The first bytes of an export. Another format would have another number.
const MAGIC: &[u8; 8] = b"snapst01";

impl State {
    /// Writes the whole state in the format that `peer/src/state/export.rs` describes. The single
    /// writes are small, so `out` should be buffered.
    ///
    /// # Errors
    /// The errors of `out`.
    pub fn export(&self, out: &mut impl Write) -> io::Result<()> {
        let counts = self.counts();
        out.write_all(MAGIC)?;
        out.write_all(&self.root())?;
        for count in [counts.accounts, counts.slots, counts.codes] {
            out.write_all(&count.to_le_bytes())?;
        }
        for (account, body) in self.accounts().iter() {
            out.write_all(account)?;
            put(body, out)?;
            let storage = self.storage(account);
            out.write_all(&length(storage.map_or(0, Trie::len))?)?;
            for (key, value) in storage.iter().flat_map(|storage| storage.iter()) {
                out.write_all(key)?;
                put(value, out)?;
            }
        }
        let mut codes: Vec<_> = self.codes().collect();
        codes.sort_unstable_by_key(|(hash, _)| **hash);
        codes.into_iter().try_for_each(|(_, code)| put(code, out))
    }
}

fn put(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    out.write_all(&length(bytes.len())?)?;
    out.write_all(bytes)
}

fn length(len: usize) -> io::Result<[u8; 4]> {
    let len = u32::try_from(len).map_err(|_| io::Error::other("more than 32 bits can count"))?;
    Ok(len.to_le_bytes())
}
