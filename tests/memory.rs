//! What the engine says it has on the heap, against what an allocator was asked for: within fifteen per
//! cent at every moment of syncs and heals of plain accounts and of contracts. So no constant can make
//! room for what is not there unseen.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::expect_used, clippy::panic)] // A test fails by panicking.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};

use snaplight::hash::Hash;
use snaplight::state::{Batch, Network, PageId, Record};
use snaplight::sync::{
    Config, Engine, Event, Footprint, Input, Limits, Millis, Output, PeerId, Target,
};
use snaplight_peer::chain::{Chain, Change};
use snaplight_peer::session::{Outgoing, Session};
use snaplight_peer::state::{Realistic, Recipe};

/// An allocator that knows of each piece whether the engine asked for it, and of how many bytes.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Whether what is asked for now is the engine's.
    static IS_ENGINES: Cell<bool> = const { Cell::new(false) };
    /// Bytes that the engine has.
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

/// The piece's own size stands in front of it, or 0 if it is not the engine's.
fn with_header(layout: Layout) -> Option<(Layout, usize)> {
    Layout::new::<usize>().extend(layout).ok()
}

// SAFETY: every piece is the system allocator's, with a header in front whose size follows from the
// layout alone, so that it is found again.
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
            let _ = LIVE.try_with(|live| live.set(live.get() + counted));
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

/// What is asked for meanwhile is the engine's.
fn engines<T>(work: impl FnOnce() -> T) -> T {
    let before = IS_ENGINES.replace(true);
    let result = work();
    IS_ENGINES.set(before);
    result
}

/// The input in memory of its own: the engine may keep it.
fn engines_own(input: Input) -> Input {
    match input {
        Input::Frame(peer, frame) => Input::Frame(peer, frame.clone()),
        Input::Loaded(ticket, pages) => Input::Loaded(ticket, pages.clone()),
        other => other,
    }
}

/// What the count may differ by: lists of a few elements, and words in messages.
const SMALL: usize = 8 * 1024;
/// Of what the tree takes, the share that no entry may leave unused ...
const MOST_UNUSED: f64 = 0.25;
/// ... but for room in the list of the account trie, which is made for a thousand entries at a time.
const SPARE: usize = 128 * 1024;

/// The engine, two peers that answer at once, and a disk.
struct Tab {
    engine: Engine,
    peers: Vec<Session>,
    pages: BTreeMap<PageId, Vec<u8>>,
    inputs: VecDeque<Input>,
    now: u64,
    /// The most that the engine was ever given, and what it said then.
    peak: (usize, Footprint),
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
        };
        for number in 1..=2 {
            let mut session = Session::new(chain.server(), Vec::new());
            let hello = session.open();
            world.peers.push(session);
            world.inputs.push_back(Input::PeerJoined(PeerId(number)));
            world.arrive(PeerId(number), hello);
        }
        world
    }

    fn arrive(&mut self, peer: PeerId, outgoing: Vec<Outgoing>) {
        for outgoing in outgoing {
            if let Outgoing::Frame(frame) = outgoing {
                self.inputs.push_back(Input::Frame(peer, frame));
            }
        }
    }

    /// Makes the state with this root complete.
    fn sync(&mut self, root: Hash) {
        self.inputs.push_back(Input::Target(Target::Root(root)));
        let mut is_done = false;
        while !is_done || !self.inputs.is_empty() {
            self.now += 1;
            if let Some(input) = self.inputs.pop_front() {
                let now = Millis(self.now);
                engines(|| self.engine.handle(now, engines_own(input)));
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

    /// Whether the sync is done. What has left the engine is copied, so that it is counted no more.
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
            "room out of proportion: {said:?}"
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

/// Syncs, and heals over a block of one per cent and one of a third.
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
    // What is left of a sync is scratch memory and the hashes of codes.
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
