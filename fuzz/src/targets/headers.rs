//! Block headers in RLP and in JSON. A header's hash is what the crate sha3 says, its fields are
//! what alloy-rlp says, and both forms agree however the JSON is written.

use serde_json::{Map, Value};
use snaplight::hash::Hash;
use snaplight::wire::VerifiedHeader;
use snaplight::wire::rpc::{HeaderError, header_rlp};

use crate::bytes::Bytes;
use crate::json_value::Json;
use crate::rlp::{self, Item};
use crate::trie::keccak;

/// The fields in the order of RLP, with their lengths in bytes; `None` for a number, and 0 for any
/// length.
const FIELDS: [(&str, Option<usize>); 23] = [
    ("parentHash", Some(32)),
    ("sha3Uncles", Some(32)),
    ("miner", Some(20)),
    ("stateRoot", Some(32)),
    ("transactionsRoot", Some(32)),
    ("receiptsRoot", Some(32)),
    ("logsBloom", Some(256)),
    ("difficulty", None),
    ("number", None),
    ("gasLimit", None),
    ("gasUsed", None),
    ("timestamp", None),
    ("extraData", Some(0)),
    ("mixHash", Some(32)),
    ("nonce", Some(8)),
    ("baseFeePerGas", None),
    ("withdrawalsRoot", Some(32)),
    ("blobGasUsed", None),
    ("excessBlobGas", None),
    ("parentBeaconBlockRoot", Some(32)),
    ("requestsHash", Some(32)),
    ("blockAccessListHash", Some(32)),
    ("slotNumber", None),
];

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    match bytes.byte() % 3 {
        0 => of_rlp(bytes.rest()),
        1 => of_text(bytes.rest()),
        _ => both(&mut bytes),
    }
}

fn of_rlp(header: &[u8]) {
    let hash = keccak(header);
    let read = VerifiedHeader::of_rlp(header, None);
    assert_eq!(VerifiedHeader::of_rlp(header, Some(&hash)), read);
    let wrong = VerifiedHeader::of_rlp(header, Some(&Hash::MAX));
    assert_eq!(wrong, Err(HeaderError::WrongHash(hash)));

    let truth = rlp::decode(header);
    let fields = truth.as_ref().and_then(Item::as_list);
    match read {
        Ok(read) => {
            assert_eq!(read.block().hash, hash);
            // What comes after the time is not looked at, and may be no RLP.
            if let Some(fields) = fields {
                assert_eq!(fields[3], Item::string(read.state_root().0));
                assert_eq!(fields[8].as_u64(), Some(read.block().number));
                assert_eq!(fields[11].as_u64(), Some(read.block().timestamp));
            }
        }
        Err(_) => assert!(!fields.is_some_and(is_header), "a header was refused"),
    }
}

fn is_header(fields: &[Item]) -> bool {
    fields.len() >= 12
        && fields[..12].iter().all(|field| field.as_bytes().is_some())
        && fields[3].as_bytes().is_some_and(|root| root.len() == 32)
        && fields[8].as_u64().is_some()
        && fields[11].as_u64().is_some()
}

fn of_text(text: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(text) else {
        return;
    };
    if let Ok(header) = header_rlp(&Json(&value)) {
        of_rlp(&header);
        let read = VerifiedHeader::of_json(&Json(&value), None);
        assert_eq!(read, VerifiedHeader::of_rlp(&header, None));
    }
}

/// A header made of the input, in both forms, which has to be read alike.
fn both(bytes: &mut Bytes<'_>) {
    let (mut items, mut object) = (Vec::new(), Map::new());
    for (name, length) in &FIELDS[..15 + bytes.below(9)] {
        let field = match length {
            Some(0) => bytes.some(70).to_vec(),
            Some(length) => {
                let mut field = bytes.some(4).to_vec();
                field.resize(*length, bytes.byte());
                field
            }
            None => {
                let most = if matches!(*name, "number" | "timestamp") {
                    8
                } else {
                    32
                };
                let number = bytes.some(most);
                let zeros = number.iter().take_while(|byte| **byte == 0).count();
                number[zeros..].to_vec()
            }
        };
        object.insert(
            String::from(*name),
            json_of(&field, length.is_none(), bytes),
        );
        items.push(Item::string(field));
    }
    let truth = Item::List(items).encode();
    // What a client adds is not looked at.
    for _ in 0..bytes.below(3) {
        let name = format!("x{}", String::from_utf8_lossy(bytes.some(10)));
        object.entry(name).or_insert(Value::from(bytes.u64()));
    }
    let value = Value::Object(object);
    assert_eq!(
        header_rlp(&Json(&value)).as_deref(),
        Ok(&truth[..]),
        "{value}"
    );
    let read = VerifiedHeader::of_json(&Json(&value), Some(&keccak(&truth)));
    assert_eq!(read, VerifiedHeader::of_rlp(&truth, None));
    assert!(read.is_ok());
    of_rlp(&truth);
}

/// A field as one client or another writes it.
fn json_of(field: &[u8], is_number: bool, bytes: &mut Bytes<'_>) -> Value {
    let mut digits: String = field.iter().map(|byte| format!("{byte:02x}")).collect();
    let how = bytes.byte();
    if is_number {
        if how & 1 == 1 {
            digits = digits.trim_start_matches('0').to_owned();
        }
        if how & 2 == 2 && field.len() <= 7 {
            return Value::from(
                field
                    .iter()
                    .fold(0u64, |all, byte| all << 8 | u64::from(*byte)),
            );
        }
        if digits.is_empty() {
            digits.push('0');
        }
    }
    if how & 4 == 4 {
        digits.make_ascii_uppercase();
    }
    Value::from(format!("0x{digits}"))
}
