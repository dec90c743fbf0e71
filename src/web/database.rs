//! What JavaScript holds: numbers, bytes and promises. The pleasant form is `pkg/snaplight.js`; arguments come checked.

use std::pin::Pin;
use std::rc::Rc;

use js_sys::{Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::crash;
use super::driver::Driver;
use super::errors::Trouble;
use super::event_loop;
use super::listener::Listener;
use super::object::{self, Plain};
use super::reader::{Answer, Reader};
use super::socket::WebSocketLike;
use super::storage::Storage;
use crate::hash::Hash;
use crate::state::{Account, Network, Record};
use crate::store::Store;
use crate::sync::{Config, Engine, PeerId, Target};
use crate::trie::keccak;

/// The subprotocol of `docs/websocket-peers.md`.
const SUBPROTOCOL: &str = "devp2p.1";
/// Our name in Hello.
const CLIENT: &str = concat!("snaplight/", env!("CARGO_PKG_VERSION"));
/// Most codes whose hashes are kept in memory, 32 bytes each: twice what mainnet has. Those above are asked for again.
const MAX_CODES_HELD: usize = 4_000_000;

/// Has `listener` called with a message when the module panics; it must not call back. Call it once, before anything else.
#[wasm_bindgen(js_name = onCrash)]
pub fn on_crash(listener: Function) {
    crash::report_to(listener);
}

/// Deletes the database `name`. Rejects while somebody has it open to write.
#[wasm_bindgen(js_name = deleteDatabase)]
pub fn delete_database(name: String) -> Promise {
    promise(async move {
        Storage::delete(&name).await?;
        Ok(JsValue::UNDEFINED)
    })
}

/// One open database.
#[wasm_bindgen]
pub struct Database {
    driver: Rc<Driver>,
    reader: Rc<Reader>,
}

#[wasm_bindgen]
impl Database {
    /// Opens `name`, or an empty database in memory, for the network with this id and genesis hash (32 bytes).
    ///
    /// Resolves to a `Database`; rejects, as everything here does, with `{ code, message }`.
    pub fn open(
        name: String,
        memory: bool,
        network_id: u64,
        genesis: &[u8],
        listener: Listener,
    ) -> Promise {
        let genesis = hash(genesis);
        promise(async move {
            let network = Network {
                id: network_id,
                genesis: genesis?,
            };
            let database = Database::open_network(&name, memory, network, listener).await?;
            Ok(database.into())
        })
    }

    /// Takes a connecting or open socket as the peer `id`, never used before. With `checkProtocol`, the server must have
    /// selected our subprotocol when it opens.
    #[wasm_bindgen(js_name = addPeer)]
    pub fn add_peer(
        &self,
        id: u32,
        socket: WebSocketLike,
        check_protocol: bool,
    ) -> Result<(), JsValue> {
        self.check_open()?;
        let protocol = check_protocol.then_some(SUBPROTOCOL);
        Ok(self.driver.add_peer(PeerId(id), socket, protocol)?)
    }

    /// Says good-bye to a peer; nothing if it is gone.
    #[wasm_bindgen(js_name = closePeer)]
    pub fn close_peer(&self, id: u32) {
        self.driver.close_peer(PeerId(id));
    }

    /// Starts to sync to this root (32 bytes). The listener hears the end.
    #[wasm_bindgen(js_name = startSync)]
    pub fn start_sync(&self, root: &[u8]) -> Result<(), JsValue> {
        self.check_open()?;
        self.driver.start(Target::Root(hash(root)?));
        Ok(())
    }

    /// Starts to sync to the state after the block with this hash (32 bytes).
    #[wasm_bindgen(js_name = startSyncToBlock)]
    pub fn start_sync_to_block(&self, block: &[u8]) -> Result<(), JsValue> {
        self.check_open()?;
        self.driver.start(Target::Block(hash(block)?));
        Ok(())
    }

    /// Ends the sync under way; the listener hears when it has ended. Nothing if there is none.
    #[wasm_bindgen(js_name = cancelSync)]
    pub fn cancel_sync(&self) {
        self.driver.cancel();
    }

    /// Where the sync stands.
    pub fn progress(&self) -> JsValue {
        self.driver.progress().into()
    }

    /// Reads the account at this address (20 bytes) from the last complete state.
    pub fn account(&self, address: &[u8]) -> Promise {
        let key = keccak(address);
        let reader = self.reader.clone();
        promise(async move { Ok(account(reader.account(&key).await?).into()) })
    }

    /// Reads a slot (32 bytes) of the account at this address (20 bytes) from the last complete state.
    pub fn storage(&self, address: &[u8], slot: &[u8]) -> Promise {
        let (account, slot) = (keccak(address), keccak(slot));
        let reader = self.reader.clone();
        promise(async move {
            let Answer { value, root } = reader.slot(&account, &slot).await?;
            Ok(Plain::new()
                .with("value", hex(&value))
                .with("root", root.to_string())
                .into())
        })
    }

    /// Reads the code of an account (20 bytes) or with a hash (32 bytes).
    pub fn code(&self, address_or_hash: &[u8]) -> Promise {
        let target = Hash::from_slice(address_or_hash).ok_or_else(|| keccak(address_or_hash));
        let reader = self.reader.clone();
        promise(async move {
            let (code_hash, Answer { value, root }) = match target {
                Ok(code_hash) => (code_hash, reader.code(&code_hash).await?),
                Err(account) => reader.code_of(&account).await?,
            };
            Ok(Plain::new()
                .with("code", Uint8Array::new_from_slice(&value))
                .with("codeHash", code_hash.to_string())
                .with("root", root.to_string())
                .into())
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

impl Database {
    async fn open_network(
        name: &str,
        memory: bool,
        network: Network,
        listener: Listener,
    ) -> Result<Database, Trouble> {
        let store = Storage::open(name, memory).await?;
        let record = match store.record().await? {
            Some(bytes) => Record::decode(&bytes)?,
            None => first_record(network)?,
        };
        if record.network != network {
            let message = format!(
                "The database {name:?} belongs to network {} with genesis block {}. Open it for that one, or choose \
                 another name.",
                record.network.id, record.network.genesis
            );
            return Err(Trouble::new("WRONG_NETWORK", message));
        }
        let codes = store.codes_held(MAX_CODES_HELD).await?;
        let config = Config {
            network,
            client: CLIENT.to_owned(),
            node_id: event_loop::random()?,
        };
        listener.complete(&object::complete(record.complete.as_ref()));
        let driver = Driver::new(Engine::new(config, record, codes), store, listener);
        let reader = Reader::new(driver.clone());
        Ok(Database {
            driver,
            reader: Rc::new(reader),
        })
    }

    fn check_open(&self) -> Result<(), Trouble> {
        if self.driver.is_closing() {
            Err(Trouble::closed())
        } else {
            Ok(())
        }
    }
}

/// The record of a database that holds nothing yet.
fn first_record(network: Network) -> Result<Record, Trouble> {
    Ok(Record::fresh(event_loop::random()?, network))
}

fn account(
    Answer {
        value: account,
        root,
    }: Answer<Option<Account>>,
) -> Plain {
    let exists = account.is_some();
    let account = account.unwrap_or(Account {
        nonce: 0,
        balance: [0; 32],
        storage_root: Hash::EMPTY_ROOT,
        code_hash: Hash::EMPTY_CODE,
    });
    Plain::new()
        .with("exists", exists)
        .with("nonce", account.nonce)
        .with("balance", hex(&account.balance))
        .with("codeHash", account.code_hash.to_string())
        .with("storageRoot", account.storage_root.to_string())
        .with("root", root.to_string())
}

/// 32 bytes. JavaScript has counted them; should it err, it hears of it.
fn hash(bytes: &[u8]) -> Result<Hash, Trouble> {
    Hash::from_slice(bytes).ok_or_else(|| Trouble::new("BAD_ARGUMENT", "A hash has 32 bytes."))
}

fn hex(word: &[u8; 32]) -> String {
    Hash(*word).to_string()
}

/// Work boxed at once: JavaScript's promise and the machinery behind it are then compiled once and not for each call.
fn promise(work: impl Future<Output = Result<JsValue, Trouble>> + 'static) -> Promise {
    let work: Pin<Box<dyn Future<Output = Result<JsValue, Trouble>>>> = Box::pin(work);
    future_to_promise(async { work.await.map_err(JsValue::from) })
}
