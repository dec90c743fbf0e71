//! Hex as providers write it: bytes (`DATA`) and numbers (`QUANTITY`, execution-apis). What they
//! write is read leniently, because what it says is proven or only compared.

/// `0x` and two digits for each byte.
pub(super) fn data(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

fn digit(nibble: u8) -> char {
    char::from(match nibble {
        0..10 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    })
}

/// Bytes in hex, with or without `0x`, in either case. An odd number of digits begins with half a
/// byte. `None` if it is not hex.
pub(super) fn read_data(text: &str) -> Option<Vec<u8>> {
    let digits = digits(text);
    let mut bytes = Vec::with_capacity(digits.len() / 2 + 1);
    let mut byte = 0;
    for (index, digit) in digits.iter().enumerate() {
        byte = byte << 4 | value(*digit)?;
        if (digits.len() - index) % 2 == 1 {
            bytes.push(byte);
            byte = 0;
        }
    }
    Some(bytes)
}

/// A number in hex of at most 256 bits, with or without `0x` and leading zeros: 32 bytes
/// big-endian. `0x` is zero, as some clients write it.
pub(super) fn read_quantity(text: &str) -> Option<[u8; 32]> {
    let bytes = read_data(text)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let (_, bytes) = bytes.split_at_checked(zeros)?;
    let mut number = [0; 32];
    let start = number.len().checked_sub(bytes.len())?;
    number.get_mut(start..)?.copy_from_slice(bytes);
    Some(number)
}

/// A number of at most 64 bits, 32 bytes big-endian, as itself.
pub(super) fn as_u64(number: &[u8; 32]) -> Option<u64> {
    let (high, low) = number.split_last_chunk::<8>()?;
    high.iter()
        .all(|byte| *byte == 0)
        .then_some(u64::from_be_bytes(*low))
}

fn digits(text: &str) -> &[u8] {
    let text = text.as_bytes();
    match text {
        [b'0', b'x' | b'X', rest @ ..] => rest,
        _ => text,
    }
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_are_read_in_either_case_with_or_without_a_prefix_and_of_odd_length() {
        for text in ["0x0aFF", "0aff", "0xaff", "0XAFF"] {
            assert_eq!(read_data(text), Some(vec![0x0a, 0xff]), "{text}");
        }
        assert_eq!(read_data("0x"), Some(vec![]));
        assert_eq!(read_data("0xg1"), None);
        assert_eq!(data(&[0x0a, 0xff]), "0x0aff");
    }

    #[test]
    fn numbers_are_read_with_leading_zeros_and_refused_above_256_bits() {
        for text in [
            "0x2",
            "2",
            "0x02",
            &format!("0x{:0>64}", 2),
            &"0".repeat(200),
        ] {
            let number = read_quantity(text).unwrap();
            let expected = if text.contains('2') { 2 } else { 0 };
            assert_eq!(as_u64(&number), Some(expected), "{text}");
        }
        assert_eq!(read_quantity("0x"), Some([0; 32]));
        assert_eq!(read_quantity(&format!("0x{:0<65}", 1)), None);
        assert_eq!(as_u64(&[1; 32]), None);
    }
}
