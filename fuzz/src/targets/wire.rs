//! Every message that a peer answers with. What the crate takes is what alloy-rlp takes, and encodes
//! back to the same bytes. Nothing holds more memory than the message's length accounts for.

use snaplight::hash::Hash;
use snaplight::state::SlimAccount;
use snaplight::wire::snap::MAX_PROOF_NODES;
use snaplight::wire::{Answer, Message, VerifiedHeader};

use crate::bytes::Bytes;
use crate::heap::within;
use crate::rlp::{self, Item};
use crate::trie::keccak;

/// Bytes that reading takes for each byte of a message: a slot of 35 has 48 in its list, which starts
/// with room for four. One that grows has twice as much room as it needs, besides the one that it is
/// copied from.
const FOR_EACH_BYTE: usize = 8;
/// Bytes for each item that was asked for: that of a storage is a list of 24.
const FOR_EACH_ITEM: usize = 4 * 24;
/// Bytes of lists that start with room for a few items.
const SMALL: usize = 1024;

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let (kind, most) = (bytes.byte(), bytes.below(64));
    let mut payload = match kind & 0x80 {
        // As it comes.
        0 => bytes.rest().to_vec(),
        // One that is well-formed, spoiled.
        _ => true_one(kind % 4, &mut bytes),
    };
    bytes.spoil(&mut payload);
    let limit = payload.len() * FOR_EACH_BYTE + most * FOR_EACH_ITEM + SMALL;

    let truth = rlp::decode(&payload);
    let list = truth.as_ref().and_then(Item::as_list);
    let parts = list.and_then(|list| Some((list.first()?.as_u64()?, &list[1..])));
    let Ok(answer) = Answer::split(&payload) else {
        assert_eq!(parts, None, "an answer was not taken");
        return;
    };
    // The content is looked at later, so that the id may be right and the rest no RLP.
    if let Some((id, _)) = parts {
        assert_eq!(answer.id, id);
    }
    let content = parts.map(|(_, content)| content);
    for message in [
        Message::BlockHeaders,
        Message::AccountRange,
        Message::StorageRanges,
        Message::ByteCodes,
        Message::TrieNodes,
        Message::NodeData,
    ] {
        let splittable = answer.splittable_bytes(message);
        assert!(splittable.unwrap_or(0) <= payload.len());
    }
    match kind % 4 {
        0 => items(answer, most, limit, &payload, content),
        1 => accounts(answer, limit, &payload, content),
        2 => storages(answer, most, limit, &payload, content),
        _ => header(answer, limit, content),
    }
}

fn items(answer: Answer<'_>, most: usize, limit: usize, payload: &[u8], content: Option<&[Item]>) {
    let taken = within(limit, || answer.items(most));
    let is_right = content.is_some_and(|content| {
        let is_fit = |items: &[Item]| {
            items.len() <= most && items.iter().all(|item| item.as_bytes().is_some())
        };
        content.len() == 1 && content[0].as_list().is_some_and(is_fit)
    });
    assert_eq!(taken.is_ok(), is_right);
    if let Ok(items) = taken {
        let items = items.iter().map(Item::string).collect();
        encodes_back(payload, answer.id, [Item::List(items)]);
    }
}

fn accounts(answer: Answer<'_>, limit: usize, payload: &[u8], content: Option<&[Item]>) {
    let taken = within(limit, || answer.account_range());
    let is_right = content.is_some_and(|content| {
        content.len() == 2
            && content[0]
                .as_list()
                .is_some_and(|pairs| pairs.iter().all(is_account))
            && is_proof(&content[1])
    });
    assert_eq!(taken.is_ok(), is_right);
    if let Ok(range) = taken {
        let pair = |(hash, slim): &(Hash, &[u8])| {
            let body = SlimAccount::parse(slim).expect("a body that was checked");
            let body_again = body.account().to_slim();
            assert_eq!(body_again, *slim, "a body has two encodings");
            Item::List(vec![
                Item::string(hash.0),
                rlp::decode(slim).expect("an RLP list"),
            ])
        };
        let pairs = range.accounts.iter().map(pair).collect();
        encodes_back(
            payload,
            answer.id,
            [Item::List(pairs), strings(&range.proof)],
        );
    }
}

fn storages(
    answer: Answer<'_>,
    most: usize,
    limit: usize,
    payload: &[u8],
    content: Option<&[Item]>,
) {
    let taken = within(limit, || answer.storage_ranges(most));
    let is_storage = |item: &Item| {
        item.as_list()
            .is_some_and(|slots| slots.iter().all(is_slot))
    };
    let is_right = content.is_some_and(|content| {
        let is_fit = |storages: &[Item]| storages.len() <= most && storages.iter().all(is_storage);
        content.len() == 2 && content[0].as_list().is_some_and(is_fit) && is_proof(&content[1])
    });
    assert_eq!(taken.is_ok(), is_right);
    if let Ok(ranges) = taken {
        let pair = |(hash, value): &(Hash, &[u8])| {
            Item::List(vec![Item::string(hash.0), Item::string(value)])
        };
        let storage = |slots: &Vec<(Hash, &[u8])>| Item::List(slots.iter().map(pair).collect());
        let storages = ranges.storages.iter().map(storage).collect();
        encodes_back(
            payload,
            answer.id,
            [Item::List(storages), strings(&ranges.proof)],
        );
    }
}

fn header(answer: Answer<'_>, limit: usize, content: Option<&[Item]>) {
    let sent = content.and_then(|content| match content {
        [Item::List(headers)] => Some(headers),
        _ => None,
    });
    let hash = match sent.and_then(|headers| headers.first()) {
        Some(header) => keccak(&header.encode()),
        None => Hash::MAX,
    };
    match within(limit, || VerifiedHeader::read(answer, &hash)) {
        Ok(Some(header)) => {
            assert_eq!(header.block().hash, hash);
            assert_eq!(sent.map(Vec::len), Some(1));
        }
        Ok(None) => assert_eq!(sent.map(Vec::len), Some(0)),
        Err(_) => {}
    }
}

fn encodes_back<const N: usize>(payload: &[u8], id: u64, content: [Item; N]) {
    let mut message = vec![Item::number(id)];
    message.extend(content);
    assert_eq!(Item::List(message).encode(), payload);
}

fn strings(nodes: &[&[u8]]) -> Item {
    Item::List(nodes.iter().map(Item::string).collect())
}

fn is_hash(item: &Item) -> bool {
    item.as_bytes().is_some_and(|bytes| bytes.len() == 32)
}

fn is_number(item: &Item, most: usize) -> bool {
    item.as_bytes()
        .is_some_and(|bytes| bytes.len() <= most && bytes.first() != Some(&0))
}

/// `[hash, [nonce, balance, storage root, code hash]]`, the hashes left out where they are those of
/// nothing.
fn is_account(pair: &Item) -> bool {
    let is_spelt = |item: &Item, nothing: Hash| {
        let bytes = item.as_bytes();
        bytes.is_some_and(|bytes| bytes.is_empty() || (bytes.len() == 32 && bytes != nothing.0))
    };
    let (empty_root, empty_code) = (Hash::EMPTY_ROOT, Hash::EMPTY_CODE);
    match pair.as_list() {
        Some([hash, Item::List(body)]) => match &body[..] {
            [nonce, balance, root, code] => {
                is_hash(hash)
                    && is_number(nonce, 8)
                    && is_number(balance, 32)
                    && is_spelt(root, empty_root)
                    && is_spelt(code, empty_code)
            }
            _ => false,
        },
        _ => false,
    }
}

/// `[hash, RLP of a number above 0 of at most 256 bits]`.
fn is_slot(pair: &Item) -> bool {
    match pair.as_list() {
        Some([hash, Item::String(value)]) => {
            let number = rlp::decode(value);
            let is_value = |number: &Item| *number != Item::string([]) && is_number(number, 32);
            is_hash(hash) && number.as_ref().is_some_and(is_value)
        }
        _ => false,
    }
}

fn is_proof(item: &Item) -> bool {
    let is_node = |node: &Item| node.as_bytes().is_some_and(|bytes| bytes.len() <= 532);
    item.as_list()
        .is_some_and(|nodes| nodes.len() <= MAX_PROOF_NODES && nodes.iter().all(is_node))
}

/// A message that a peer may send.
fn true_one(kind: u8, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut message = vec![Item::number(bytes.u64())];
    let hash = |bytes: &mut Bytes<'_>| Item::string(bytes.hash().0);
    let list = |bytes: &mut Bytes<'_>, item: &mut dyn FnMut(&mut Bytes<'_>) -> Item| {
        let count = bytes.below(8);
        Item::List((0..count).map(|_| item(bytes)).collect())
    };
    let mut node = |bytes: &mut Bytes<'_>| Item::string(bytes.some(60));
    match kind {
        0 => message.push(list(bytes, &mut node)),
        1 => {
            let mut account = |bytes: &mut Bytes<'_>| {
                let key = hash(bytes);
                let field = |bytes: &mut Bytes<'_>| match bytes.bool() {
                    true => hash(bytes),
                    false => Item::string([]),
                };
                let body = vec![
                    Item::number(bytes.u64()),
                    Item::number(bytes.u64()),
                    field(bytes),
                    field(bytes),
                ];
                Item::List(vec![key, Item::List(body)])
            };
            message.push(list(bytes, &mut account));
            message.push(list(bytes, &mut node));
        }
        2 => {
            let mut slot = |bytes: &mut Bytes<'_>| {
                let value = Item::number(bytes.u64() | 1).encode();
                Item::List(vec![hash(bytes), Item::string(value)])
            };
            let count = bytes.below(4);
            let storages = (0..count).map(|_| list(bytes, &mut slot)).collect();
            message.push(Item::List(storages));
            message.push(list(bytes, &mut node));
        }
        _ => {
            let mut fields: Vec<_> = (0..12 + bytes.below(9)).map(|_| node(bytes)).collect();
            fields[3] = hash(bytes);
            fields[8] = Item::number(bytes.u64());
            fields[11] = Item::number(bytes.u64());
            message.push(Item::List(vec![Item::List(fields)]));
        }
    }
    Item::List(message).encode()
}
