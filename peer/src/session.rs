//! One connection without a socket: frames in, frames out. Sockets are `net`'s; tests of a client
//! drive a session by hand, in one process and without a clock.

use crate::{
    Hash, keccak,
    link::{self, Hello, Reason, Shared, Status, eth, id},
    rlp, snap,
    state::{State, States},
    vice::{Fault, Vice, Vices},
};
use std::{sync::Arc, time::Duration};

/// What all connections share.
#[derive(Debug)]
pub struct Server {
    states: States,
    network_id: u64,
    genesis: Hash,
    name: String,
}

impl Server {
    /// Serves one state, on a network of its own: id 1337, and a genesis hash made from the root.
    #[must_use]
    pub fn new(state: State) -> Server {
        let mut states = States::new(States::WINDOW);
        states.push(Arc::new(state));
        Server::of_chain(states)
    }

    /// Serves the states of a chain.
    #[must_use]
    pub fn of_chain(states: States) -> Server {
        let root = states.head().map(|state| state.root()).unwrap_or_default();
        Server {
            states,
            network_id: 1337,
            genesis: keccak::keccak(&[b"snaplight-peer".as_slice(), &root].concat()),
            name: concat!("snaplight-peer/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// The same on another network.
    #[must_use]
    pub fn on_network(mut self, id: u64, genesis: Hash) -> Server {
        self.network_id = id;
        self.genesis = genesis;
        self
    }

    /// What is served.
    #[must_use]
    pub fn states(&self) -> &States {
        &self.states
    }

    /// The network's id and genesis hash.
    #[must_use]
    pub fn network(&self) -> (u64, Hash) {
        (self.network_id, self.genesis)
    }
}

/// Something to do with the socket, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Send a binary frame.
    Frame(Vec<u8>),
    /// Hold back what follows.
    Wait(Duration),
    /// Send a text frame (a vice).
    Text(String),
    /// Send the beginning of a binary frame that is never finished (a vice).
    Fragment(Vec<u8>),
    /// Drop the connection without saying so.
    Cut,
    /// Close with this code; nothing follows.
    Close(u16),
}

/// How far a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waits for the client's Hello.
    Hello,
    /// Waits for the client's Status.
    Status,
    /// Answers requests.
    Ready,
    /// Over.
    Closed,
}

/// One connection, serving side.
#[derive(Debug)]
pub struct Session {
    server: Arc<Server>,
    vices: Vices,
    phase: Phase,
    shared: Vec<Shared>,
    node_id: [u8; 64],
    /// A Ping was sent and nothing came since.
    pinged: bool,
}

const CAPABILITIES: [(&str, u64); 2] = [("eth", 69), ("snap", 1)];
const EMPTY_LIST: &[u8] = &[0xc0];

impl Session {
    /// A connection that is about to open. Without vices it is an honest one.
    #[must_use]
    pub fn new(server: Arc<Server>, vices: Vec<Vice>) -> Session {
        Session {
            server,
            vices: Vices::new(vices),
            phase: Phase::Hello,
            shared: Vec::new(),
            node_id: [0x22; 64],
            pinged: false,
        }
    }

    /// The same under another node id (64 bytes that mean nothing).
    #[must_use]
    pub fn with_node_id(mut self, node_id: [u8; 64]) -> Session {
        self.node_id = node_id;
        self
    }

    /// How far it got.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// How long the client may be silent in this phase before `on_silence`: while the handshake lasts
    /// from its phase's beginning, later from the last frame.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match self.phase {
            Phase::Hello | Phase::Status => Duration::from_secs(5),
            Phase::Ready | Phase::Closed => Duration::from_secs(15),
        }
    }

    /// The WebSocket is open.
    pub fn open(&mut self) -> Vec<Outgoing> {
        if self.vices.has(&Fault::TooManyPeers) {
            return self.disconnect(Reason::TooManyPeers);
        }
        if self.vices.has(&Fault::NoHello) {
            return Vec::new();
        }
        let hello = Hello {
            version: link::P2P_VERSION,
            name: self.server.name.clone().into_bytes(),
            capabilities: self
                .capabilities()
                .iter()
                .map(|(name, version)| (name.as_bytes().to_vec(), *version))
                .collect(),
            node_id: self.node_id,
        };
        vec![Outgoing::Frame(link::frame(id::HELLO, &hello.encode()))]
    }

    /// A binary frame came.
    pub fn on_frame(&mut self, frame: &[u8]) -> Vec<Outgoing> {
        self.pinged = false;
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        if frame.len() > link::FRAME_LIMIT {
            return self.on_oversized();
        }
        match link::split(frame) {
            None => self.disconnect(Reason::Breach),
            Some((id, _))
                if id < link::CAPABILITIES_FROM && frame.len() > link::BASE_FRAME_LIMIT =>
            {
                self.disconnect(Reason::Breach)
            }
            Some((id::DISCONNECT, _)) => self.close(1000),
            Some((id::HELLO, payload)) if self.phase == Phase::Hello => self.on_hello(payload),
            _ if self.phase == Phase::Hello => self.disconnect(Reason::Breach),
            Some((id::HELLO, _)) => self.disconnect(Reason::Breach),
            Some((id::PING, _)) if self.vices.has(&Fault::NoPong) => Vec::new(),
            Some((id::PING, _)) => vec![Outgoing::Frame(link::frame(id::PONG, EMPTY_LIST))],
            Some((id, _)) if id < link::CAPABILITIES_FROM => Vec::new(),
            Some((id, payload)) => self.on_capability(id, payload),
        }
    }

    /// A text frame came.
    pub fn on_text(&mut self) -> Vec<Outgoing> {
        self.close(link::CLOSE_TEXT)
    }

    /// A frame above the limit came, or its beginning.
    pub fn on_oversized(&mut self) -> Vec<Outgoing> {
        self.close(link::CLOSE_OVERSIZED)
    }

    /// Nothing came for `patience`.
    pub fn on_silence(&mut self) -> Vec<Outgoing> {
        match self.phase {
            Phase::Closed => Vec::new(),
            Phase::Ready if !self.pinged => {
                self.pinged = true;
                vec![Outgoing::Frame(link::frame(id::PING, EMPTY_LIST))]
            }
            _ => self.disconnect(Reason::Timeout),
        }
    }

    /// This side ends it.
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

    fn close(&mut self, code: u16) -> Vec<Outgoing> {
        self.phase = Phase::Closed;
        vec![Outgoing::Close(code)]
    }

    fn capabilities(&self) -> &'static [(&'static str, u64)] {
        // The last one is snap.
        if self.vices.has(&Fault::NoSnap) {
            &CAPABILITIES[..1]
        } else {
            &CAPABILITIES
        }
    }

    fn on_hello(&mut self, payload: &[u8]) -> Vec<Outgoing> {
        if self.vices.has(&Fault::NoHello) {
            return Vec::new();
        }
        let Some(hello) = Hello::decode(payload) else {
            return self.disconnect(Reason::Breach);
        };
        if hello.version < link::P2P_VERSION {
            return self.disconnect(Reason::Incompatible);
        }
        self.shared = link::share(self.capabilities(), &hello.capabilities);
        // Both of them, or there is nothing to talk about.
        if self.shared.len() < CAPABILITIES.len() {
            return self.disconnect(Reason::Useless);
        }
        self.phase = Phase::Status;
        if self.vices.has(&Fault::NoStatus) {
            return Vec::new();
        }
        let mut status = Status::without_chain(self.server.network_id, self.server.genesis);
        if self.vices.has(&Fault::WrongNetwork) {
            status.network_id = status.network_id.wrapping_add(1);
        }
        if self.vices.has(&Fault::WrongGenesis) {
            status.genesis[0] ^= 1;
        }
        let id = self.first_id("eth") + eth::STATUS;
        vec![Outgoing::Frame(link::frame(id, &status.encode()))]
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
            (Phase::Status, eth::STATUS) => match Status::decode(payload) {
                None => self.disconnect(Reason::Breach),
                Some(status)
                    if (status.version, status.network_id, status.genesis)
                        != (69, self.server.network_id, self.server.genesis) =>
                {
                    self.disconnect(Reason::Useless)
                }
                Some(_) => {
                    self.phase = Phase::Ready;
                    Vec::new()
                }
            },
            (Phase::Ready, eth::GET_BLOCK_HEADERS) => match request_id(payload) {
                None => self.disconnect(Reason::Breach),
                // There is a state here, but no chain.
                Some(request) => {
                    let mut fields = Vec::new();
                    rlp::put_uint(request, &mut fields);
                    fields.extend_from_slice(EMPTY_LIST);
                    let id = self.first_id("eth") + eth::BLOCK_HEADERS;
                    vec![Outgoing::Frame(link::frame(id, &rlp::wrap(&fields)))]
                }
            },
            (Phase::Ready, code) if code != eth::STATUS => Vec::new(),
            _ => self.disconnect(Reason::Breach),
        }
    }

    fn on_request(&mut self, first_id: u64, code: u64, payload: &[u8]) -> Vec<Outgoing> {
        let answer = if self.vices.is_honest() {
            let mut frame = Vec::new();
            rlp::put_uint(first_id + code + 1, &mut frame);
            snap::serve(&self.server.states, code, payload, &mut frame)
                .map(|()| vec![Outgoing::Frame(frame)])
        } else {
            snap::Request::decode(code, payload)
                .map(|request| self.vices.answer(&self.server.states, first_id, request))
        };
        match answer {
            Ok(outgoing) => {
                if outgoing.contains(&Outgoing::Cut) {
                    self.phase = Phase::Closed;
                }
                outgoing
            }
            Err(_) => self.disconnect(Reason::Breach),
        }
    }

    fn first_id(&self, name: &str) -> u64 {
        self.shared
            .iter()
            .find(|shared| shared.capability.0 == name)
            .map_or(0, |shared| shared.from)
    }
}

fn request_id(mut payload: &[u8]) -> Option<u64> {
    let mut fields = rlp::list(&mut payload).ok()?;
    rlp::uint(&mut fields).ok()
}
