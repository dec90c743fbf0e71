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
use super::{Answer, MAX_ANNOUNCEMENT, MAX_BASE_FRAME, MAX_FRAME, PeerFault};
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

/// What a frame is, judged by its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Beginning {
    /// A message that each side sends once: Hello, Status, Disconnect. [`Session::receive`] takes it.
    Session,
    /// A small message that nobody asked for: a Ping, a Pong, a reserved message, a new head.
    /// [`Session::receive`] takes it.
    Unasked,
    /// A message that is not used, whatever is in it.
    Ignored,
    /// It answers the request with this id, if that is open. [`Session::receive`] takes it.
    Answer(Message, u64),
}

/// What a message is.
#[derive(Clone, Copy)]
enum Kind {
    Hello,
    Disconnect,
    Status,
    Ping,
    /// A Pong, or a reserved message.
    Spare,
    /// It announces blocks.
    Head,
    Answer(Message),
    Ignored,
}

impl Kind {
    /// The longest frame of this kind, in bytes.
    fn longest(self) -> usize {
        match self {
            Kind::Hello | Kind::Disconnect | Kind::Status | Kind::Ping | Kind::Spare => {
                MAX_BASE_FRAME
            }
            Kind::Head => MAX_ANNOUNCEMENT,
            Kind::Answer(_) | Kind::Ignored => MAX_FRAME,
        }
    }
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

    /// Judges a frame by its length and its first [`HEAD`](super::HEAD) bytes (all of them, of a
    /// shorter one), so that nobody has to hold what will not be read.
    ///
    /// # Errors
    /// The rule that the peer breaks with it.
    pub fn judge(&self, length: usize, head: &[u8]) -> Result<Beginning, PeerFault> {
        let (id, payload) = split(length, head)?;
        let kind = self.kind(id, length)?;
        if length > kind.longest() {
            return Err(PeerFault::OversizedFrame { bytes: length });
        }
        Ok(match kind {
            Kind::Hello | Kind::Disconnect | Kind::Status => Beginning::Session,
            Kind::Ping | Kind::Spare | Kind::Head => Beginning::Unasked,
            Kind::Ignored => Beginning::Ignored,
            Kind::Answer(message) => Beginning::Answer(message, Answer::id_in(payload)?),
        })
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
        let (id, payload) = split(bytes.len(), bytes)?;
        let kind = self.kind(id, bytes.len())?;
        if bytes.len() > kind.longest() {
            return Err(PeerFault::OversizedFrame { bytes: bytes.len() });
        }
        match (kind, &self.state) {
            (Kind::Hello, _) => self.receive_hello(payload),
            (Kind::Disconnect, _) => Err(PeerFault::Disconnected(disconnect_reason(payload))),
            (Kind::Ping, _) => Ok(SessionEvent::Reply(frame(PONG, |_| {}))),
            (Kind::Status, State::ExpectStatus(offsets)) => {
                self.head = Some(check_status(self.by, payload, network)?);
                self.state = State::Ready(*offsets);
                // We have no chain of our own, so our Status is the peer's, sent back.
                Ok(SessionEvent::Ready(bytes.to_vec()))
            }
            (Kind::Head, _) => {
                let mut fields = RlpReader::list_of(payload)?;
                self.head = match self.by {
                    By::Hash => Head::announced(&mut fields)?.or(self.head),
                    By::Snap | By::Rpc => Some(Head::read(&mut fields)?),
                };
                Ok(SessionEvent::None)
            }
            (Kind::Answer(message), _) => Ok(SessionEvent::Answer(message, payload)),
            (Kind::Spare | Kind::Ignored | Kind::Status, _) => Ok(SessionEvent::None),
        }
    }

    /// What a message with this id, in a frame of this length, is now.
    fn kind(&self, id: u64, length: usize) -> Result<Kind, PeerFault> {
        if id < BASE_LENGTH && length > MAX_BASE_FRAME {
            return Err(PeerFault::OversizedFrame { bytes: length });
        }
        match (id, &self.state) {
            (HELLO, State::ExpectHello) => Ok(Kind::Hello),
            (DISCONNECT, _) => Ok(Kind::Disconnect),
            (_, State::ExpectHello) | (HELLO, _) => Err(PeerFault::HelloExpected),
            (PING, _) => Ok(Kind::Ping),
            (PONG..BASE_LENGTH, _) => Ok(Kind::Spare),
            (_, State::ExpectStatus(offsets)) if id == offsets.eth(STATUS) => Ok(Kind::Status),
            (_, State::Ready(offsets)) => match (offsets.resolve(id), self.by) {
                (None | Some(MessageId::Eth(STATUS)), _) => Err(PeerFault::UnknownMessage(id)),
                (Some(MessageId::Eth(BLOCK_HEADERS)), _) => Ok(Kind::Answer(Message::BlockHeaders)),
                (Some(MessageId::Eth(NODE_DATA)), By::Hash) => Ok(Kind::Answer(Message::NodeData)),
                (Some(MessageId::Eth(BLOCK_RANGE_UPDATE)), By::Snap)
                | (Some(MessageId::Eth(NEW_BLOCK_HASHES)), By::Hash) => Ok(Kind::Head),
                // The node behind a gateway may send blocks, transactions, and requests of its own.
                // None of that is used.
                (Some(MessageId::Eth(_)), _) => Ok(Kind::Ignored),
                (Some(MessageId::Snap(code)), _) => match answer_with_id(code) {
                    Some(answer) => Ok(Kind::Answer(answer)),
                    None => Err(PeerFault::RequestToClient(id)),
                },
            },
            _ => Err(PeerFault::UnknownMessage(id)),
        }
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

/// The message id of a frame of this length, and what comes behind it in its beginning.
fn split(length: usize, beginning: &[u8]) -> Result<(u64, &[u8]), PeerFault> {
    if length > MAX_FRAME {
        return Err(PeerFault::OversizedFrame { bytes: length });
    }
    let mut message = RlpReader::items(beginning);
    let id = message
        .u64()
        .map_err(|_| PeerFault::Malformed("a frame does not start with a message id"))?;
    Ok((id, message.rest()))
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
