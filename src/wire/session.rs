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
        By::Snap => None,
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hash::Hash;

    const NETWORK: Network = Network {
        id: 1,
        genesis: Hash([7; 32]),
    };

    /// Version of eth beside snap.
    const ETH_VERSION: u64 = 69;

    fn ready() -> Session {
        let mut session = Session::new(By::Snap);
        let hello = Session::hello(By::Snap, "a peer", &[0; 64]);
        let event = session.receive(&hello, &NETWORK);
        assert_eq!(event, Ok(SessionEvent::None), "Hello");
        let status = frame(0x10, |status| {
            status.u64(ETH_VERSION).u64(NETWORK.id);
            status.bytes(&NETWORK.genesis.0);
            status.list(|fork| {
                fork.bytes(&[0; 4]).u64(0);
            });
            status.u64(0).u64(9).bytes(&[9; 32]);
        });
        let event = session.receive(&status, &NETWORK);
        assert_eq!(event, Ok(SessionEvent::Ready(status.clone())), "Status");
        assert_eq!(session.head().unwrap().number, Some(9));
        session
    }

    #[test]
    fn each_answer_is_recognised_by_its_id() {
        let mut session = ready();
        for (id, message) in [
            (0x14, Message::BlockHeaders),
            (0x23, Message::AccountRange),
            (0x25, Message::StorageRanges),
            (0x27, Message::ByteCodes),
            (0x29, Message::TrieNodes),
        ] {
            let answer = frame(id, |list| {
                list.u64(5);
            });
            let event = session.receive(&answer, &NETWORK);
            assert_eq!(event, Ok(SessionEvent::Answer(message, &[0xc1, 5])));
        }
    }

    fn ready_by_hash() -> (Session, Vec<u8>) {
        let mut session = Session::new(By::Hash);
        let hello = Session::hello(By::Hash, "a peer", &[0; 64]);
        let event = session.receive(&hello, &NETWORK);
        assert_eq!(event, Ok(SessionEvent::None), "Hello");
        let status = frame(0x10, |status| {
            status.u64(66).u64(NETWORK.id);
            status.bytes(&[0xc7; 10]);
            status.bytes(&[9; 32]).bytes(&NETWORK.genesis.0);
            status.list(|fork| {
                fork.bytes(&[0; 4]).u64(0);
            });
        });
        let event = session.receive(&status, &NETWORK);
        assert_eq!(event, Ok(SessionEvent::Ready(status.clone())), "Status");
        (session, status)
    }

    #[test]
    fn by_hash_the_head_has_no_number_until_the_peer_announces_blocks() {
        let (mut session, status) = ready_by_hash();
        let head = Head {
            number: None,
            hash: Hash([9; 32]),
        };
        assert_eq!(session.head(), Some(head));
        let announcement = frame(0x11, |blocks| {
            for number in [4, 7, 6] {
                blocks.list(|block| {
                    block.bytes(&[number as u8; 32]).u64(number);
                });
            }
        });
        let event = session.receive(&announcement, &NETWORK);
        assert_eq!(event, Ok(SessionEvent::None));
        let head = Head {
            number: Some(7),
            hash: Hash([7; 32]),
        };
        assert_eq!(session.head(), Some(head));
        let none = frame(0x11, |_| {});
        assert_eq!(session.receive(&none, &NETWORK), Ok(SessionEvent::None));
        assert_eq!(session.head(), Some(head));
        let again = session.receive(&status, &NETWORK);
        assert_eq!(again, Err(PeerFault::UnknownMessage(0x10)));
    }

    #[test]
    fn by_hash_node_data_and_headers_are_answers_and_there_is_nothing_beyond_eth_66() {
        let (mut session, _) = ready_by_hash();
        for (id, message) in [(0x14, Message::BlockHeaders), (0x1e, Message::NodeData)] {
            let answer = frame(id, |list| {
                list.u64(5);
            });
            let event = session.receive(&answer, &NETWORK);
            assert_eq!(event, Ok(SessionEvent::Answer(message, &[0xc1, 5])));
        }
        for id in (0x12..0x21).filter(|id| ![0x14, 0x1e].contains(id)) {
            let message = frame(id, |_| {});
            let event = session.receive(&message, &NETWORK);
            assert_eq!(event, Ok(SessionEvent::None), "{id:#x}");
        }
        let message = frame(0x21, |_| {});
        let beyond = session.receive(&message, &NETWORK);
        assert_eq!(beyond, Err(PeerFault::UnknownMessage(0x21)));
    }

    #[test]
    fn by_hash_a_status_of_another_chain_or_version_is_refused() {
        let status = |version: u64, id: u64, genesis: u8| {
            frame(0x10, |status| {
                status.u64(version).u64(id).u64(0);
                status.bytes(&[9; 32]).bytes(&[genesis; 32]).list(|_| {});
            })
        };
        for (status, fault) in [
            (status(69, 1, 7), PeerFault::WrongVersion(69)),
            (status(66, 2, 7), PeerFault::WrongNetwork(2)),
            (status(66, 1, 8), PeerFault::WrongGenesis(Hash([8; 32]))),
        ] {
            let mut session = Session::new(By::Hash);
            let hello = Session::hello(By::Hash, "a peer", &[0; 64]);
            assert_eq!(session.receive(&hello, &NETWORK), Ok(SessionEvent::None));
            assert_eq!(session.receive(&status, &NETWORK), Err(fault));
        }
    }

    #[test]
    fn a_second_status_and_an_id_beyond_the_capabilities_are_unknown_messages() {
        let mut session = ready();
        for id in [0x10, 0x2a] {
            let message = frame(id, |_| {});
            let fault = session.receive(&message, &NETWORK);
            assert_eq!(fault, Err(PeerFault::UnknownMessage(id)));
        }
    }

    #[test]
    fn a_request_of_snap_to_the_client_is_called_a_request_and_other_messages_of_eth_are_ignored() {
        let mut session = ready();
        for id in [0x22, 0x24, 0x26, 0x28] {
            let request = frame(id, |list| {
                list.u64(1);
            });
            let fault = session.receive(&request, &NETWORK).unwrap_err();
            assert_eq!(fault, PeerFault::RequestToClient(id));
            let words = "sent a request, which only a client may send";
            assert_eq!(fault.to_string(), words);
        }
        for id in (0x11..0x21).filter(|id| *id != 0x14) {
            let message = frame(id, |_| {});
            let event = session.receive(&message, &NETWORK);
            assert_eq!(event, Ok(SessionEvent::None), "{id:#x}");
        }
    }

    #[test]
    fn a_hello_is_not_judged_by_what_is_not_used_of_it() {
        let mut session = Session::new(By::Snap);
        let hello = frame(HELLO, |hello| {
            hello.u64(6).bytes(&[b'x'; 300]);
            hello.list(|capabilities| {
                for name in ["a-name-of-more-than-eight-bytes", "", "eth", "snap"] {
                    for version in [1, ETH_VERSION, u64::MAX] {
                        capabilities.list(|pair| {
                            pair.bytes(name.as_bytes()).u64(version);
                        });
                    }
                }
                for version in 0..60 {
                    capabilities.list(|pair| {
                        pair.bytes(b"les").u64(version);
                    });
                }
            });
            hello.bytes(b"no port").bytes(&[1; 3]).list(|_| {});
        });
        assert_eq!(session.receive(&hello, &NETWORK), Ok(SessionEvent::None));
        assert_eq!(session.client().len(), MAX_CLIENT_NAME);
    }

    #[test]
    fn a_status_of_another_version_is_that_of_a_useless_peer() {
        let mut session = Session::new(By::Snap);
        let hello = Session::hello(By::Snap, "a peer", &[0; 64]);
        assert_eq!(session.receive(&hello, &NETWORK), Ok(SessionEvent::None));
        let status = frame(0x10, |status| {
            status.u64(70);
        });
        let fault = session.receive(&status, &NETWORK).unwrap_err();
        assert_eq!(fault, PeerFault::WrongVersion(70));
        assert_eq!(fault.close_code(), 4003);
    }

    #[test]
    fn a_block_range_whose_first_block_is_after_its_last_is_malformed() {
        let mut session = ready();
        let update = |earliest, latest| {
            frame(0x21, |range| {
                range.u64(earliest).u64(latest).bytes(&[9; 32]);
            })
        };
        let good = update(12, 12);
        assert_eq!(session.receive(&good, &NETWORK), Ok(SessionEvent::None));
        let fault = session.receive(&update(13, 12), &NETWORK).unwrap_err();
        assert_eq!(fault.code(), "malformed");
        assert_eq!(session.head().unwrap().number, Some(12));
    }

    #[test]
    fn a_large_message_of_the_base_protocol_is_an_oversized_frame() {
        let large = frame(PING, |list| {
            list.bytes(&[0; MAX_BASE_FRAME]);
        });
        let fault = ready().receive(&large, &NETWORK).unwrap_err();
        let bytes = large.len();
        assert_eq!(fault, PeerFault::OversizedFrame { bytes });
        assert!(fault.to_string().ends_with("the limit of 2048 bytes"));
    }
}
