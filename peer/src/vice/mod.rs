//! The faults that a peer can have, one variant each, so that every check of a client meets the
//! peer that it is made for. Some are only odd, and a client must tolerate them; the variant says
//! so.

mod answer;
mod corrupt;
mod lack;
mod node_data;
mod parse;
mod spoil;

pub use corrupt::Field;
pub use lack::Prefix;
pub use parse::ParseViceError;

use crate::{
    Hash,
    block::{Blocks, GetBlockHeaders},
    eth66,
    handshake::{self, eth},
    node_data::{GetNodeData, Held, Index},
    outgoing::Outgoing,
    server::Server,
    snap::{self, Request},
    state::States,
};
use answer::Answer;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// A fault, and when it shows. It is written `NAME[=ARGUMENT][@KIND][+HONEST[..UNTIL]]`, such
/// as `silent`, `capped=500@storage`, `cut@accounts+3` or `twice+3..4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vice {
    /// What the peer does.
    pub fault: Fault,
    /// It does this only in answers of this kind.
    pub only: Option<Kind>,
    /// It does this after this many honest answers (of that kind).
    pub after: u64,
    /// After this many answers it is honest again.
    pub until: u64,
}

impl From<Fault> for Vice {
    fn from(fault: Fault) -> Vice {
        Vice {
            fault,
            only: None,
            after: 0,
            until: u64::MAX,
        }
    }
}

/// The kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// GetAccountRange
    Accounts,
    /// GetStorageRanges
    Storage,
    /// GetByteCodes
    Codes,
    /// GetTrieNodes
    Nodes,
    /// GetBlockHeaders
    Headers,
    /// GetNodeData
    NodeData,
}

/// What a faulty peer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `silent`: never answers.
    Silent,
    /// `slow=MS`: answers late. Each answer comes this many milliseconds after the one before it.
    /// Odd, not wrong.
    Slow(Duration),
    /// `empty`: answers everything with an empty answer, as if nothing was held. Odd, not wrong.
    Empty,
    /// `stale-root`: the same, except for codes and node data, which belong to no root. Use it with
    /// `+N`.
    StaleRoot,
    /// `wrong-state`: answers from another state than the one asked for: the one before, or else
    /// the newest.
    WrongState,
    /// `stuck`: only has the state that was the newest when the connection began. It refuses every
    /// other root and announces no block. Odd, not wrong.
    Stuck,
    /// `capped=BYTES`: treats every request as one for at most this many bytes. Odd, not wrong.
    Capped(u64),
    /// `drip=BYTES`: answers truthfully, but with one account, slot, code, node or item at a time,
    /// and adds a node of this many bytes that means nothing to every proof. Odd up to 532 bytes,
    /// wrong above. With 0 no node is added.
    Drip(u64),
    /// `padded=NODES`: adds this many small nodes that nothing needs to every proof. Odd up to 8
    /// nodes, wrong above.
    Padded(u64),
    /// `lacks-codes=HEX`: lacks the codes whose hashes begin with these hexadecimal digits. They
    /// are left out of the answers, as all servers do. Odd, not wrong.
    LacksCodes(Prefix),
    /// `lacks-nodes=HEX`: lacks the trie nodes whose hashes begin with these digits. They are left
    /// out of the answers, as go-ethereum does. A range whose proof needs one is not answered, nor
    /// is a storage whose root is one. Odd, not wrong.
    LacksNodes(Prefix),
    /// `ends-at-nodes=HEX`: the same, but an answer of nodes ends before the first that is lacked.
    /// Odd, not wrong.
    EndsAtNodes(Prefix),
    /// `silent-about=HEX`: never answers a request for node data that asks for a hash which begins
    /// with these digits.
    SilentAbout(Prefix),
    /// `stray-item`: sends a node that nobody asked for, and that no state has, in place of the
    /// last item of node data.
    StrayItem,
    /// `repeat-item`: sends the first item of node data again, in place of the last one. Odd, not
    /// wrong.
    RepeatItem,
    /// `late-item`: holds the last item of node data back, and sends it with the next answer in
    /// place of that one's last item. Odd while it is still wanted.
    LateItem,
    /// `reversed`: sends the items of node data in reverse. Odd, not wrong.
    Reversed,
    /// `drop-first-proof`: leaves out the proof's first node (the root).
    DropFirstProof,
    /// `drop-last-proof`: leaves out the proof's last node.
    DropLastProof,
    /// `drop-item`: leaves out an account or slot in the middle. The proof has all nodes on the way
    /// to it, so its hash is proven.
    DropItem,
    /// `swap-values`: exchanges the values of two neighbours.
    SwapValues,
    /// `unsorted`: exchanges two neighbours.
    Unsorted,
    /// `modify-value`: changes one bit of an account's body, a slot, a code, a node, a header or an
    /// item of node data.
    ModifyValue,
    /// `corrupt=FIELD`: changes one bit of one field. The answer stays well-formed.
    Corrupt(Field),
    /// `lie`: changes the balance of one account, always the same one. Everything else is honest.
    Lie,
    /// `short`: leaves out the second half of the accounts or slots and keeps the proof. Of codes,
    /// nodes and node data, some may be left out, so with them it is odd, not wrong.
    Short,
    /// `replay`: repeats the first answer of each kind with the id of the new request.
    Replay,
    /// `twice`: sends every answer twice.
    Twice,
    /// `again=MS`: sends every answer a second time, this many milliseconds later. The next answer
    /// waits for that.
    Again(Duration),
    /// `unasked`: sends a second answer with every answer, to a request that was never made.
    Unasked,
    /// `wrong-id`: answers with another request id.
    WrongId,
    /// `wrong-code`: answers with the message of another kind.
    WrongCode,
    /// `more`: answers more than was asked for: accounts behind the limit, or a list of slots, a
    /// code, a node or an item of node data too many. This one is the newest state's root node.
    More,
    /// `truncated`: leaves out the answer's second half.
    Truncated,
    /// `garbage`: sends bytes that are no RLP.
    Garbage,
    /// `oversized`: sends a frame of one byte more than the limit.
    Oversized,
    /// `text`: sends a text frame instead of the answer.
    Text,
    /// `always-prove`: proves the last storage although it is complete. Odd, not wrong.
    AlwaysProve,
    /// `no-proof`: never sends proofs.
    NoProof,
    /// `shuffled-proof`: sends the proof's nodes in another order, and some of them twice. Odd, not
    /// wrong.
    ShuffledProof,
    /// `huge-proof`: sends all nodes of the trie as proof. Odd while at most 8 of them are on no
    /// path that a proof needs, wrong above.
    HugeProof,
    /// `many-proof-nodes`: sends more than 128 nodes, however few are needed.
    ManyProofNodes,
    /// `codes-as-hashes`: sends the hashes instead of the codes.
    CodesAsHashes,
    /// `one-code`: sends one code per answer. Odd, not wrong.
    OneCode,
    /// `wrong-header`: sends another header than the one that was asked for.
    WrongHeader,
    /// `corrupt-header`: changes one bit of the state root in the header.
    CorruptHeader,
    /// `cut`: drops the connection in the middle of the answer.
    Cut,
    /// `wrong-network`: sends a Status with another network id.
    WrongNetwork,
    /// `wrong-genesis`: sends a Status with another genesis hash.
    WrongGenesis,
    /// `no-hello`: never says anything.
    NoHello,
    /// `no-status`: sends Hello, and then never anything.
    NoStatus,
    /// `no-snap`: does not offer snap.
    NoSnap,
    /// `no-pong`: does not answer pings.
    NoPong,
    /// `too-many-peers`: refuses the connection because it has too many peers.
    TooManyPeers,
}

impl Vice {
    fn shows(&self, kind: Kind, answered: u64) -> bool {
        let showing = self.after..self.until;
        self.only.is_none_or(|only| only == kind) && showing.contains(&answered)
    }
}

/// A session's vices, and what they have to remember.
#[derive(Debug)]
pub(crate) struct Vices {
    vices: Vec<Vice>,
    /// How many requests of each kind there were.
    answered: HashMap<Kind, u64>,
    /// For `Stuck`: the newest root when the connection began.
    first_root: Option<Hash>,
    /// For `Replay`: the first answer of each kind.
    first: HashMap<Kind, Answer>,
    /// For `LateItem`: the item that was held back.
    late: Option<Vec<u8>>,
    /// For `Stuck`: the nodes of the state with `first_root`.
    stuck: Index,
}

impl Vices {
    /// `head` is the newest state's root.
    pub(crate) fn new(vices: Vec<Vice>, head: Option<Hash>) -> Vices {
        Vices {
            vices,
            first_root: head,
            answered: HashMap::new(),
            first: HashMap::new(),
            late: None,
            stuck: Index::default(),
        }
    }

    pub(crate) fn is_honest(&self) -> bool {
        self.vices.is_empty()
    }

    /// Whether there is a fault that is not about answers.
    pub(crate) fn has(&self, fault: &Fault) -> bool {
        self.vices.iter().any(|vice| vice.fault == *fault)
    }

    /// What is sent instead of the honest answer. `snap` is the capability's first message id.
    pub(crate) fn answer(&mut self, states: &States, snap: u64, request: Request) -> Vec<Outgoing> {
        let kind = kind(&request);
        let showing = self.showing(kind);
        let mut asked = request.clone();
        showing
            .iter()
            .for_each(|fault| change_request(states, &mut asked, fault));
        let mut payload = Vec::new();
        snap::answer(states, &asked, &mut payload);
        let Some(mut answer) = Answer::decode(&request, &payload) else {
            // Only a bogus state's bytes cannot be decoded. They are sent as they are.
            let id = snap + answer::code(&request) + 1;
            return vec![Outgoing::Frame(handshake::frame(id, &payload))];
        };
        let first = self.first.entry(kind).or_insert_with(|| answer.clone());
        for fault in &showing {
            if *fault == Fault::Replay {
                answer = first.with_id(answer.id);
            }
            if *fault == Fault::Stuck {
                let root = root(&request);
                answer.empty_unless(root.is_none() || root == self.first_root.as_ref());
            }
            answer.spoil(fault, states, &request);
        }
        // Codes are 0 to 7. Answers are the odd ones.
        let ids = [1, 3].map(|add| snap + (answer::code(&request) + add) % 8);
        send(&showing, ids, &answer)
    }

    /// The same for headers. `eth` is the capability's first message id.
    pub(crate) fn headers(
        &mut self,
        blocks: &Blocks,
        eth: u64,
        request: &GetBlockHeaders,
    ) -> Vec<Outgoing> {
        let showing = self.showing(Kind::Headers);
        let headers = blocks.answer(request);
        let mut answer = Answer::of_headers(request.id, &headers);
        let first = self.first.entry(Kind::Headers);
        let first = first.or_insert_with(|| answer.clone());
        for fault in &showing {
            if *fault == Fault::Replay {
                answer = first.with_id(answer.id);
            }
            answer.spoil_headers(fault, blocks, &headers);
        }
        // The wrong id says that these are block bodies.
        send(&showing, [eth + eth::BLOCK_HEADERS, eth + 0x06], &answer)
    }

    /// The same for node data.
    pub(crate) fn node_data(
        &mut self,
        server: &Server,
        eth: u64,
        request: &GetNodeData,
    ) -> Vec<Outgoing> {
        let showing = self.showing(Kind::NodeData);
        if showing.contains(&Fault::Stuck) {
            let mut index = std::mem::take(&mut self.stuck);
            let states = Arc::new(server.states().only(self.first_root.as_ref()));
            index.follow(&states);
            let held = Held::new(&index, &states);
            let outgoing = self.spoilt_node_data(&showing, held, eth, request);
            self.stuck = index;
            outgoing
        } else {
            server.with_held(|held| self.spoilt_node_data(&showing, held, eth, request))
        }
    }

    fn spoilt_node_data(
        &mut self,
        showing: &[Fault],
        held: Held<'_>,
        eth: u64,
        request: &GetNodeData,
    ) -> Vec<Outgoing> {
        let Some(items) = node_data::items(held, request, showing) else {
            return Vec::new();
        };
        let mut answer = Answer::of_node_data(request.id, items);
        let first = self.first.entry(Kind::NodeData);
        let first = first.or_insert_with(|| answer.clone());
        for fault in showing {
            if *fault == Fault::Replay {
                answer = first.with_id(answer.id);
            }
            answer.spoil_node_data(fault, held, &mut self.late);
        }
        let ids = [eth66::code::NODE_DATA, eth66::code::BLOCK_HEADERS].map(|code| eth + code);
        send(showing, ids, &answer)
    }

    /// The faults that show in the next answer of this kind. Counts the answer.
    fn showing(&mut self, kind: Kind) -> Vec<Fault> {
        let answered = self.answered.entry(kind).or_default();
        *answered += 1;
        self.vices
            .iter()
            .filter(|vice| vice.shows(kind, *answered - 1))
            .map(|vice| vice.fault.clone())
            .collect()
    }
}

fn kind(request: &Request) -> Kind {
    match request {
        Request::Accounts(_) => Kind::Accounts,
        Request::Storage(_) => Kind::Storage,
        Request::Codes(_) => Kind::Codes,
        Request::Nodes(_) => Kind::Nodes,
    }
}

/// The state root that a request names. Requests for codes name none.
fn root(request: &Request) -> Option<&Hash> {
    match request {
        Request::Accounts(request) => Some(&request.root),
        Request::Storage(request) => Some(&request.root),
        Request::Nodes(request) => Some(&request.root),
        Request::Codes(_) => None,
    }
}

fn root_mut(request: &mut Request) -> Option<&mut Hash> {
    match request {
        Request::Accounts(request) => Some(&mut request.root),
        Request::Storage(request) => Some(&mut request.root),
        Request::Nodes(request) => Some(&mut request.root),
        Request::Codes(_) => None,
    }
}

/// The root of the state before the one with this root, or the newest one if there is none.
fn other_root(states: &States, root: Hash) -> Hash {
    let older = states.roots().take_while(|held| **held != root).last();
    let newest = states.roots().last();
    older.or(newest).copied().unwrap_or(root)
}

/// Changes a request for the faults that are honest answers to another request.
fn change_request(states: &States, request: &mut Request, fault: &Fault) {
    match fault {
        Fault::LacksCodes(lacked) => lack::leave_out_codes(request, lacked),
        Fault::LacksNodes(lacked) => lack::leave_out_nodes(states, request, lacked, false),
        Fault::EndsAtNodes(lacked) => lack::leave_out_nodes(states, request, lacked, true),
        Fault::WrongState => {
            if let Some(root) = root_mut(request) {
                *root = other_root(states, *root);
            }
        }
        _ => {}
    }
    let bytes = match request {
        Request::Accounts(request) => &mut request.bytes,
        Request::Storage(request) => &mut request.bytes,
        Request::Codes(request) => &mut request.bytes,
        Request::Nodes(request) => &mut request.bytes,
    };
    match fault {
        Fault::Capped(cap) => *bytes = (*bytes).min(*cap),
        // A server sends at least one item, and ends after it.
        Fault::Drip(_) => *bytes = 1,
        Fault::More => {
            *bytes = bytes.saturating_mul(4);
            match request {
                Request::Accounts(request) => request.limit = [0xff; 32],
                Request::Storage(request) => request.limit = None,
                Request::Codes(_) | Request::Nodes(_) => {}
            }
        }
        _ => {}
    }
}

/// The answer as frames, with the faults that concern frames. `ids` are the right message id and a
/// wrong one.
fn send(faults: &[Fault], ids: [u64; 2], answer: &Answer) -> Vec<Outgoing> {
    let id = ids[usize::from(faults.contains(&Fault::WrongCode))];
    let frame = handshake::frame(id, &answer.encode());
    let mut outgoing = vec![Outgoing::Frame(frame.clone())];
    for fault in faults {
        match fault {
            Fault::Silent => return Vec::new(),
            Fault::Slow(by) => outgoing.insert(0, Outgoing::Wait(*by)),
            Fault::Twice => outgoing.push(Outgoing::Frame(frame.clone())),
            Fault::Again(after) => {
                outgoing.extend([Outgoing::Wait(*after), Outgoing::Frame(frame.clone())])
            }
            Fault::Unasked => {
                let other = answer.with_id(!answer.id);
                outgoing.push(Outgoing::Frame(handshake::frame(id, &other.encode())));
            }
            Fault::Truncated => {
                outgoing = vec![Outgoing::Frame(frame[..frame.len().div_ceil(2)].to_vec())];
            }
            Fault::Garbage => {
                let garbage = frame.iter().map(|byte| byte.wrapping_mul(167) ^ 0xf9);
                outgoing = vec![Outgoing::Frame(garbage.collect())];
            }
            Fault::Oversized => {
                let mut frame = frame.clone();
                frame.resize(handshake::FRAME_LIMIT + 1, 0);
                outgoing = vec![Outgoing::Frame(frame)];
            }
            Fault::Text => outgoing = vec![Outgoing::Text("binary is due here".to_owned())],
            Fault::Cut => {
                let half = frame[..frame.len().div_ceil(2)].to_vec();
                outgoing = vec![Outgoing::Fragment(half), Outgoing::Cut];
            }
            _ => {}
        }
    }
    outgoing
}
