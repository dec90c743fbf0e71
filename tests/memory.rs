//! Compares what the engine says it has on the heap with what an allocator was asked for. They
//! differ by at most fifteen per cent, at every moment of syncs and heals of plain accounts and of
//! contracts. So no constant of the count can hide memory that is not counted, or count memory that
//! is not there.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, clippy::panic)] // A test fails by panicking.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};

use alloy_rlp::{Decodable, Header};
use snaplight::hash::Hash;
use snaplight::state::{Batch, Network, PageId, Record};
use snaplight::sync::{
    Config, Engine, Event, Footprint, Input, Limits, Millis, Output, PeerId, Target,
};
use snaplight::wire::{By, HEAD, PeerFault};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::session::{Outgoing, Session};
use snaplight_peer::state::{Realistic, Recipe};

/// An allocator that records of each piece whether the engine asked for it, and how many bytes.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Whether the engine is asking at the moment.
    static IS_ENGINES: Cell<bool> = const { Cell::new(false) };
    /// Bytes that the engine holds.
    static LIVE: Cell<usize> = const { Cell::new(0) };
    /// The most that it has held.
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The header: the piece's size, or 0 if it is not the engine's.
fn with_header(layout: Layout) -> Option<(Layout, usize)> {
    Layout::new::<usize>().extend(layout).ok()
}

// SAFETY: every piece comes from the system allocator, with a header in front of it. The header's
// size follows from the layout alone, so the start of the piece is found again.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((whole, offset)) = with_header(layout) else {
            return core::ptr::null_mut();
        };
        let is_engines = IS_ENGINES.try_with(Cell::get).unwrap_or(false);
        let counted = if is_engines { layout.size() } else { 0 };
        unsafe {
            let start = System.alloc(whole);
            if start.is_null() {
                return start;
            }
            start.cast::<usize>().write(counted);
            let _ = LIVE.try_with(|live| {
                live.set(live.get() + counted);
                let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
            });
            start.add(offset)
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let Some((whole, offset)) = with_header(layout) else {
            return;
        };
        unsafe {
            let start = piece.sub(offset);
            let counted = start.cast::<usize>().read();
            let _ = LIVE.try_with(|live| live.set(live.get().saturating_sub(counted)));
            System.dealloc(start, whole);
        }
    }
}

/// Runs `work`, and counts its allocations as the engine's.
fn engines<T>(work: impl FnOnce() -> T) -> T {
    let before = IS_ENGINES.replace(true);
    let result = work();
    IS_ENGINES.set(before);
    result
}

/// Copies the input into memory of its own, because the engine may keep it. A frame that the engine
/// does not want is not copied.
fn engines_own(engine: &Engine, input: Input) -> Input {
    match input {
        Input::Frame(peer, frame) => {
            let head = frame.get(..HEAD).unwrap_or(&frame);
            match engine.wants_frame(peer, frame.len(), head) {
                true => Input::Frame(peer, frame.clone()),
                false => Input::Unread(peer, frame.len(), head.to_vec()),
            }
        }
        Input::Loaded(ticket, pages) => Input::Loaded(ticket, pages.clone()),
        other => other,
    }
}

/// Bytes by which the count may differ: lists of a few elements, and text in messages.
const SMALL: usize = 8 * 1024;
/// The largest share of the tree's memory that may be unused capacity, apart from [`SPARE`].
const MOST_UNUSED: f64 = 0.25;
/// Bytes of unused capacity that the account trie's list may have: a thousand entries to spare.
const SPARE: usize = 128 * 1024;

/// The engine, two peers that answer at once, and a disk.
struct Tab {
    engine: Engine,
    peers: Vec<Session>,
    pages: BTreeMap<PageId, Vec<u8>>,
    inputs: VecDeque<Input>,
    now: u64,
    /// The most bytes that the engine has held, and its footprint at that moment.
    peak: (usize, Footprint),
    /// What the first peer sends instead of a frame.
    instead: fn(&[u8]) -> Option<Vec<u8>>,
    faults: Vec<(PeerId, PeerFault)>,
}

impl Tab {
    fn new(chain: &Chain, limits: Limits) -> Tab {
        let (id, genesis) = chain.server().network();
        let network = Network {
            id,
            genesis: Hash(genesis),
        };
        let config = || Config {
            network,
            client: String::from("snaplight/test"),
            chain_id: network.id,
            node_id: [1; 64],
        };
        let record = Record::fresh([7; 16], network);
        let engine = engines(|| Engine::new(config(), record, Vec::new()).with_limits(limits));
        let mut world = Tab {
            engine,
            peers: Vec::new(),
            pages: BTreeMap::new(),
            inputs: VecDeque::new(),
            now: 1_000,
            peak: (0, Footprint::default()),
            instead: |_| None,
            faults: Vec::new(),
        };
        for number in 1..=2 {
            let mut session = Session::new(chain.server(), Vec::new());
            let hello = session.open();
            world.peers.push(session);
            world
                .inputs
                .push_back(Input::PeerJoined(PeerId(number), By::Snap));
            world.arrive(PeerId(number), hello);
        }
        world
    }

    fn arrive(&mut self, peer: PeerId, outgoing: Vec<Outgoing>) {
        for outgoing in outgoing {
            if let Outgoing::Frame(frame) = outgoing {
                let other = (self.instead)(&frame).filter(|_| peer == PeerId(1));
                let frame = other.unwrap_or(frame);
                self.inputs.push_back(Input::Frame(peer, frame));
            }
        }
    }

    /// Syncs to the state with this root.
    fn sync(&mut self, root: Hash) {
        self.inputs.push_back(Input::Target(Target::Root(root)));
        let mut is_done = false;
        while !is_done || !self.inputs.is_empty() {
            self.now += 1;
            if let Some(input) = self.inputs.pop_front() {
                let now = Millis(self.now);
                engines(|| {
                    let input = engines_own(&self.engine, input);
                    self.engine.handle(now, input);
                });
            } else {
                let deadline = self.engine.next_deadline().expect("something to wait for");
                self.now = self.now.max(deadline.0);
                let now = Millis(self.now);
                engines(|| self.engine.handle(now, Input::Tick));
            }
            self.compare();
            loop {
                let now = Millis(self.now);
                let Some(output) = engines(|| self.engine.poll(now)) else {
                    break;
                };
                is_done |= self.carry_out(output);
                self.compare();
            }
        }
    }

    /// Carries out an output, and returns whether the sync is done. Output that has left the engine
    /// is copied, so that it is not counted any more.
    fn carry_out(&mut self, output: Output) -> bool {
        match output {
            Output::Send(peer, frame) => {
                let session = &mut self.peers[peer.0 as usize - 1];
                let answers = session.on_frame(&frame);
                self.arrive(peer, answers);
            }
            Output::Load(ticket, ids) => {
                let pages = ids.iter().map(|id| self.pages.get(id).cloned());
                let pages = pages.collect();
                self.inputs.push_back(Input::Loaded(ticket, pages));
            }
            Output::Commit(batch) => {
                let copy = Batch::clone(&batch);
                for range in &copy.delete {
                    self.pages.retain(|id, _| !range.contains(id));
                }
                self.pages.extend(copy.pages);
                self.inputs.push_back(Input::Committed(copy.sequence));
            }
            Output::Event(Event::Done(_)) => return true,
            Output::Event(Event::PeerReady(_) | Event::Waiting(_)) | Output::Yield => {}
            Output::Event(Event::PeerFault(peer, fault)) => self.faults.push((peer, fault)),
            Output::Drop(..) => {}
            output => panic!("{output:?}"),
        }
        false
    }

    fn compare(&mut self) {
        let live = LIVE.get();
        let said = self.engine.footprint();
        let difference = said.heap.abs_diff(live);
        assert!(
            difference <= live * 15 / 100 + SMALL,
            "{live} bytes were asked for, and the engine says {said:?}"
        );
        assert!(
            said.tree_unused as f64 <= MOST_UNUSED * said.tree_heap as f64 + SPARE as f64,
            "too much unused capacity: {said:?}"
        );
        if live > self.peak.0 {
            self.peak = (live, said);
        }
    }
}

fn chain(accounts: u64, contracts_per_mille: u16, huge: &[(u64, u64)]) -> Chain {
    let recipe = Recipe {
        accounts,
        contracts_per_mille,
        seed: 31,
        huge: huge.to_vec(),
    };
    Chain::new(recipe.build(), 31)
}

/// Syncs, then heals over a block that changes one per cent and one that changes a third.
fn measure(mut chain: Chain, limits: Limits) {
    let mut world = Tab::new(&chain, limits);
    world.sync(Hash(chain.root()));
    let (first, said) = world.peak;
    println!("first sync: at most {first} bytes; {said:?}");
    for share in [0.01, 0.3] {
        let counts = chain.server().head().counts();
        chain.advance(&Change::realistic(counts, share));
        world.peak = (0, Footprint::default());
        world.sync(Hash(chain.root()));
        let (heal, said) = world.peak;
        println!("{share} changed: at most {heal} bytes; {said:?}");
    }
    // After a sync only scratch memory and the hashes of codes are left.
    let counts = chain.server().head().counts();
    assert!(world.engine.footprint().tree_heap == 0, "{counts:?}");
}

#[test]
fn the_engines_own_count_is_the_allocators_for_a_state_like_mainnets() {
    let chain = Chain::new(Realistic::new(20_000, 31).build(), 31);
    measure(chain, Limits::default());
}

#[test]
fn the_engines_own_count_is_the_allocators_for_plain_accounts() {
    measure(chain(20_000, 0, &[]), Limits::default());
}

#[test]
fn the_engines_own_count_is_the_allocators_for_contracts() {
    measure(chain(20_000, 150, &[]), Limits::default());
}

#[test]
fn the_engines_own_count_is_the_allocators_for_a_large_storage() {
    measure(chain(2_000, 250, &[(1, 40_000)]), Limits::default());
}

#[test]
fn the_engines_own_count_is_the_allocators_within_small_bounds() {
    let limits = Limits {
        batch_bytes: 64 * 1024,
        waiting_bytes: 128 * 1024,
        cut_bytes: 32 * 1024,
        asked_bytes: 256 * 1024,
        page_bytes: 4 * 1024,
        ..Limits::default()
    };
    measure(chain(10_000, 400, &[(3, 1_000)]), limits);
}

/// A message with this id and these items, each in RLP.
fn message(id: u8, items: &[&[u8]]) -> Vec<u8> {
    let mut frame = vec![id];
    frame.extend(list(&items.concat()));
    frame
}

fn list(items: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    let header = Header {
        list: true,
        payload_length: items.len(),
    };
    header.encode(&mut list);
    list.extend_from_slice(items);
    list
}

/// The request id that an answer has, in RLP.
fn request_id(answer: &[u8]) -> Vec<u8> {
    let mut rest = &answer[1..];
    Header::decode(&mut rest).expect("a list");
    let id = u64::decode(&mut rest).expect("a request id");
    alloy_rlp::encode(id)
}

const STATUS: u8 = 0x10;
const TRANSACTIONS: u8 = 0x12;
const ACCOUNT_RANGE: u8 = 0x23;
const STORAGE_RANGES: u8 = 0x25;
const BYTE_CODES: u8 = 0x27;

/// Syncs while the first peer sends something else than it should. Returns its faults, and the most
/// bytes that the engine held beyond what it holds without that.
fn beside(instead: fn(&[u8]) -> Option<Vec<u8>>) -> (Vec<PeerFault>, usize) {
    let peak = |instead| {
        let chain = chain(3_000, 400, &[]);
        let before = LIVE.get();
        let mut tab = Tab::new(&chain, Limits::default());
        tab.instead = instead;
        PEAK.set(before);
        tab.sync(Hash(chain.root()));
        let faults = std::mem::take(&mut tab.faults);
        assert!(faults.iter().all(|(peer, _)| *peer == PeerId(1)));
        let faults = faults.into_iter().map(|(_, fault)| fault).collect();
        (faults, PEAK.get() - before)
    };
    let (_, honest) = peak(|_| None);
    let (faults, hostile) = peak(instead);
    (faults, hostile.saturating_sub(honest))
}

/// Most bytes that a frame which nobody wants may cost.
const NEXT_TO_NOTHING: usize = 64 * 1024;

/// Each was copied before it was looked at.
#[test]
fn a_status_of_ten_megabytes_costs_no_memory() {
    let (faults, bytes) = beside(|frame| {
        let long = || message(STATUS, &[&list(&vec![0x80; 10_000_000])]);
        (frame[0] == STATUS).then(long)
    });
    assert!(matches!(faults[..], [PeerFault::OversizedFrame { bytes }] if bytes > 10_000_000));
    assert!(bytes < NEXT_TO_NOTHING, "{bytes}");
}

#[test]
fn ten_megabytes_that_are_ignored_cost_no_memory_and_more_of_them_the_connection() {
    let (faults, bytes) = beside(|frame| {
        let long = || message(TRANSACTIONS, &[&vec![0x80; 10_000_000]]);
        (frame[0] != 0x80 && frame[0] != STATUS).then(long)
    });
    assert_eq!(faults, [PeerFault::Flood]);
    assert!(bytes < NEXT_TO_NOTHING, "{bytes}");
}

/// Far more than was asked for.
#[test]
fn a_storage_answer_of_a_million_empty_lists_costs_no_memory() {
    let (faults, bytes) = beside(|frame| {
        let empty = || list(&vec![0xc0; 1_310_000]);
        let long = || message(STORAGE_RANGES, &[&request_id(frame), &empty(), &[0xc0]]);
        (frame[0] == STORAGE_RANGES).then(long)
    });
    assert_eq!(faults, [PeerFault::TooMuch]);
    assert!(bytes < NEXT_TO_NOTHING, "{bytes}");
}

/// As much as may come: it is copied, and nothing is made of it.
#[test]
fn answers_of_empty_lists_and_strings_cost_their_own_bytes_alone() {
    const BYTES: usize = 270_000;
    let (faults, bytes) = beside(|frame| {
        let empty = || list(&vec![0xc0; BYTES]);
        let long = || message(STORAGE_RANGES, &[&request_id(frame), &empty(), &[0xc0]]);
        (frame[0] == STORAGE_RANGES).then(long)
    });
    assert_eq!(faults, [PeerFault::TooMuch]);
    assert!(bytes < BYTES + NEXT_TO_NOTHING, "{bytes}");

    let (faults, bytes) = beside(|frame| {
        let empty = || list(&vec![0x80; BYTES]);
        let long = || message(ACCOUNT_RANGE, &[&request_id(frame), &[0xc0], &empty()]);
        (frame[0] == ACCOUNT_RANGE).then(long)
    });
    assert_eq!(faults, [PeerFault::TooManyProofNodes(BYTES)]);
    assert!(bytes < BYTES + NEXT_TO_NOTHING, "{bytes}");

    let (faults, bytes) = beside(|frame| {
        let empty = || list(&vec![0x80; BYTES]);
        let long = || message(BYTE_CODES, &[&request_id(frame), &empty()]);
        (frame[0] == BYTE_CODES).then(long)
    });
    assert_eq!(faults, [PeerFault::TooMuch]);
    assert!(bytes < BYTES + NEXT_TO_NOTHING, "{bytes}");
}
