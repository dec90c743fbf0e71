//! A client's half of a connection by hash.

use super::{client_hello, frame_id, frames};
use alloy_rlp::{Decodable, Header};
use snaplight_peer::{
    Hash,
    eth66::code,
    handshake,
    node_data::GetNodeData,
    session::{Outgoing, Phase, Server, Session},
    vice::Vice,
};
use std::sync::Arc;

/// The first id of eth/66.
pub(crate) const ETH: u64 = 0x10;

pub(crate) fn hello() -> Vec<u8> {
    client_hello(&[("eth", 66)])
}

pub(crate) fn status_frame(server: &Server) -> Vec<u8> {
    handshake::frame(ETH + code::STATUS, &server.status_by_hash().encode())
}

/// A session that is ready for requests.
pub(crate) fn ready(server: &Arc<Server>, vices: Vec<Vice>) -> Session {
    let mut session = Session::new(Arc::clone(server), vices);
    session.open();
    let status = status_frame(server);
    assert_eq!(
        session.on_frame(&hello()),
        [Outgoing::Frame(status.clone())]
    );
    assert_eq!(session.on_frame(&status), []);
    assert_eq!(session.phase(), Phase::Ready);
    session
}

/// A connection with one vice.
pub(crate) fn vicious(server: &Arc<Server>, vice: &str) -> Session {
    ready(server, vec![vice.parse().unwrap()])
}

pub(crate) fn request_frame(id: u64, hashes: &[Hash]) -> Vec<u8> {
    let hashes = hashes.to_vec();
    let request = GetNodeData { id, hashes };
    handshake::frame(ETH + code::GET_NODE_DATA, &request.encode())
}

/// The request id and the items of an answer. `None` if it is not RLP of the right form.
pub(crate) fn decode(frame: &[u8]) -> Option<(u64, Vec<Vec<u8>>)> {
    let mut buf = frame;
    if u64::decode(&mut buf).ok()? != ETH + code::NODE_DATA {
        return None;
    }
    let mut fields = Header::decode_bytes(&mut buf, true).ok()?;
    let id = u64::decode(&mut fields).ok()?;
    let mut list = Header::decode_bytes(&mut fields, true).ok()?;
    let mut items = Vec::new();
    while !list.is_empty() {
        items.push(Header::decode_bytes(&mut list, false).ok()?.to_vec());
    }
    (fields.is_empty() && buf.is_empty()).then_some((id, items))
}

/// Sends a request to a session. Returns the items of the one answer.
pub(crate) fn ask(session: &mut Session, id: u64, hashes: &[Hash]) -> Vec<Vec<u8>> {
    let frames = frames(session.on_frame(&request_frame(id, hashes)));
    assert_eq!(frames.len(), 1, "every request has exactly one answer");
    assert_eq!(frame_id(&frames[0]), ETH + code::NODE_DATA);
    let (answered, items) = decode(&frames[0]).unwrap();
    assert_eq!(answered, id);
    items
}
