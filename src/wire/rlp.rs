//! Reads and writes RLP (yellow paper, appendix B).
//!
//! The reader accepts canonical encodings only. It borrows from the frame, where `alloy_rlp`'s own
//! decoding would copy, and its errors are peers' faults. Headers are decoded by `alloy_rlp`.

use alloy_rlp::Header;

use super::PeerFault;
use crate::hash::Hash;

/// Reads the items of one RLP list from front to back.
#[derive(Clone, Copy)]
pub(super) struct RlpReader<'a> {
    rest: &'a [u8],
}

impl<'a> RlpReader<'a> {
    /// Reads the items of the one list that `bytes` consists of.
    pub(super) fn list_of(bytes: &'a [u8]) -> Result<RlpReader<'a>, PeerFault> {
        let mut reader = RlpReader { rest: bytes };
        let list = reader.list()?;
        reader.finish()?;
        Ok(list)
    }

    /// Reads items that follow one another, without a list around them.
    pub(super) fn items(bytes: &'a [u8]) -> RlpReader<'a> {
        RlpReader { rest: bytes }
    }

    /// Whether all items have been read.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Length of the encoded items that are left, in bytes.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The encoded items that are left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next item, which must be a list.
    pub(super) fn list(&mut self) -> Result<RlpReader<'a>, PeerFault> {
        let header = self.header()?;
        if !header.list {
            return Err(PeerFault::Malformed("a string stands where a list is due"));
        }
        Ok(RlpReader {
            rest: self.take(header.payload_length)?,
        })
    }

    /// Opens a list of which only the beginning needs to be there.
    pub(super) fn open_list(&self) -> Result<RlpReader<'a>, PeerFault> {
        // One byte, and the bytes of the length of a long list.
        let header = match self.rest.first() {
            Some(first @ 0xf8..) => 1 + usize::from(first - 0xf7),
            Some(0xc0..) => 1,
            _ => return Err(PeerFault::Malformed("a string stands where a list is due")),
        };
        let rest = self.rest.get(header..).unwrap_or_default();
        Ok(RlpReader { rest })
    }

    /// How many items are left. They are not kept, so that many of them cost no memory.
    pub(super) fn count(mut self) -> Result<usize, PeerFault> {
        let mut count = 0;
        while self.next_item()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// The next item of either kind with its RLP header; `None` at the end.
    pub(super) fn next_item(&mut self) -> Result<Option<&'a [u8]>, PeerFault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let start = self.rest;
        let header = self.header()?;
        self.take(header.payload_length)?;
        Ok(Some(&start[..start.len() - self.rest.len()]))
    }

    /// The next item, which must be a string.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], PeerFault> {
        let header = self.header()?;
        if header.list {
            return Err(PeerFault::Malformed("a list stands where a string is due"));
        }
        self.take(header.payload_length)
    }

    /// The next item, which must be a string of 32 bytes.
    pub(super) fn hash(&mut self) -> Result<Hash, PeerFault> {
        Hash::from_slice(self.bytes()?).ok_or(PeerFault::Malformed("a hash is not 32 bytes long"))
    }

    /// The next item, which must be a canonical number of at most 64 bits.
    pub(super) fn u64(&mut self) -> Result<u64, PeerFault> {
        let bytes = self.bytes()?;
        if bytes.len() > 8 || bytes.first() == Some(&0) {
            return Err(PeerFault::Malformed(
                "a number is longer than 64 bits or has leading zeros",
            ));
        }
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Checks that all items have been read.
    pub(super) fn finish(&self) -> Result<(), PeerFault> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(PeerFault::Malformed(
                "bytes are left over after the last item",
            )),
        }
    }

    fn header(&mut self) -> Result<Header, PeerFault> {
        Header::decode(&mut self.rest)
            .map_err(|_| PeerFault::Malformed("RLP is cut off or not canonical"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PeerFault> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(PeerFault::Malformed("RLP is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Appends RLP items to a buffer.
#[derive(Default)]
pub(super) struct RlpWriter {
    out: Vec<u8>,
}

impl RlpWriter {
    pub(super) fn new() -> RlpWriter {
        RlpWriter::default()
    }

    /// Appends a string.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut RlpWriter {
        alloy_rlp::Encodable::encode(bytes, &mut self.out);
        self
    }

    /// Appends a number.
    pub(super) fn u64(&mut self, number: u64) -> &mut RlpWriter {
        alloy_rlp::Encodable::encode(&number, &mut self.out);
        self
    }

    /// Appends a list of hashes.
    pub(super) fn hashes<'a>(
        &mut self,
        hashes: impl IntoIterator<Item = &'a Hash>,
    ) -> &mut RlpWriter {
        self.list(|list| {
            for hash in hashes {
                list.bytes(&hash.0);
            }
        })
    }

    /// Appends a list of the items that `fill` writes.
    pub(super) fn list(&mut self, fill: impl FnOnce(&mut RlpWriter)) -> &mut RlpWriter {
        let mut inner = RlpWriter::new();
        fill(&mut inner);
        Header {
            list: true,
            payload_length: inner.out.len(),
        }
        .encode(&mut self.out);
        self.out.extend_from_slice(&inner.out);
        self
    }

    /// The encoded items.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

/// A frame: the message id as a number, then the payload as a list of the items that `fill` writes.
pub(super) fn frame(id: u64, fill: impl FnOnce(&mut RlpWriter)) -> Vec<u8> {
    let mut writer = RlpWriter::new();
    writer.u64(id);
    writer.list(fill);
    writer.into_bytes()
}
