//! What the tests share: a client's half of the handshake, and the decoding of answers. It uses
//! alloy-rlp alone and not the crate's own functions.

#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod by_hash;
pub(crate) mod truth;

use alloy_rlp::{Decodable, Header};
use alloy_trie::{Nibbles, proof::verify_proof};
use snaplight_peer::{
    Hash,
    handshake::{self, Hello, id},
    session::{Outgoing, Phase, Server, Session},
    snap::Request,
    trie::Trie,
    vice::Vice,
};
use std::sync::Arc;

/// The first ids if eth/69 and snap/1 are shared.
pub(crate) const ETH: u64 = 0x10;
pub(crate) const SNAP: u64 = 0x22;

pub(crate) fn client_hello(capabilities: &[(&str, u64)]) -> Vec<u8> {
    let hello = Hello {
        version: 5,
        name: b"test".to_vec(),
        capabilities: capabilities
            .iter()
            .map(|(n, v)| (n.as_bytes().to_vec(), *v))
            .collect(),
        node_id: [0x11; 64],
    };
    handshake::frame(id::HELLO, &hello.encode())
}

pub(crate) fn status_frame(server: &Server) -> Vec<u8> {
    handshake::frame(ETH, &server.status().encode())
}

/// A session that is ready for requests.
pub(crate) fn ready(server: &Arc<Server>, vices: Vec<Vice>) -> Session {
    let mut session = Session::new(Arc::clone(server), vices);
    session.open();
    let status = session.on_frame(&client_hello(&[("eth", 69), ("snap", 1)]));
    assert_eq!(status, [Outgoing::Frame(status_frame(server))]);
    assert_eq!(session.on_frame(&status_frame(server)), []);
    assert_eq!(session.phase(), Phase::Ready);
    session
}

pub(crate) fn request_frame(request: &Request) -> Vec<u8> {
    let code = match request {
        Request::Accounts(_) => 0,
        Request::Storage(_) => 2,
        Request::Codes(_) => 4,
        Request::Nodes(_) => 6,
    };
    handshake::frame(SNAP + code, &request.encode())
}

pub(crate) fn frames(outgoing: Vec<Outgoing>) -> Vec<Vec<u8>> {
    outgoing
        .into_iter()
        .filter_map(|out| match out {
            Outgoing::Frame(frame) => Some(frame),
            _ => None,
        })
        .collect()
}

pub(crate) fn frame_id(frame: &[u8]) -> u64 {
    u64::decode(&mut &*frame).unwrap()
}

/// A decoded answer. Nodes and codes are in `proof`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    pub(crate) code: u64,
    pub(crate) id: u64,
    pub(crate) sets: Vec<Vec<(Hash, Vec<u8>)>>,
    pub(crate) proof: Vec<Vec<u8>>,
}

impl Answer {
    /// `None` if it is not RLP of the right form.
    pub(crate) fn decode(frame: &[u8]) -> Option<Answer> {
        let mut buf = frame;
        let code = u64::decode(&mut buf).ok()?.checked_sub(SNAP)?;
        let mut fields = Header::decode_bytes(&mut buf, true).ok()?;
        let id = u64::decode(&mut fields).ok()?;
        let mut sets = Vec::new();
        if code == 1 || code == 3 {
            let mut list = Header::decode_bytes(&mut fields, true).ok()?;
            if code == 1 {
                sets.push(items(list, true)?);
            }
            while code == 3 && !list.is_empty() {
                sets.push(items(Header::decode_bytes(&mut list, true).ok()?, false)?);
            }
        }
        let mut list = Header::decode_bytes(&mut fields, true).ok()?;
        let mut proof = Vec::new();
        while !list.is_empty() {
            proof.push(Header::decode_bytes(&mut list, false).ok()?.to_vec());
        }
        (fields.is_empty() && buf.is_empty()).then_some(Answer {
            code,
            id,
            sets,
            proof,
        })
    }

    pub(crate) fn keys(&self) -> Vec<Hash> {
        self.sets.iter().flatten().map(|(key, _)| *key).collect()
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.keys().is_empty() && self.proof.is_empty()
    }
}

fn items(mut list: &[u8], embedded: bool) -> Option<Vec<(Hash, Vec<u8>)>> {
    let mut items = Vec::new();
    while !list.is_empty() {
        let mut item = Header::decode_bytes(&mut list, true).ok()?;
        let key = Header::decode_bytes(&mut item, false)
            .ok()?
            .try_into()
            .ok()?;
        let value = if embedded {
            let whole = item;
            Header::decode_bytes(&mut item, true).ok()?;
            whole
        } else {
            Header::decode_bytes(&mut item, false).ok()?
        };
        items.push((key, value.to_vec()));
        item.is_empty().then_some(())?;
    }
    Some(items)
}

/// Sends a request to a session and decodes the one answer.
pub(crate) fn ask(session: &mut Session, request: &Request) -> Answer {
    let frames = frames(session.on_frame(&request_frame(request)));
    assert_eq!(frames.len(), 1, "every request has exactly one answer");
    Answer::decode(&frames[0]).unwrap()
}

/// Checks that the proof has the whole path to `key`, and that alloy-trie finds the same there.
pub(crate) fn assert_proves(trie: &Trie, proof: &[Vec<u8>], key: &Hash, value: Option<Vec<u8>>) {
    let path = trie.path_to(key);
    assert!(
        path.iter().all(|node| proof.contains(node)),
        "a node of the path is missing"
    );
    let nodes: Vec<_> = path.into_iter().map(Into::into).collect();
    verify_proof(trie.root().into(), Nibbles::unpack(key), value, &nodes).unwrap();
}

/// A hash plus a number.
pub(crate) fn plus(hash: &Hash, add: i32) -> Hash {
    let mut sum = *hash;
    let mut carry = i64::from(add);
    for byte in sum.iter_mut().rev() {
        carry += i64::from(*byte);
        *byte = carry.rem_euclid(256) as u8;
        carry = carry.div_euclid(256);
    }
    sum
}

pub(crate) fn word(value: u64) -> Hash {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

pub(crate) fn hex(hash: &Hash) -> String {
    let put = |text: String, byte: &u8| text + &format!("{byte:02x}");
    hash.iter().fold(String::new(), put)
}
