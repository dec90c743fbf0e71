//! Reading and writing RLP without copying (yellow paper, appendix B). Canonical forms only.

use alloy_rlp::Header;

use super::PeerFault;
use crate::hash::Hash;

/// Reads the items of one RLP list, front to back.
#[derive(Clone, Copy)]
pub(crate) struct RlpReader<'a> {
    rest: &'a [u8],
}

impl<'a> RlpReader<'a> {
    /// The items of the one list that `bytes` consists of.
    pub(crate) fn list_of(bytes: &'a [u8]) -> Result<RlpReader<'a>, PeerFault> {
        let mut reader = RlpReader { rest: bytes };
        let list = reader.list()?;
        reader.finish()?;
        Ok(list)
    }

    /// Reads items that follow one another without a list around them.
    pub(crate) fn items(bytes: &'a [u8]) -> RlpReader<'a> {
        RlpReader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes left to read.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// What is left, unread.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn list(&mut self) -> Result<RlpReader<'a>, PeerFault> {
        let header = self.header()?;
        if !header.list {
            return Err(PeerFault::Malformed("a string stands where a list is due"));
        }
        Ok(RlpReader {
            rest: self.take(header.payload_length)?,
        })
    }

    /// The next item with its RLP header, whatever it is; `None` at the end.
    pub(crate) fn next_item(&mut self) -> Result<Option<&'a [u8]>, PeerFault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let start = self.rest;
        let header = self.header()?;
        self.take(header.payload_length)?;
        Ok(start.get(..start.len() - self.rest.len()))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], PeerFault> {
        let header = self.header()?;
        if header.list {
            return Err(PeerFault::Malformed("a list stands where a string is due"));
        }
        self.take(header.payload_length)
    }

    pub(crate) fn hash(&mut self) -> Result<Hash, PeerFault> {
        Hash::from_slice(self.bytes()?).ok_or(PeerFault::Malformed("a hash is not 32 bytes long"))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, PeerFault> {
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

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), PeerFault> {
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
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Writer {
        Writer::default()
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Writer {
        alloy_rlp::Encodable::encode(bytes, &mut self.out);
        self
    }

    pub(crate) fn u64(&mut self, number: u64) -> &mut Writer {
        alloy_rlp::Encodable::encode(&number, &mut self.out);
        self
    }

    /// A list of hashes.
    pub(crate) fn hashes<'a>(&mut self, hashes: impl IntoIterator<Item = &'a Hash>) -> &mut Writer {
        self.list(|list| {
            for hash in hashes {
                list.bytes(&hash.0);
            }
        })
    }

    /// A list of what `fill` writes.
    pub(crate) fn list(&mut self, fill: impl FnOnce(&mut Writer)) -> &mut Writer {
        let mut inner = Writer::new();
        fill(&mut inner);
        Header {
            list: true,
            payload_length: inner.out.len(),
        }
        .encode(&mut self.out);
        self.out.extend_from_slice(&inner.out);
        self
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

/// A frame: the message id as an RLP number, then the payload.
pub(crate) fn frame(id: u64, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.u64(id);
    writer.list(fill);
    writer.into_bytes()
}
