//! Numbers of 256 bits, big-endian: read from text, and written as RLP needs them.

use crate::Hash;

/// Reads `0x` and up to 64 hex digits, also an odd number of them, or decimal digits.
pub(super) fn parse(text: &str) -> Option<Hash> {
    let (digits, base) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    if digits.is_empty() && base == 10 {
        return None;
    }
    digits.chars().try_fold([0; 32], |mut value: Hash, digit| {
        let mut carry = digit.to_digit(base)?;
        for byte in value.iter_mut().rev() {
            let next = u32::from(*byte) * base + carry;
            *byte = next as u8;
            carry = next >> 8;
        }
        (carry == 0).then_some(value)
    })
}

/// Reads exactly `N` bytes of hex, with or without `0x`.
pub(super) fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex(text)?.try_into().ok()
}

/// Reads bytes of hex, with or without `0x`.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits
        .chunks(2)
        .map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8))
        .collect()
}

/// The bytes without leading zeros. Empty for zero.
pub(crate) fn trimmed(value: &[u8]) -> &[u8] {
    let zeros = value.iter().take_while(|byte| **byte == 0).count();
    &value[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_and_hex_are_the_same_numbers() {
        let wei = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        assert_eq!(parse(wei), Some([0xff; 32]));
        assert_eq!(parse(&format!("0x{}", "f".repeat(64))), Some([0xff; 32]));
        assert_eq!(parse("256"), parse("0x100"));
        assert_eq!(parse("0x"), Some([0; 32]));
    }

    #[test]
    fn a_text_that_is_no_number_or_too_large_is_refused() {
        let too_large =
            "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for text in ["", "x", "12a", "0xg", "-1", too_large] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(bytes::<2>("0x123"), None);
        assert_eq!(bytes::<2>("1234"), Some([0x12, 0x34]));
    }
}
