//! What all connections share: the served states and their blocks.

use crate::{
    Hash,
    block::{Block, Blocks, Header, MAINNET_GENESIS, MAINNET_GENESIS_ROOT},
    eth66,
    handshake::Status,
    node_data::{self, GetNodeData, Held, Index},
    state::{Builder, State, States},
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What all connections share. A chain adds blocks while the server serves.
#[derive(Debug)]
pub struct Server {
    view: watch::Sender<View>,
    network_id: u64,
    genesis: Hash,
    name: String,
    /// Made at the first request for node data.
    index: Mutex<Index>,
}

/// What is served at one moment. A request is answered from one view, even if a block comes
/// meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct View {
    states: Arc<States>,
    blocks: Arc<Blocks>,
}

impl Server {
    /// Serves one state as block 0 of a network of its own, with network id 1337.
    #[must_use]
    pub fn new(state: State) -> Server {
        let mut states = States::new(States::WINDOW);
        states.push(Arc::new(state));
        Server::of_chain(states)
    }

    /// Serves the states of a chain. The oldest state is that of block 0.
    #[must_use]
    pub fn of_chain(states: States) -> Server {
        let first = states.roots().next().copied().unwrap_or_default();
        let header = Header::new(0, [0; 32], first);
        let genesis = header.hash();
        Server {
            view: watch::Sender::new(View {
                blocks: Arc::new(blocks(header, &states)),
                states: Arc::new(states),
            }),
            network_id: 1337,
            genesis,
            name: concat!("snaplight-peer/", env!("CARGO_PKG_VERSION")).to_owned(),
            index: Mutex::default(),
        }
    }

    /// Moves the server to another network. If `genesis` is not the hash of the first state's block
    /// 0, the first state becomes that of block 1, on top of a block 0 that is not served.
    /// Mainnet's genesis state is that of mainnet's block 0.
    #[must_use]
    pub fn on_network(mut self, id: u64, genesis: Hash) -> Server {
        self.network_id = id;
        self.genesis = genesis;
        let states = self.states();
        let first = states.roots().next().copied().unwrap_or_default();
        let own = Header::new(0, [0; 32], first);
        let header = if (genesis, first) == (MAINNET_GENESIS, MAINNET_GENESIS_ROOT) {
            Header::mainnet_genesis()
        } else if own.hash() == genesis {
            own
        } else {
            Header::new(1, genesis, first)
        };
        let blocks = Arc::new(blocks(header, &states));
        self.view.send_modify(|view| view.blocks = blocks);
        self
    }

    /// The states that are served now.
    #[must_use]
    pub fn states(&self) -> Arc<States> {
        Arc::clone(&self.view.borrow().states)
    }

    /// The newest state. An empty state if there was never one.
    #[must_use]
    pub fn head(&self) -> Arc<State> {
        let head = self.states().head().cloned();
        head.unwrap_or_else(|| Arc::new(Builder::new().build()))
    }

    /// A server that stays at the state of some blocks ago: a peer that does not keep up. It has no
    /// states and headers that the original has already forgotten. The oldest state always stays.
    #[must_use]
    pub fn behind(&self, blocks: usize) -> Server {
        let View {
            states,
            blocks: known,
        } = self.view.borrow().clone();
        let kept = states.roots().len().saturating_sub(blocks).max(1);
        let lost = states.roots().len() - kept;
        Server {
            view: watch::Sender::new(View {
                states: Arc::new(states.without_newest(lost)),
                blocks: Arc::new(known.without_newest(lost)),
            }),
            network_id: self.network_id,
            genesis: self.genesis,
            name: self.name.clone(),
            index: Mutex::default(),
        }
    }

    /// Replaces a state by the same state in another form.
    pub(crate) fn replace(&self, state: Arc<State>) {
        self.view
            .send_modify(|view| Arc::make_mut(&mut view.states).replace(state));
    }

    /// The blocks that are served now.
    #[must_use]
    pub fn blocks(&self) -> Arc<Blocks> {
        Arc::clone(&self.view.borrow().blocks)
    }

    /// Adds a block with this state as the new head, and returns it.
    pub fn push(&self, state: Arc<State>) -> Arc<Block> {
        let mut pushed = None;
        self.view.send_modify(|view| {
            pushed = Some(Arc::make_mut(&mut view.blocks).push(state.root()));
            Arc::make_mut(&mut view.states).push(Arc::clone(&state));
        });
        // Not reached: `send_modify` always runs its closure.
        pushed.unwrap_or_else(|| Arc::clone(self.blocks().head()))
    }

    /// Changes with every new head.
    pub(crate) fn watch(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// The network's id and genesis hash.
    #[must_use]
    pub fn network(&self) -> (u64, Hash) {
        (self.network_id, self.genesis)
    }

    /// The Status that the server sends now.
    #[must_use]
    pub fn status(&self) -> Status {
        let blocks = self.blocks();
        Status {
            earliest: blocks.first().header.number,
            latest: blocks.head().header.number,
            latest_hash: blocks.head().hash,
            ..Status::without_chain(self.network_id, self.genesis)
        }
    }

    /// The Status that the server sends now on a connection by hash.
    #[must_use]
    pub fn status_by_hash(&self) -> eth66::Status {
        eth66::Status::new(self.network_id, self.genesis, self.blocks().head().hash)
    }

    /// The payload of the answer to a request for node data.
    #[must_use]
    pub fn node_data(&self, request: &GetNodeData) -> Vec<u8> {
        self.with_held(|held| {
            let items = held.items(&request.hashes, node_data::NODE_DATA_LIMIT);
            node_data::put_items(request.id, &items)
        })
    }

    /// Reads what is served by hash now. Requests wait for each other here. One for 384 root nodes
    /// took 0.25 milliseconds, but the first one has to wait until all nodes are indexed.
    pub(crate) fn with_held<T>(&self, read: impl FnOnce(Held<'_>) -> T) -> T {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken under the lock, so that the index never goes back to older states.
        let states = self.states();
        index.follow(&states);
        read(Held::new(&index, &states))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// One block for each state.
fn blocks(first: Header, states: &States) -> Blocks {
    let mut blocks = Blocks::new(first);
    states.roots().skip(1).for_each(|root| {
        blocks.push(*root);
    });
    blocks
}
