//! Nodes: which bytes decode, and which rule the others break.

use proptest::collection::vec;
use proptest::prelude::*;
use snaplight::hash::Hash;
use snaplight::trie::node::decode;
use snaplight::trie::{Child, Node, NodeError, Path};

use crate::support::{Trie, any_key, any_trie};

fn list(items: &[&[u8]]) -> Vec<u8> {
    let payload = items.concat();
    match payload.len() {
        len @ 0..56 => [&[0xc0 + len as u8], &payload[..]].concat(),
        len @ 56..256 => [&[0xf8, len as u8], &payload[..]].concat(),
        len => [&[0xf9, (len >> 8) as u8, len as u8], &payload[..]].concat(),
    }
}

fn branch(children: &[&[u8]], value: &[u8]) -> Vec<u8> {
    let mut items = children.to_vec();
    items.resize(16, &[0x80]);
    items.push(value);
    list(&items)
}

const HASH: &[u8] = &[0xa0; 33];

#[test]
fn well_formed_nodes_decode() {
    let leaf = list(&[&[0x82, 0x31, 0x23], &[0x82, 9, 9]]);
    let Ok(Node::Leaf { suffix, value }) = decode(&leaf) else {
        panic!("not a leaf")
    };
    assert_eq!(suffix.iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(value, [9, 9]);

    let extension = list(&[&[0x82, 0x00, 0xab], HASH]);
    let Ok(Node::Extension { nibbles, child }) = decode(&extension) else {
        panic!("not an extension")
    };
    assert_eq!(nibbles.iter().collect::<Vec<_>>(), [0xa, 0xb]);
    assert_eq!(child, Child::Hash(Hash([0xa0; 32])));

    let embedded = list(&[&[0x20], &[7]]);
    let node = branch(&[HASH, &[0x80], &embedded], &[0x80]);
    let Ok(Node::Branch(children)) = decode(&node) else {
        panic!("not a branch")
    };
    assert_eq!(
        children[..3],
        [
            Child::Hash(Hash([0xa0; 32])),
            Child::Empty,
            Child::Embedded(&embedded)
        ]
    );
}

#[test]
fn each_malformed_node_is_refused_by_the_rule_that_it_breaks() {
    use NodeError::*;
    let embedded_31 = list(&[&[0x20], &[&[0x80 + 28][..], &[1; 28]].concat()]);
    let embedded_32 = list(&[&[0x20], &[&[0x80 + 29][..], &[1; 29]].concat()]);
    assert_eq!((embedded_31.len(), embedded_32.len()), (31, 32));
    assert!(decode(&branch(&[HASH, &embedded_31], &[0x80])).is_ok());
    let leaf = list(&[&[0x20], &[7]]);
    for (what, bytes, error) in [
        ("nothing", vec![], Rlp),
        ("a string", vec![0x83, 1, 2, 3], Rlp),
        ("trailing byte", [&leaf[..], &[0]].concat(), Rlp),
        ("cut off", leaf[..2].to_vec(), Rlp),
        ("long header for a short list", vec![0xf8, 2, 0x20, 7], Rlp),
        ("wrapped single byte", list(&[&[0x81, 0x20], &[7]]), Rlp),
        ("empty list", vec![0xc0], ItemCount),
        ("three items", list(&[&[0x20], &[7], &[7]]), ItemCount),
        ("sixteen items", list(&[HASH; 16]), ItemCount),
        ("eighteen items", list(&[&[0x80][..]; 18]), ItemCount),
        (
            "longer than a full branch",
            list(&[&[0x20], &[&[0xb9, 2, 20][..], &[7; 532]].concat()]),
            TooLong,
        ),
        ("path is a list", list(&[&[0xc0], &[7]]), Rlp),
        ("no path", list(&[&[0x80], &[7]]), HexPrefix),
        ("unknown flag", list(&[&[0x40], &[7]]), HexPrefix),
        ("non-zero filler", list(&[&[0x21], &[7]]), HexPrefix),
        (
            "extension without nibbles",
            list(&[&[0x00], HASH]),
            HexPrefix,
        ),
        (
            "path of 65 nibbles",
            list(&[&[&[0xa1, 0x31][..], &[0; 32]].concat(), &[7]]),
            HexPrefix,
        ),
        ("leaf without a value", list(&[&[0x20], &[0x80]]), Value),
        ("leaf's value is a list", list(&[&[0x20], &[0xc0]]), Rlp),
        ("branch with a value", branch(&[HASH, HASH], &[7]), Value),
        ("extension to nothing", list(&[&[0x16], &[0x80]]), Child),
        (
            "child of 31 bytes",
            branch(&[HASH, &[0x9f; 32]], &[0x80]),
            Child,
        ),
        (
            "embedded child of 32 bytes (geth 4d4883731e)",
            branch(&[HASH, &embedded_32], &[0x80]),
            Child,
        ),
        ("branch of one", branch(&[HASH], &[0x80]), LonelyChild),
        ("branch of none", branch(&[], &[0x80]), LonelyChild),
    ] {
        assert_eq!(decode(&bytes), Err(error), "{what}");
    }
}

#[test]
fn paths_have_the_hex_prefix_encoding_of_the_yellow_paper() {
    let key = Hash([0x12; 32]);
    assert_eq!(Path::ROOT.to_compact(), [0x00]);
    assert_eq!(Path::new(key, 1).to_compact(), [0x11]);
    assert_eq!(Path::new(key, 2).to_compact(), [0x00, 0x12]);
    assert_eq!(Path::new(key, 5).to_compact(), [0x11, 0x21, 0x21]);
    assert_eq!(Path::full(key).to_compact(), [&[0x00], &key.0[..]].concat());
}

proptest! {
    #[test]
    fn every_node_of_a_trie_decodes(trie in any_trie(40)) {
        for node in trie.prove_all() {
            if node != [0x80] {
                prop_assert!(decode(&node).is_ok(), "{:02x?}", node);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..100), trie in any_trie(4), at in any::<usize>()) {
        let _ = decode(&bytes);
        for mut node in Trie::prove_all(&trie) {
            let at = at % node.len();
            node[at] ^= 1 << (at % 8);
            let _ = decode(&node);
        }
    }

    #[test]
    fn paths_order_by_first_key_and_a_prefix_comes_first(a in any_key(), b in any_key(), n in 0u8..=64, m in 0u8..=64) {
        let (p, q) = (Path::new(a, n), Path::new(b, m));
        prop_assert!(p.first_key() <= a && a <= p.last_key());
        prop_assert_eq!(p.is_prefix_of(&q), p.first_key() <= q.first_key() && q.last_key() <= p.last_key() && n <= m);
        prop_assert_eq!(p.cmp(&q), (p.first_key(), n).cmp(&(q.first_key(), m)));
        let spelled: Vec<u8> = (0..n).map(|i| p.nibble(i)).collect();
        let walked = spelled.iter().try_fold(Path::ROOT, |path, nibble| path.child(*nibble));
        prop_assert_eq!(walked, Some(p));
        prop_assert_eq!(p.prefix(m), Path::new(a, n.min(m)));
        let common = (0..n.min(m)).take_while(|&i| p.nibble(i) == q.nibble(i)).count();
        prop_assert_eq!(usize::from(p.common(&q)), common);
    }
}
