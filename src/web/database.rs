//! The object that JavaScript holds. It takes and gives numbers, bytes and promises; `pkg/lib`
//! checks the arguments and gives it the form that users see.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;

use js_sys::{Array, Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::backend::{Backend, OpenAs};
use super::crash;
use super::driver::{Driver, ScopeChange, not_a_set};
use super::errors::JsError;
use super::event_loop;
use super::listener::Listener;
use super::object;
use super::provider::Provider;
use super::read_priority::ReadPriority;
use super::reader::{Query, ReadResult, StateReader};
use super::socket::WebSocketLike;
use super::stored_state::{Hold, StoredState};
use crate::hash::Hash;
use crate::state::{Complete, Network, TrackedAccount};
use crate::store::StoreError;
use crate::sync::{Config, Engine, PeerId, Target};
use crate::trie::keccak;
use crate::wire::{By, VerifiedHeader};

/// The subprotocol of `docs/websocket-peers.md`.
const SUBPROTOCOL: &str = "devp2p.1";
/// Our name in Hello.
const CLIENT: &str = concat!("snaplight/", env!("CARGO_PKG_VERSION"));

/// Calls `listener` with a message when the module panics. `listener` must not call back. To be
/// called once, before anything else.
#[wasm_bindgen(js_name = onCrash)]
pub fn on_crash(listener: Function) {
    crash::report_to(listener);
}

/// Deletes the database `name`. Rejects while somebody has it open to write.
#[wasm_bindgen(js_name = deleteDatabase)]
pub fn delete_database(name: String) -> Promise {
    promise(async move {
        Backend::delete(&name).await?;
        Ok(JsValue::UNDEFINED)
    })
}

/// One open database.
#[wasm_bindgen]
pub struct Database {
    driver: Rc<Driver>,
    reader: Rc<StateReader>,
    states: Rc<States>,
    name: String,
    network: Network,
    /// What it was opened to hold.
    hold: Option<Hold>,
}

#[wasm_bindgen]
impl Database {
    /// Opens `name`, or an empty database in memory, for the network with this id and genesis hash
    /// (32 bytes), of which providers have to name this chain id. `role` is `"writer"`,
    /// `"follower"`, or anything else to be whichever is possible. `hold` is `"everything"`,
    /// `"set"`, or anything else for what an old database holds, and for everything in a new one.
    ///
    /// Resolves to a `Database`; rejects, as everything here does, with `{ code, message }`.
    #[expect(
        clippy::too_many_arguments,
        reason = "an object of them would cost a deserializer"
    )]
    pub fn open(
        name: String,
        memory: bool,
        role: &str,
        hold: &str,
        network_id: u64,
        genesis: &[u8],
        chain_id: u64,
        listener: Listener,
    ) -> Promise {
        let open_as = match role {
            "writer" => OpenAs::Write,
            "follower" => OpenAs::Follow,
            _ => OpenAs::Either,
        };
        let hold = match hold {
            "everything" => Some(Hold::Everything),
            "set" => Some(Hold::Set),
            _ => None,
        };
        let genesis = hash(genesis);
        promise(async move {
            let network = Network {
                id: network_id,
                genesis: genesis?,
            };
            let wanted = Wanted {
                name,
                memory,
                open_as,
                hold,
                network,
                chain_id,
            };
            Ok(Database::open_wanted(wanted, listener).await?.into())
        })
    }

    /// Takes a connecting or open socket as the peer `id`, never used before. `by` is `"hash"`, or
    /// anything else for `"snap"`. With `checkProtocol`, the server must have selected our
    /// subprotocol when it opens.
    #[wasm_bindgen(js_name = addPeer)]
    pub fn add_peer(
        &self,
        id: u32,
        socket: WebSocketLike,
        by: &str,
        check_protocol: bool,
    ) -> Result<(), JsValue> {
        self.check_open()?;
        let by = if by == "hash" { By::Hash } else { By::Snap };
        let protocol = check_protocol.then_some(SUBPROTOCOL);
        Ok(self.driver.add_peer(PeerId(id), socket, by, protocol)?)
    }

    /// Takes a provider (`pkg/lib/provider.js`) as the peer `id`, never used before.
    #[wasm_bindgen(js_name = addProvider)]
    pub fn add_provider(&self, id: u32, provider: Provider) -> Result<(), JsValue> {
        self.check_open()?;
        self.driver.add_provider(PeerId(id), provider);
        Ok(())
    }

    /// Notes that the line to a provider, or to a peer whose socket does not say so, has ended, with
    /// a WebSocket's code and reason; nothing if it is gone.
    #[wasm_bindgen(js_name = loseProvider)]
    pub fn lose_provider(&self, id: u32, code: u16, reason: &str) {
        self.driver.hung_up(PeerId(id), code, reason);
    }

    /// Says good-bye to a peer; nothing if it is gone.
    #[wasm_bindgen(js_name = closePeer)]
    pub fn close_peer(&self, id: u32) {
        self.driver.close_peer(PeerId(id));
    }

    /// Starts to sync to this root (32 bytes), or moves the sync under way to it. The listener
    /// hears the end. Writers only.
    #[wasm_bindgen(js_name = startSync)]
    pub fn start_sync(&self, root: &[u8]) -> Result<(), JsValue> {
        self.start(Target::Root(hash(root)?))
    }

    /// The same, to the state after the block with this hash (32 bytes).
    #[wasm_bindgen(js_name = startSyncToBlock)]
    pub fn start_sync_to_block(&self, block: &[u8]) -> Result<(), JsValue> {
        self.start(Target::Block(hash(block)?))
    }

    /// The same, to the state after the block with this header: its RLP (a `Uint8Array`) or its
    /// JSON, of which the hash has to be `block` (32 bytes), if that is given.
    #[wasm_bindgen(js_name = startSyncToHeader)]
    pub fn start_sync_to_header(
        &self,
        header: JsValue,
        block: Option<Box<[u8]>>,
    ) -> Result<(), JsValue> {
        self.start(Target::Header(verified(header, block)?))
    }

    /// Checks a header, in the same forms, against `block`. Returns what it says:
    /// `object::header`.
    pub fn header(&self, header: JsValue, block: Option<Box<[u8]>>) -> Result<JsValue, JsValue> {
        let header = verified(header, block)?;
        Ok(object::header(&header))
    }

    /// Ends the sync under way, if there is one; the listener hears when it has ended.
    #[wasm_bindgen(js_name = cancelSync)]
    pub fn cancel_sync(&self) {
        self.driver.cancel();
    }

    /// Where the sync stands: `object::progress`.
    pub fn progress(&self) -> JsValue {
        self.driver.progress()
    }

    /// What a bug report needs of the engine: `diagnostics::diagnostics`.
    pub fn diagnostics(&self) -> JsValue {
        self.driver.diagnostics()
    }

    /// Reads the account at this address (20 bytes): `[state, body]`, where the body is nonce 8
    /// bytes, balance 32, code hash 32, storage root 32, or nothing if there is no such account.
    /// `at`, here and below, is the root (32 bytes) of a state that can be read; without it, the
    /// last complete state is read.
    pub fn account(&self, address: &[u8], at: Option<Box<[u8]>>) -> Promise {
        self.read(Query::Account(keccak(address)), at)
    }

    /// Reads slots (32 bytes each) of the account at this address (20 bytes): `[state, values]`,
    /// where a value has 32 bytes.
    pub fn storage(&self, address: &[u8], slots: &[u8], at: Option<Box<[u8]>>) -> Promise {
        self.read(Query::Slots(keccak(address), hashed(slots)), at)
    }

    /// Reads the code of an account (20 bytes) or with a hash (32 bytes): `[state, code, code
    /// hash]`.
    pub fn code(&self, address_or_hash: &[u8], at: Option<Box<[u8]>>) -> Promise {
        let query = match Hash::from_slice(address_or_hash) {
            Some(hash) => Query::Code(hash),
            None => Query::CodeOf(keccak(address_or_hash)),
        };
        self.read(query, at)
    }

    /// Proves the account at this address (20 bytes) and slots of it (32 bytes each): `[state,
    /// body, nodes, values, nodes of each slot]`, with the body and the values of
    /// [`Database::account`] and [`Database::storage`], and each node's RLP, from the root down.
    pub fn proof(&self, address: &[u8], slots: &[u8], at: Option<Box<[u8]>>) -> Promise {
        self.read(Query::Proof(keccak(address), hashed(slots)), at)
    }

    /// Changes what is to be held: `method` is `"holdEverything"`, `"holdSet"` (the set that there
    /// is, or a new one, with these accounts besides), `"track"` or `"untrack"` (an account that
    /// names neither code nor slots goes as a whole). `accounts` is a list of
    /// `state::scope::changes`.
    ///
    /// Returns the version of a scope: it is held like this as soon as the complete state's scope
    /// has this version or a later one. Writers only.
    pub fn change(&self, method: &str, accounts: &[u8]) -> Result<f64, JsValue> {
        self.check_writer()?;
        let accounts = TrackedAccount::read_list(accounts).map_err(JsError::from)?;
        let change = match method {
            "holdSet" => ScopeChange::HoldSet(accounts),
            "track" => ScopeChange::Track(accounts),
            "untrack" => ScopeChange::Untrack(accounts),
            _ => ScopeChange::HoldEverything,
        };
        Ok(self.driver.change_scope(change)? as f64)
    }

    /// Resolves to the set, in the same layout.
    pub fn tracked(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let scope = driver.scope();
            Ok(bytes(&scope.tracked().ok_or_else(not_a_set)?.list()))
        })
    }

    /// Forgets the verified pages, so that the next reads verify again what is stored.
    pub fn forget(&self) {
        self.reader.forget();
    }

    /// Whether this database object is the writer.
    #[wasm_bindgen(js_name = isWriter)]
    pub fn is_writer(&self) -> bool {
        self.driver.is_writer()
    }

    /// Waits in line until nobody else writes. Resolves to whether this is the writer now: `false`
    /// if it was closed before. `leaving` (an `AbortSignal` or `undefined`) gives the place in the
    /// line up, which rejects.
    #[wasm_bindgen(js_name = takeOver)]
    pub fn take_over(&self, leaving: JsValue) -> Promise {
        let (driver, name) = (self.driver.clone(), self.name.clone());
        let (network, hold) = (self.network, self.hold);
        promise(async move {
            let taken_over = driver.take_over(&name, network, hold, leaving).await?;
            Ok(taken_over.into())
        })
    }

    /// Reads what the writer has completed; of no effect on the writer.
    #[wasm_bindgen(js_name = catchUp)]
    pub fn catch_up(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            driver.catch_up().await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Ends everything, waits for what is being written, and gives up the lock.
    pub fn close(&self) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            driver.close().await;
            Ok(JsValue::UNDEFINED)
        })
    }
}

/// The database that a caller of `open` wants.
struct Wanted {
    name: String,
    memory: bool,
    open_as: OpenAs,
    hold: Option<Hold>,
    network: Network,
    chain_id: u64,
}

impl Database {
    async fn open_wanted(wanted: Wanted, listener: Listener) -> Result<Database, JsError> {
        let Wanted {
            name,
            memory,
            open_as,
            hold,
            network,
            chain_id,
        } = wanted;
        let (store, writes) = Backend::open(&name, memory, open_as).await?;
        let found = StoredState::load(&store, &name, network, writes).await?;
        found.check_hold(&name, hold)?;
        let begins_set = found.begins_set(hold);
        let config = Config {
            network,
            client: CLIENT.to_owned(),
            chain_id,
            node_id: event_loop::random()?,
        };
        let followed = (!writes).then(|| (found.record.clone(), found.scopes.clone()));
        let engine = Engine::new(config, found.record, found.codes).with_scopes(found.scopes);
        let (store, readers) = (Rc::new(store), Rc::new(ReadPriority::default()));
        let driver = Driver::new(engine, store.clone(), listener, followed, readers.clone());
        driver.tell_held();
        driver.watch_connection();
        if writes {
            driver.begin_writing(found.lost, begins_set);
        }
        let reader = Rc::new(StateReader::new(driver.clone(), store, readers));
        Ok(Database {
            driver,
            reader,
            states: Rc::default(),
            name,
            network,
            hold,
        })
    }

    fn start(&self, target: Target) -> Result<(), JsValue> {
        self.check_writer()?;
        self.driver.start(target);
        Ok(())
    }

    fn check_writer(&self) -> Result<(), JsError> {
        self.check_open()?;
        match self.driver.is_writer() {
            true => Ok(()),
            false => Err(StoreError::Locked.into()),
        }
    }

    fn check_open(&self) -> Result<(), JsError> {
        if self.driver.is_closing() {
            Err(JsError::closed())
        } else {
            Ok(())
        }
    }

    fn read(&self, query: Query, at: Option<Box<[u8]>>) -> Promise {
        let (reader, states) = (self.reader.clone(), self.states.clone());
        promise(async move {
            let at = at.as_deref().map(hash).transpose()?;
            let answer = reader.read(&query, at).await;
            reader.note_read();
            let ReadResult {
                state,
                value,
                code_hash,
                proof,
            } = answer?;
            let answer = Array::of2(&states.object(&state), &bytes(&value));
            if let Some(hash) = code_hash {
                answer.push(&bytes(&hash.0));
            }
            if let Some(proof) = proof {
                let values: Vec<u8> = proof.slots.iter().flat_map(|slot| slot.value).collect();
                let of_slots = Array::new();
                for slot in &proof.slots {
                    of_slots.push(&list(&slot.nodes));
                }
                answer.push(&list(&proof.nodes));
                answer.push(&bytes(&values));
                answer.push(&of_slots);
            }
            Ok(answer.into())
        })
    }
}

/// The JavaScript object of the state that was read last. It is kept, because a wallet reads
/// thousands of values of one state.
#[derive(Default)]
struct States(RefCell<Option<(Complete, JsValue)>>);

impl States {
    fn object(&self, state: &Complete) -> JsValue {
        let mut last = self.0.borrow_mut();
        match &*last {
            Some((known, object)) if known == state => object.clone(),
            _ => {
                let object = object::complete(state);
                *last = Some((*state, object.clone()));
                object
            }
        }
    }
}

/// The keys of slots, by their numbers of 32 bytes each.
fn hashed(slots: &[u8]) -> Vec<Hash> {
    slots.chunks_exact(32).map(keccak).collect()
}

fn list(items: &[Vec<u8>]) -> Array {
    let list = Array::new();
    for item in items {
        list.push(&bytes(item));
    }
    list
}

fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::new_from_slice(bytes).into()
}

/// A header: its RLP (a `Uint8Array`) or its JSON, of which the hash has to be `block` (32 bytes),
/// if that is given.
fn verified(header: JsValue, block: Option<Box<[u8]>>) -> Result<VerifiedHeader, JsError> {
    let block = block.as_deref().map(hash).transpose()?;
    let header = match header.dyn_into::<Uint8Array>() {
        Ok(rlp) => VerifiedHeader::of_rlp(&rlp.to_vec(), block.as_ref()),
        Err(json) => VerifiedHeader::of_json(&json, block.as_ref()),
    };
    header.map_err(JsError::from)
}

/// A hash of 32 bytes, which JavaScript has counted.
fn hash(bytes: &[u8]) -> Result<Hash, JsError> {
    Hash::from_slice(bytes).ok_or_else(|| JsError::new("BAD_ARGUMENT", "A hash has 32 bytes."))
}

fn promise(work: impl Future<Output = Result<JsValue, JsError>> + 'static) -> Promise {
    promise_of(Box::pin(work))
}

/// Makes a JavaScript promise. Boxed, so that its machinery is compiled once and not for each
/// caller.
fn promise_of(work: Pin<Box<dyn Future<Output = Result<JsValue, JsError>>>>) -> Promise {
    future_to_promise(async { work.await.map_err(JsValue::from) })
}
