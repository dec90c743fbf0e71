//! One connection's handshake and housekeeping: Hello, capability offsets, Status, Ping, Disconnect.

use super::eth::{BLOCK_HEADERS, BLOCK_RANGE_UPDATE, Head};
use super::rlp::{RlpReader, frame};
use super::{MAX_FRAME, PeerFault};
use crate::state::Network;

/// Message ids of the devp2p base protocol.
const HELLO: u64 = 0x00;
const DISCONNECT: u64 = 0x01;
const PING: u64 = 0x02;
const PONG: u64 = 0x03;
/// First message id of the first shared capability.
const BASE_LENGTH: u64 = 0x10;
/// Version of the devp2p base protocol that Hello names; 5 is the one with capability offsets and Snappy, and this
/// transport does without the latter.
const BASE_VERSION: u64 = 5;

/// Ids of eth that matter here, relative to the capability's offset.
const STATUS: u64 = 0x00;
const ETH_VERSION: u64 = 69;
/// How many message ids eth/69 and snap/1 take.
const ETH_LENGTH: u64 = 18;
const SNAP_LENGTH: u64 = 8;

/// What we offer: name, version, number of message ids. Sorted by name, as offsets are assigned.
const OFFERED: [(&str, u64, u64); 2] = [("eth", ETH_VERSION, ETH_LENGTH), ("snap", 1, SNAP_LENGTH)];

/// Largest frame of the base protocol, in bytes.
const MAX_BASE_FRAME: usize = 2048;
/// Longest client name kept, in bytes, so that a peer can't make us hold more.
const MAX_CLIENT_NAME: usize = 128;
/// Most capabilities read from a Hello; real nodes send fewer than ten.
const MAX_CAPABILITIES: usize = 64;

/// The state of one connection. Feed it every frame; it says what to do.
#[derive(Debug)]
pub struct Session {
    state: State,
    client: String,
    head: Option<Head>,
}

#[derive(Debug)]
enum State {
    ExpectHello,
    ExpectStatus(Offsets),
    Ready(Offsets),
}

/// Where the message ids of the two capabilities start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// eth/69.
    pub eth: u64,
    /// snap/1.
    pub snap: u64,
}

/// A message that answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// eth's BlockHeaders.
    Headers,
    /// snap's, by its id relative to the capability's offset.
    Snap(u64),
}

/// What a frame amounts to.
#[derive(Debug, PartialEq, Eq)]
pub enum SessionEvent<'a> {
    /// Nothing to do.
    None,
    /// Send this frame.
    Reply(Vec<u8>),
    /// Send this frame; the connection is ready for requests.
    Ready(Vec<u8>),
    /// A message that can answer a request, and its payload.
    Answer(Message, &'a [u8]),
}

impl Default for Session {
    fn default() -> Self {
        Session {
            state: State::ExpectHello,
            client: String::new(),
            head: None,
        }
    }
}

impl Session {
    /// The Hello to send as soon as the socket is open. `node_id` is 64 arbitrary bytes; without RLPx it proves nothing.
    pub fn hello(client: &str, node_id: &[u8; 64]) -> Vec<u8> {
        frame(HELLO, |hello| {
            hello.u64(BASE_VERSION).bytes(client.as_bytes());
            hello.list(|capabilities| {
                for (name, version, _) in OFFERED {
                    capabilities.list(|pair| {
                        pair.bytes(name.as_bytes()).u64(version);
                    });
                }
            });
            hello.u64(0).bytes(node_id);
        })
    }

    /// A Disconnect with a devp2p reason.
    pub fn disconnect(reason: u64) -> Vec<u8> {
        frame(DISCONNECT, |list| {
            list.u64(reason);
        })
    }

    /// A Ping.
    pub fn ping() -> Vec<u8> {
        frame(PING, |_| {})
    }

    /// Whether requests may be sent.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    /// Where message ids start, once the connection is ready.
    pub fn offsets(&self) -> Option<Offsets> {
        match self.state {
            State::Ready(offsets) => Some(offsets),
            _ => None,
        }
    }

    /// The newest block the peer says it has, once its Status came. Nothing proves it.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// The client name of the peer's Hello, empty before it came.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Judges one frame.
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
            (_, State::ExpectStatus(offsets)) if id == offsets.eth + STATUS => {
                self.head = Some(check_status(payload, network)?);
                self.state = State::Ready(*offsets);
                // Our Status is the peer's own, sent back: we have no chain to speak of.
                Ok(SessionEvent::Ready(bytes.to_vec()))
            }
            (_, State::Ready(Offsets { eth, .. }))
                if id > eth + STATUS && id < eth + ETH_LENGTH =>
            {
                self.receive_eth(id - eth, payload)
            }
            (_, State::Ready(Offsets { snap, .. })) if id >= *snap && id < snap + SNAP_LENGTH => {
                Ok(SessionEvent::Answer(Message::Snap(id - snap), payload))
            }
            _ => Err(PeerFault::UnknownMessage(id)),
        }
    }

    fn receive_eth<'a>(
        &mut self,
        id: u64,
        payload: &'a [u8],
    ) -> Result<SessionEvent<'a>, PeerFault> {
        match id {
            BLOCK_HEADERS => Ok(SessionEvent::Answer(Message::Headers, payload)),
            BLOCK_RANGE_UPDATE => {
                self.head = Some(Head::read(&mut RlpReader::list_of(payload)?)?);
                Ok(SessionEvent::None)
            }
            // A gateway's node may talk of blocks and transactions; none of that is ours.
            _ => Ok(SessionEvent::None),
        }
    }

    fn receive_hello<'a>(&mut self, payload: &[u8]) -> Result<SessionEvent<'a>, PeerFault> {
        let mut hello = RlpReader::list_of(payload)?;
        if hello.u64()? < BASE_VERSION {
            return Err(PeerFault::OldProtocol);
        }
        let client = hello.bytes()?;
        let mut capabilities = hello.list()?;
        let mut offered = Vec::new();
        while !capabilities.is_empty() {
            if offered.len() == MAX_CAPABILITIES {
                return Err(PeerFault::Malformed("Hello offers too many capabilities"));
            }
            let mut pair = capabilities.list()?;
            offered.push((pair.bytes()?, pair.u64()?));
        }
        let mut next = BASE_LENGTH;
        let mut offset_of = |index: usize| {
            let (name, version, length) = OFFERED[index];
            offered.contains(&(name.as_bytes(), version)).then(|| {
                let offset = next;
                next += length;
                offset
            })
        };
        let (Some(eth), Some(snap)) = (offset_of(0), offset_of(1)) else {
            return Err(PeerFault::NoSharedCapability);
        };
        self.client =
            String::from_utf8_lossy(&client[..client.len().min(MAX_CLIENT_NAME)]).into_owned();
        self.state = State::ExpectStatus(Offsets { eth, snap });
        Ok(SessionEvent::None)
    }
}

/// Status of eth/69: `[version, network id, genesis, [fork hash, fork next], earliest, latest, latest hash]`.
/// Yields the peer's head.
fn check_status(payload: &[u8], network: &Network) -> Result<Head, PeerFault> {
    let mut status = RlpReader::list_of(payload)?;
    if status.u64()? != ETH_VERSION {
        return Err(PeerFault::Malformed(
            "Status names another version of eth than was agreed",
        ));
    }
    let id = status.u64()?;
    let genesis = status.hash()?;
    if id != network.id {
        return Err(PeerFault::WrongNetwork(id));
    }
    if genesis != network.genesis {
        return Err(PeerFault::WrongGenesis(genesis));
    }
    status.list()?;
    Head::read(&mut status)
}

/// The reason in a Disconnect: a one-element list, or the bare number that some nodes send.
fn disconnect_reason(payload: &[u8]) -> u64 {
    let reason = RlpReader::list_of(payload).and_then(|mut list| list.u64());
    reason
        .or_else(|_| RlpReader::items(payload).u64())
        .unwrap_or(0)
}
