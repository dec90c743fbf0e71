//! GetByteCodes.

use super::{NOTHING, code, state, suite};
use snaplight_peer::{EMPTY_CODE, EMPTY_ROOT, keccak::keccak};

#[test]
fn byte_codes_00_to_02_a_hash_without_a_code_has_no_item_and_no_placeholder() {
    let mut suite = suite();
    let root = suite.state.root();
    for hashes in [
        [state(0x0100_0000).root(), root],
        [root, root],
        [EMPTY_ROOT, EMPTY_ROOT],
    ] {
        assert!(suite.codes(&hashes, 10000).is_empty());
    }
}

#[test]
fn byte_codes_03_04_the_empty_code_is_an_empty_item() {
    let mut suite = suite();
    assert_eq!(suite.codes(&[EMPTY_CODE], 10000), [NOTHING]);
    assert_eq!(suite.codes(&[EMPTY_CODE; 3], 10000), vec![NOTHING; 3]);
}

#[test]
fn byte_codes_05_to_08_in_order_up_to_the_bytes_and_repeated_when_asked_repeatedly() {
    let mut suite = suite();
    let all: Vec<_> = (0..5).map(|number| keccak(&code(number))).collect();
    assert_eq!(suite.codes(&all, 100_000).len(), 5);
    assert_eq!(suite.codes(&all, 1), [code(0)]);
    assert_eq!(suite.codes(&all, 0), [code(0)]);
    assert_eq!(suite.codes(&[all[2]; 4], 1000), vec![code(2); 4]);
    assert_eq!(
        suite.codes(&[all[3], EMPTY_ROOT, all[1]], 1000),
        [code(3), code(1)]
    );
    // Only a limited number of hashes is looked up.
    assert_eq!(suite.codes(&[EMPTY_CODE; 1100], 1000).len(), 1024);
}
