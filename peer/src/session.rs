//! One connection without a socket: frames in, frames out. The module `net` has the sockets. Tests
//! of a client drive a session by hand, in one process and without a clock.

pub use crate::{outgoing::Outgoing, server::Server};

use crate::{
    block::{self, GetBlockHeaders},
    eth66,
    handshake::{self, By, Hello, Offer, Reason, Shared, Status, eth, id},
    node_data::GetNodeData,
    snap,
    vice::{Fault, Vice, Vices},
};
use std::{sync::Arc, time::Duration};

/// How far a connection has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the client's Hello.
    Hello,
    /// Waiting for the client's Status.
    Status,
    /// Answering requests.
    Ready,
    /// Closed.
    Closed,
}

/// The serving side of one connection.
#[derive(Debug)]
pub struct Session {
    server: Arc<Server>,
    vices: Vices,
    phase: Phase,
    offer: Offer,
    /// Settled by the client's Hello.
    by: By,
    shared: Vec<Shared>,
    node_id: [u8; 64],
    /// A Ping was sent, and nothing has arrived since.
    pinged: bool,
}

/// How long the client's Hello and Status may take together, from the opening on. The protocol's.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(30);
/// Silence after which a Ping is sent, and after which again the connection ends. The protocol's.
const SILENCE: Duration = Duration::from_secs(15);

const EMPTY_LIST: &[u8] = &[0xc0];

impl Session {
    /// A connection that is about to open. Without vices it is honest.
    #[must_use]
    pub fn new(server: Arc<Server>, vices: Vec<Vice>) -> Session {
        let head = server.states().head().map(|state| state.root());
        Session {
            server,
            vices: Vices::new(vices, head),
            phase: Phase::Hello,
            offer: Offer::default(),
            by: By::Snap,
            shared: Vec::new(),
            node_id: [0x22; 64],
            pinged: false,
        }
    }

    /// The same connection with another node id (64 bytes without a meaning).
    #[must_use]
    pub fn with_node_id(mut self, node_id: [u8; 64]) -> Session {
        self.node_id = node_id;
        self
    }

    /// The same connection of a server that offers this.
    #[must_use]
    pub fn offering(mut self, offer: Offer) -> Session {
        self.offer = offer;
        self
    }

    /// How far the connection has got.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// How long it takes until `on_silence` is called. During the handshake the time runs from the
    /// opening, later from the last frame, or from the moment in which its answer has left.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match self.phase {
            Phase::Hello | Phase::Status => HANDSHAKE_PATIENCE,
            Phase::Ready | Phase::Closed => SILENCE,
        }
    }

    /// The WebSocket is open.
    pub fn open(&mut self) -> Vec<Outgoing> {
        if self.vices.has(&Fault::TooManyPeers) {
            return self.disconnect(Reason::TooManyPeers);
        }
        if self.is_mute() {
            return Vec::new();
        }
        let hello = Hello {
            version: handshake::P2P_VERSION,
            name: self.server.name().as_bytes().to_vec(),
            capabilities: self
                .capabilities()
                .iter()
                .map(|(name, version)| (name.as_bytes().to_vec(), *version))
                .collect(),
            node_id: self.node_id,
        };
        vec![Outgoing::Frame(handshake::frame(
            id::HELLO,
            &hello.encode(),
        ))]
    }

    /// A binary frame has arrived.
    pub fn on_frame(&mut self, frame: &[u8]) -> Vec<Outgoing> {
        self.pinged = false;
        if self.phase == Phase::Closed || self.is_mute() {
            return Vec::new();
        }
        if frame.len() > handshake::FRAME_LIMIT {
            return self.on_oversized();
        }
        match handshake::split(frame) {
            None => self.disconnect(Reason::Breach),
            Some((id, _))
                if id < handshake::CAPABILITIES_FROM
                    && frame.len() > handshake::BASE_FRAME_LIMIT =>
            {
                self.disconnect(Reason::Breach)
            }
            Some((id::DISCONNECT, _)) => self.close(1000),
            Some((id::HELLO, payload)) if self.phase == Phase::Hello => self.on_hello(payload),
            _ if self.phase == Phase::Hello => self.disconnect(Reason::Breach),
            Some((id::HELLO, _)) => self.disconnect(Reason::Breach),
            Some((id::PING, _)) if self.vices.has(&Fault::NoPong) => Vec::new(),
            Some((id::PING, _)) => vec![Outgoing::Frame(handshake::frame(id::PONG, EMPTY_LIST))],
            Some((id, _)) if id < handshake::CAPABILITIES_FROM => Vec::new(),
            Some((id, payload)) => self.on_capability(id, payload),
        }
    }

    /// A text frame has arrived.
    pub fn on_text(&mut self) -> Vec<Outgoing> {
        self.close(handshake::CLOSE_TEXT)
    }

    /// A frame above the limit has arrived, or its beginning.
    pub fn on_oversized(&mut self) -> Vec<Outgoing> {
        self.close(handshake::CLOSE_OVERSIZED)
    }

    /// Nothing has arrived for `patience`, or the handshake has not ended in that time.
    pub fn on_silence(&mut self) -> Vec<Outgoing> {
        match self.phase {
            Phase::Closed => Vec::new(),
            _ if self.is_mute() => Vec::new(),
            Phase::Ready if !self.pinged => {
                self.pinged = true;
                vec![Outgoing::Frame(handshake::frame(id::PING, EMPTY_LIST))]
            }
            _ => self.disconnect(Reason::Timeout),
        }
    }

    /// The server has a new head. During the handshake nothing is sent about it: the Status will
    /// say it.
    pub fn on_head(&mut self) -> Vec<Outgoing> {
        if self.phase != Phase::Ready || self.vices.has(&Fault::Stuck) {
            return Vec::new();
        }
        let (code, payload) = match self.by {
            By::Snap => (eth::BLOCK_RANGE_UPDATE, self.server.status().encode_range()),
            By::Hash => {
                let head = Arc::clone(self.server.blocks().head());
                let payload = eth66::put_new_block(&head.hash, head.header.number);
                (eth66::code::NEW_BLOCK_HASHES, payload)
            }
        };
        vec![self.eth_frame(code, &payload)]
    }

    /// This side ends the connection.
    pub fn disconnect(&mut self, reason: Reason) -> Vec<Outgoing> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        self.phase = Phase::Closed;
        vec![
            Outgoing::Frame(reason.frame()),
            Outgoing::Close(reason.close_code()),
        ]
    }

    /// A vice says that nothing more is ever sent.
    fn is_mute(&self) -> bool {
        self.vices.has(&Fault::NoHello)
            || self.phase == Phase::Status && self.vices.has(&Fault::NoStatus)
    }

    fn close(&mut self, code: u16) -> Vec<Outgoing> {
        self.phase = Phase::Closed;
        vec![Outgoing::Close(code)]
    }

    fn capabilities(&self) -> &'static [(&'static str, u64)] {
        let all = self.offer.capabilities();
        // Snap is the last one of a list.
        match all {
            [others @ .., ("snap", _)] if self.vices.has(&Fault::NoSnap) => others,
            all => all,
        }
    }

    fn on_hello(&mut self, payload: &[u8]) -> Vec<Outgoing> {
        let Some(hello) = Hello::decode(payload) else {
            return self.disconnect(Reason::Breach);
        };
        if hello.version < handshake::P2P_VERSION {
            return self.disconnect(Reason::Incompatible);
        }
        self.shared = handshake::share(self.capabilities(), &hello.capabilities);
        let Some(by) = handshake::by(&self.shared) else {
            return self.disconnect(Reason::Useless);
        };
        self.by = by;
        self.phase = Phase::Status;
        if self.vices.has(&Fault::NoStatus) {
            return Vec::new();
        }
        // Both Status messages have code 0.
        vec![self.eth_frame(eth::STATUS, &self.status())]
    }

    /// The payload of the Status that this side sends.
    fn status(&self) -> Vec<u8> {
        let mut status = self.server.status();
        let mut by_hash = self.server.status_by_hash();
        if self.vices.has(&Fault::WrongNetwork) {
            status.network_id = status.network_id.wrapping_add(1);
            by_hash.network_id = status.network_id;
        }
        if self.vices.has(&Fault::WrongGenesis) {
            status.genesis[0] ^= 1;
            by_hash.genesis = status.genesis;
        }
        match self.by {
            By::Snap => status.encode(),
            By::Hash => by_hash.encode(),
        }
    }

    fn on_capability(&mut self, id: u64, payload: &[u8]) -> Vec<Outgoing> {
        let owner = self
            .shared
            .iter()
            .find(|shared| (shared.from..shared.from + shared.len).contains(&id));
        match owner {
            Some(Shared {
                capability: ("eth", _),
                from,
                ..
            }) => self.on_eth(id - from, payload),
            Some(Shared { from, .. }) if self.phase == Phase::Ready => {
                self.on_request(*from, id - from, payload)
            }
            _ => self.disconnect(Reason::Breach),
        }
    }

    fn on_eth(&mut self, code: u64, payload: &[u8]) -> Vec<Outgoing> {
        match (self.phase, code) {
            (Phase::Status, eth::STATUS) => self.on_status(payload),
            (Phase::Ready, eth::GET_BLOCK_HEADERS) => match GetBlockHeaders::decode(payload) {
                None => self.disconnect(Reason::Breach),
                Some(request) => self.on_headers_request(&request),
            },
            (Phase::Ready, eth66::code::GET_NODE_DATA) if self.by == By::Hash => {
                match GetNodeData::decode(payload) {
                    None => self.disconnect(Reason::Breach),
                    Some(request) => self.on_node_data_request(&request),
                }
            }
            // Answers to a server that asks nothing.
            (Phase::Ready, eth::BLOCK_HEADERS) => self.disconnect(Reason::Breach),
            (Phase::Ready, eth66::code::NODE_DATA) if self.by == By::Hash => {
                self.disconnect(Reason::Breach)
            }
            (Phase::Ready, code) if code != eth::STATUS => Vec::new(),
            _ => self.disconnect(Reason::Breach),
        }
    }

    fn on_status(&mut self, payload: &[u8]) -> Vec<Outgoing> {
        let told = match self.by {
            By::Snap => Status::decode(payload).map(|status| {
                let network = (status.network_id, status.genesis);
                status.version == 69 && network == self.server.network()
            }),
            By::Hash => eth66::Status::decode(payload).map(|status| {
                let network = (status.network_id, status.genesis);
                status.version == 66 && network == self.server.network()
            }),
        };
        match told {
            None => self.disconnect(Reason::Breach),
            Some(false) => self.disconnect(Reason::Useless),
            Some(true) => {
                self.phase = Phase::Ready;
                // The client's Status repeats ours. If our head has moved since, the client does
                // not know the new one yet.
                match payload == self.status() {
                    true => Vec::new(),
                    false => self.on_head(),
                }
            }
        }
    }

    fn on_headers_request(&mut self, request: &GetBlockHeaders) -> Vec<Outgoing> {
        let blocks = self.server.blocks();
        let eth = self.first_id("eth");
        let outgoing = if self.vices.is_honest() {
            let headers: Vec<_> = blocks.answer(request);
            let encoded: Vec<_> = headers.iter().map(|block| &block.encoded).collect();
            let payload = block::put_headers(request.id, &encoded);
            vec![self.eth_frame(eth::BLOCK_HEADERS, &payload)]
        } else {
            self.vices.headers(&blocks, eth, request)
        };
        self.after_answer(outgoing)
    }

    fn on_node_data_request(&mut self, request: &GetNodeData) -> Vec<Outgoing> {
        let outgoing = if self.vices.is_honest() {
            let payload = self.server.node_data(request);
            vec![self.eth_frame(eth66::code::NODE_DATA, &payload)]
        } else {
            let eth = self.first_id("eth");
            self.vices.node_data(&self.server, eth, request)
        };
        self.after_answer(outgoing)
    }

    fn on_request(&mut self, first_id: u64, code: u64, payload: &[u8]) -> Vec<Outgoing> {
        let states = self.server.states();
        let answer = if self.vices.is_honest() {
            let mut frame = handshake::frame(first_id + code + 1, &[]);
            snap::serve(&states, code, payload, &mut frame).map(|()| vec![Outgoing::Frame(frame)])
        } else {
            snap::Request::decode(code, payload)
                .map(|request| self.vices.answer(&states, first_id, request))
        };
        match answer {
            Ok(outgoing) => self.after_answer(outgoing),
            Err(_) => self.disconnect(Reason::Breach),
        }
    }

    fn after_answer(&mut self, outgoing: Vec<Outgoing>) -> Vec<Outgoing> {
        if outgoing.contains(&Outgoing::Cut) {
            self.phase = Phase::Closed;
        }
        outgoing
    }

    /// A message of eth by its code.
    fn eth_frame(&self, code: u64, payload: &[u8]) -> Outgoing {
        Outgoing::Frame(handshake::frame(self.first_id("eth") + code, payload))
    }

    fn first_id(&self, name: &str) -> u64 {
        self.shared
            .iter()
            .find(|shared| shared.capability.0 == name)
            .map_or(0, |shared| shared.from)
    }
}
