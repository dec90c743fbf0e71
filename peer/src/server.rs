//! What all connections share: the states that are served, and the blocks they belong to.

use crate::{
    Hash,
    block::{Block, Blocks, Header, MAINNET_GENESIS, MAINNET_GENESIS_ROOT},
    link::Status,
    state::{Builder, State, States},
};
use std::sync::Arc;
use tokio::sync::watch;

/// What all connections share. A chain moves it on while they are served.
#[derive(Debug)]
pub struct Server {
    view: watch::Sender<View>,
    network_id: u64,
    genesis: Hash,
    name: String,
}

/// What is served at one moment. Requests are answered from one view, whatever happens meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct View {
    states: Arc<States>,
    blocks: Arc<Blocks>,
}

impl Server {
    /// Serves one state: block 0 of a network of its own, with id 1337.
    #[must_use]
    pub fn new(state: State) -> Server {
        let mut states = States::new(States::WINDOW);
        states.push(Arc::new(state));
        Server::of_chain(states)
    }

    /// Serves the states of a chain, the oldest one as block 0.
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
        }
    }

    /// The same on another network. If the genesis hash is another one than that of the first state's
    /// block 0, then that state is block 1, on top of a block 0 that nobody has here; mainnet's genesis
    /// state is mainnet's block 0.
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

    /// The newest state; an empty one if none was ever there.
    #[must_use]
    pub fn head(&self) -> Arc<State> {
        let head = self.states().head().cloned();
        head.unwrap_or_else(|| Arc::new(Builder::new().build()))
    }

    /// The same server as it was some blocks ago, and as it stays: a peer that does not keep up. States and
    /// headers that it would have forgotten since are gone all the same; the oldest state stays.
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
        }
    }

    /// The same state in another form.
    pub(crate) fn replace(&self, state: Arc<State>) {
        self.view
            .send_modify(|view| Arc::make_mut(&mut view.states).replace(state));
    }

    /// The blocks that are known now.
    #[must_use]
    pub fn blocks(&self) -> Arc<Blocks> {
        Arc::clone(&self.view.borrow().blocks)
    }

    /// A new block with this state, which is the head from now on.
    pub fn push(&self, state: Arc<State>) -> Arc<Block> {
        let mut pushed = None;
        self.view.send_modify(|view| {
            pushed = Some(Arc::make_mut(&mut view.blocks).push(state.root()));
            Arc::make_mut(&mut view.states).push(Arc::clone(&state));
        });
        // `send_modify` always runs what it is given.
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

    /// What the server says about itself now.
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

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A block for each state.
fn blocks(first: Header, states: &States) -> Blocks {
    let mut blocks = Blocks::new(first);
    states.roots().skip(1).for_each(|root| {
        blocks.push(*root);
    });
    blocks
}
