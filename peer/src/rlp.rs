//! What is needed of RLP besides `alloy_rlp`: strict reading item by item, and writing into buffers
//! whose length is known beforehand.

use crate::Hash;
use alloy_rlp::{Decodable, Header};

/// The bytes are not canonical RLP, or not of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<alloy_rlp::Error> for Malformed {
    fn from(_: alloy_rlp::Error) -> Self {
        Malformed
    }
}

/// The payload of the list at the front of `buf`. `buf` moves behind the list.
pub(crate) fn list<'a>(buf: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    Ok(Header::decode_bytes(buf, true)?)
}

/// The content of the string at the front of `buf`. `buf` moves behind the string.
pub(crate) fn string<'a>(buf: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    Ok(Header::decode_bytes(buf, false)?)
}

/// An integer of up to 64 bits without leading zeros.
pub(crate) fn uint(buf: &mut &[u8]) -> Result<u64, Malformed> {
    Ok(u64::decode(buf)?)
}

/// A string of exactly 32 bytes.
pub(crate) fn hash(buf: &mut &[u8]) -> Result<Hash, Malformed> {
    string(buf)?.try_into().map_err(|_| Malformed)
}

/// One whole item with its header.
pub(crate) fn item<'a>(buf: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let start = *buf;
    let header = Header::decode(buf)?;
    let (_, rest) = buf
        .split_at_checked(header.payload_length)
        .ok_or(Malformed)?;
    *buf = rest;
    start.get(..start.len() - rest.len()).ok_or(Malformed)
}

/// Fails if bytes are left.
pub(crate) fn end(buf: &[u8]) -> Result<(), Malformed> {
    if buf.is_empty() {
        Ok(())
    } else {
        Err(Malformed)
    }
}

/// Reads every item of a list's payload by `read`.
pub(crate) fn each<'a, T>(
    payload: &'a [u8],
    read: impl FnMut(&mut &'a [u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    first(usize::MAX, payload, read)
}

/// Reads every item of a list's payload by `read`, and keeps only the first `count`. Decoded, a
/// list of tiny items takes many times the memory of its bytes.
pub(crate) fn first<'a, T>(
    count: usize,
    mut payload: &'a [u8],
    mut read: impl FnMut(&mut &'a [u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut items = Vec::new();
    while !payload.is_empty() {
        let item = read(&mut payload)?;
        if items.len() < count {
            items.push(item);
        }
    }
    Ok(items)
}

/// The length of the header before `payload` bytes. Not for a single byte below 0x80.
pub(crate) fn header_len(payload: usize) -> usize {
    if payload < 56 {
        1
    } else {
        1 + significant_bytes(payload as u64)
    }
}

/// The length of a string with its header.
pub(crate) fn string_len(content: &[u8]) -> usize {
    match content {
        [byte] if *byte < 0x80 => 1,
        _ => header_len(content.len()) + content.len(),
    }
}

/// The length of an integer with its header.
pub(crate) fn uint_len(value: u64) -> usize {
    if value < 0x80 {
        1
    } else {
        1 + significant_bytes(value)
    }
}

pub(crate) fn put_list_header(payload: usize, out: &mut Vec<u8>) {
    put_header(0xc0, payload, out);
}

pub(crate) fn put_string(content: &[u8], out: &mut Vec<u8>) {
    match content {
        [byte] if *byte < 0x80 => out.push(*byte),
        _ => {
            put_header(0x80, content.len(), out);
            out.extend_from_slice(content);
        }
    }
}

pub(crate) fn put_uint(value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    put_string(&bytes[8 - significant_bytes(value)..], out);
}

/// A list of items that are already encoded.
pub(crate) fn wrap(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(header_len(payload.len()) + payload.len());
    put_list_header(payload.len(), &mut out);
    out.extend_from_slice(payload);
    out
}

fn put_header(base: u8, payload: usize, out: &mut Vec<u8>) {
    if payload < 56 {
        out.push(base + payload as u8);
    } else {
        let bytes = (payload as u64).to_be_bytes();
        let count = significant_bytes(payload as u64);
        out.push(base + 55 + count as u8);
        out.extend_from_slice(&bytes[8 - count..]);
    }
}

fn significant_bytes(value: u64) -> usize {
    8 - value.leading_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for value in [0, 1, 0x7f, 0x80, 0xff, 0x100, u64::MAX] {
            let mut out = Vec::new();
            put_uint(value, &mut out);
            assert_eq!(out.len(), uint_len(value));
            assert_eq!(uint(&mut out.as_slice()), Ok(value));
        }
        for len in [0, 1, 55, 56, 255, 256, 70_000] {
            let content = vec![0xab; len];
            let mut out = Vec::new();
            put_string(&content, &mut out);
            assert_eq!(out.len(), string_len(&content));
            assert_eq!(string(&mut out.as_slice()), Ok(content.as_slice()));
            assert_eq!(item(&mut out.as_slice()), Ok(out.as_slice()));
        }
    }

    #[test]
    fn a_list_longer_than_its_bytes_is_malformed() {
        assert_eq!(item(&mut [0xc5, 0x01].as_slice()), Err(Malformed));
        assert_eq!(
            list(&mut [0xf9, 0xff, 0xff, 0x01].as_slice()),
            Err(Malformed)
        );
        assert_eq!(uint(&mut [0x82, 0x00, 0x01].as_slice()), Err(Malformed));
    }
}
