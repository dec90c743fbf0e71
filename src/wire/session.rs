//! One connection's handshake and base messages (devp2p `rlpx.md`, "p2p Capability"; how they go
//! over a WebSocket: `docs/websocket-peers.md`, sections 2 to 5).
//!
//! - Hello: `[version, client name, [[capability, version], ...], listen port, node id]`
//! - Disconnect: `[reason]`
//! - Ping and Pong: `[]`
//! - Status of eth/69 (EIP-7642): `[version, network id, genesis hash, [fork hash, fork next],
//!   earliest block, latest block, latest block's hash]`
//! - Status of eth/66 (devp2p `caps/eth.md`): `[version, network id, total difficulty, head's hash,
//!   genesis hash, [fork hash, fork next]]`

use super::capabilities::{BASE_LENGTH, By, MessageId, Offsets};
use super::eth::{BLOCK_HEADERS, BLOCK_RANGE_UPDATE, Head, NEW_BLOCK_HASHES, NODE_DATA, STATUS};
use super::message::Message;
use super::rlp::{RlpReader, frame};
use super::snap::answer_with_id;
use super::{MAX_BASE_FRAME, MAX_FRAME, PeerFault};
use crate::state::Network;

/// Message ids of the base protocol.
const HELLO: u64 = 0x00;
const DISCONNECT: u64 = 0x01;
const PING: u64 = 0x02;
const PONG: u64 = 0x03;

/// Version of the base protocol that our Hello names. Version 5 brought Snappy compression to RLPx
/// (EIP-706), which this transport does without.
const BASE_VERSION: u64 = 5;

/// How much of a peer's client name is kept, in bytes. It is shown to people. Chosen without a
/// measurement: go-ethereum's name has some 50 bytes.
const MAX_CLIENT_NAME: usize = 128;

/// The state of one connection. It takes every frame that comes and says what follows from it.
#[derive(Debug)]
pub struct Session {
    by: By,
    state: State,
    /// At most [`MAX_CLIENT_NAME`] bytes of the peer's Hello, three times that if none of them is
    /// UTF-8.
    client: String,
    head: Option<Head>,
}

#[derive(Debug)]
enum State {
    /// The peer's Hello has not come.
    ExpectHello,
    /// The Hello has come, the peer's Status has not.
    ExpectStatus(Offsets),
    /// Both have come: requests may be sent.
    Ready(Offsets),
}

/// What follows from a frame.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent<'a> {
    /// Nothing to do.
    None,
    /// Send this frame.
    Reply(Vec<u8>),
    /// Send this frame. The connection is ready for requests now.
    Ready(Vec<u8>),
    /// The message may answer a request. Its payload is `[request id, content...]`.
    Answer(Message, &'a [u8]),
}

impl Session {
    /// A connection that has just been opened.
    pub fn new(by: By) -> Session {
        Session {
            by,
            state: State::ExpectHello,
            client: String::new(),
            head: None,
        }
    }

    /// The frame of our Hello, to be sent as soon as the socket is open. `client` is a name of at
    /// most 256 bytes. `node_id` is 64 arbitrary bytes: without RLPx it proves nothing.
    pub fn hello(by: By, client: &str, node_id: &[u8; 64]) -> Vec<u8> {
        frame(HELLO, |hello| {
            hello.u64(BASE_VERSION).bytes(client.as_bytes());
            hello.list(|capabilities| {
                for (name, version) in by.offered() {
                    capabilities.list(|pair| {
                        pair.bytes(name.as_bytes()).u64(*version);
                    });
                }
            });
            // We listen on no port.
            hello.u64(0).bytes(node_id);
        })
    }

    /// The frame of a Disconnect, with a reason of [`PeerFault::reason`]'s.
    pub fn disconnect(reason: u64) -> Vec<u8> {
        frame(DISCONNECT, |list| {
            list.u64(reason);
        })
    }

    /// The frame of a Ping.
    pub fn ping() -> Vec<u8> {
        frame(PING, |_| {})
    }

    /// What kind of connection it is.
    pub fn by(&self) -> By {
        self.by
    }

    /// Whether requests may be sent.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    /// Where the message ids of the capabilities start, once the connection is ready.
    pub fn offsets(&self) -> Option<Offsets> {
        match self.state {
            State::Ready(offsets) => Some(offsets),
            _ => None,
        }
    }

    /// The newest block that the peer says it has, once its Status has come. Nothing proves it.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// The client name in the peer's Hello; empty before it has come. The peer chooses it freely.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Takes one frame: `RLP(message id)`, then `RLP(payload)`. Of what nothing follows from, the
    /// payload is not looked at.
    ///
    /// # Errors
    /// The rule that the peer breaks with it, or [`PeerFault::Disconnected`].
    pub fn receive<'a>(
        &mut self,
        bytes: &'a [u8],
        network: &Network,
    ) -> Result<SessionEvent<'a>, PeerFault> {
        if bytes.len() > MAX_FRAME {
            return Err(PeerFault::OversizedFrame { bytes: bytes.len() });
        }
        let mut message = RlpReader::items(bytes);
        let id = message
            .u64()
            .map_err(|_| PeerFault::Malformed("a frame does not start with a message id"))?;
        let payload = message.rest();
        if id < BASE_LENGTH && bytes.len() > MAX_BASE_FRAME {
            return Err(PeerFault::OversizedFrame { bytes: bytes.len() });
        }
        match (id, &self.state) {
            (HELLO, State::ExpectHello) => self.receive_hello(payload),
            (DISCONNECT, _) => Err(PeerFault::Disconnected(disconnect_reason(payload))),
            (_, State::ExpectHello) | (HELLO, _) => Err(PeerFault::HelloExpected),
            (PING, _) => Ok(SessionEvent::Reply(frame(PONG, |_| {}))),
            (PONG..BASE_LENGTH, _) => Ok(SessionEvent::None),
            (_, State::ExpectStatus(offsets)) if id == offsets.eth(STATUS) => {
                self.head = Some(check_status(self.by, payload, network)?);
                self.state = State::Ready(*offsets);
                // We have no chain of our own, so our Status is the peer's, sent back.
                Ok(SessionEvent::Ready(bytes.to_vec()))
            }
            (_, State::Ready(offsets)) => {
                let known = match offsets.resolve(id) {
                    Some(MessageId::Eth(id)) => self.receive_eth(id, payload)?,
                    Some(MessageId::Snap(code)) => match answer_with_id(code) {
                        Some(answer) => Some(SessionEvent::Answer(answer, payload)),
                        None => return Err(PeerFault::RequestToClient(id)),
                    },
                    None => None,
                };
                known.ok_or(PeerFault::UnknownMessage(id))
            }
            _ => Err(PeerFault::UnknownMessage(id)),
        }
    }

    /// `None` if the message may not come. Not inlined, which makes the module a kilobyte smaller.
    #[inline(never)]
    fn receive_eth<'a>(
        &mut self,
        id: u64,
        payload: &'a [u8],
    ) -> Result<Option<SessionEvent<'a>>, PeerFault> {
        Ok(match (id, self.by) {
            (STATUS, _) => None,
            (BLOCK_HEADERS, _) => Some(SessionEvent::Answer(Message::BlockHeaders, payload)),
            (NODE_DATA, By::Hash) => Some(SessionEvent::Answer(Message::NodeData, payload)),
            (BLOCK_RANGE_UPDATE, By::Snap) => {
                self.head = Some(Head::read(&mut RlpReader::list_of(payload)?)?);
                Some(SessionEvent::None)
            }
            (NEW_BLOCK_HASHES, By::Hash) => {
                let announced = Head::announced(&mut RlpReader::list_of(payload)?)?;
                self.head = announced.or(self.head);
                Some(SessionEvent::None)
            }
            // The node behind a gateway may send blocks, transactions, and requests of its own. None
            // of that is used.
            _ => Some(SessionEvent::None),
        })
    }

    fn receive_hello<'a>(&mut self, payload: &[u8]) -> Result<SessionEvent<'a>, PeerFault> {
        let mut hello = RlpReader::list_of(payload)?;
        if hello.u64()? < BASE_VERSION {
            return Err(PeerFault::OldProtocol);
        }
        let client = hello.bytes()?;
        let mut capabilities = hello.list()?;
        // Bound: what fits into a frame of MAX_BASE_FRAME bytes.
        let mut theirs = Vec::new();
        while !capabilities.is_empty() {
            let mut pair = capabilities.list()?;
            theirs.push((pair.bytes()?, pair.u64()?));
        }
        let offsets =
            Offsets::agree(self.by, &theirs).ok_or(PeerFault::NoSharedCapability(self.by))?;
        self.client =
            String::from_utf8_lossy(&client[..client.len().min(MAX_CLIENT_NAME)]).into_owned();
        self.state = State::ExpectStatus(offsets);
        Ok(SessionEvent::None)
    }
}

/// Checks that a Status names our version of eth, network and genesis block. Returns the peer's
/// head.
fn check_status(by: By, payload: &[u8], network: &Network) -> Result<Head, PeerFault> {
    let mut status = RlpReader::list_of(payload)?;
    let version = status.u64()?;
    if version != by.eth_version() {
        return Err(PeerFault::WrongVersion(version));
    }
    let id = status.u64()?;
    let head = match by {
        By::Snap | By::Rpc => None,
        By::Hash => {
            // The total difficulty says nothing to us. Mainnet's has more than 64 bits.
            status.bytes()?;
            let hash = status.hash()?;
            Some(Head { number: None, hash })
        }
    };
    let genesis = status.hash()?;
    if id != network.id {
        return Err(PeerFault::WrongNetwork(id));
    }
    if genesis != network.genesis {
        return Err(PeerFault::WrongGenesis(genesis));
    }
    status.list()?;
    match head {
        Some(head) => Ok(head),
        None => Head::read(&mut status),
    }
}

/// The reason in a Disconnect: `[reason]`, or the bare number that some nodes send. 0 if there is
/// neither.
fn disconnect_reason(payload: &[u8]) -> u64 {
    let reason = RlpReader::list_of(payload).and_then(|mut list| list.u64());
    reason
        .or_else(|_| RlpReader::items(payload).u64())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
