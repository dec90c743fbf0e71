//! Tests the driver in a page. It carries out the engine's outputs on sockets that look like
//! WebSockets, and passes their events to the engine.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used)]

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use snaplight::hash::Hash;
use snaplight::state::{
    Batch, Complete, Counts, Network, PageId, PendingGc, Record, RootPage, TrackedAccount,
    TrackedSet,
};
use snaplight::store::Store;
use snaplight::store::indexed_db::{Durability, IndexedDb, WriterLock};
use snaplight::web::{Database, delete_database};
use wasm_bindgen::convert::TryFromJsValue;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

#[path = "web_driver/hostile.rs"]
mod hostile;

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(inline_js = r#"
    /** Records all events of the database, in order. */
    export class Listener {
      heard = []
      #waiting = []
      #hear(event, ...args) {
        this.heard.push([event, ...args])
        this.#waiting = this.#waiting.filter(([wanted, resolve]) => wanted !== event || resolve(args))
      }
      onStates(...args) { this.#hear('states', ...args) }
      onSynced(...args) { this.#hear('synced', ...args) }
      onFailed(...args) { this.#hear('failed', ...args) }
      onEvent(...args) { this.#hear('event', ...args) }
      onPeer(...args) { this.#hear('peer', ...args) }
      onPeerClosed(...args) { this.#hear('peerClosed', ...args) }
      next(event) { return new Promise((resolve) => this.#waiting.push([event, resolve])) }
    }

    export class Socket extends EventTarget {
      binaryType = 'blob'
      readyState = 1
      sent = []
      closedWith = undefined
      onsend = () => {}
      send(data) { this.sent.push(data); this.onsend(data) }
      close(code, reason) { this.readyState = 3; this.closedWith = code }
      open() { this.readyState = 1; this.dispatchEvent(new Event('open')) }
      deliver(data) { this.dispatchEvent(new MessageEvent('message', { data })) }
      hangUp(code) { this.readyState = 3; this.dispatchEvent(new CloseEvent('close', { code })) }
    }

    /** Resolves at the next turn of the event loop. */
    export function turn() {
      const { port1, port2 } = new MessageChannel()
      return new Promise((resolve) => {
        port1.onmessage = () => { port1.close(); resolve() }
        port2.postMessage(null)
      })
    }
"#)]
extern "C" {
    fn turn() -> Promise;

    type Listener;
    #[wasm_bindgen(constructor)]
    fn new() -> Listener;
    #[wasm_bindgen(method, getter)]
    fn heard(this: &Listener) -> Array;
    #[wasm_bindgen(method)]
    fn next(this: &Listener, event: &str) -> Promise;

    type Socket;
    #[wasm_bindgen(constructor)]
    fn new() -> Socket;
    #[wasm_bindgen(method, getter, js_name = binaryType)]
    fn binary_type(this: &Socket) -> String;
    #[wasm_bindgen(method, setter, js_name = readyState)]
    fn set_ready_state(this: &Socket, state: u32);
    #[wasm_bindgen(method, setter)]
    fn set_onsend(this: &Socket, callback: &Function);
    #[wasm_bindgen(method, getter)]
    fn sent(this: &Socket) -> Array;
    #[wasm_bindgen(method, getter, js_name = closedWith)]
    fn closed_with(this: &Socket) -> JsValue;
    #[wasm_bindgen(method)]
    fn open(this: &Socket);
    #[wasm_bindgen(method)]
    fn deliver(this: &Socket, data: &JsValue);
    #[wasm_bindgen(method, js_name = hangUp)]
    fn hang_up(this: &Socket, code: u32);
}

/// A Ping, which breaks the protocol before Hello.
const PING: [u8; 2] = [0x02, 0xc0];
/// The first byte of a Hello: message id 0.
const HELLO: u8 = 0x80;

async fn delete(name: &str) {
    JsFuture::from(delete_database(name.to_owned()))
        .await
        .unwrap();
}

async fn try_open(name: &str, memory: bool, listener: &Listener) -> Result<Database, JsValue> {
    open_as("writer", name, memory, listener).await
}

async fn open_as(
    role: &str,
    name: &str,
    memory: bool,
    listener: &Listener,
) -> Result<Database, JsValue> {
    open_to_hold("", role, name, memory, listener).await
}

async fn open_to_hold(
    hold: &str,
    role: &str,
    name: &str,
    memory: bool,
    listener: &Listener,
) -> Result<Database, JsValue> {
    let listener = AsRef::<JsValue>::as_ref(listener).clone().unchecked_into();
    let opened = Database::open(
        name.to_owned(),
        memory,
        role,
        hold,
        1,
        &[7; 32],
        1,
        listener,
    );
    JsFuture::from(opened)
        .await
        .map(|database| Database::try_from_js_value(database).unwrap())
}

async fn in_memory(listener: &Listener) -> Database {
    try_open("in memory", true, listener).await.unwrap()
}

fn add(database: &Database, id: u32, socket: &Socket) {
    add_by(database, id, socket, "snap");
}

fn add_by(database: &Database, id: u32, socket: &Socket, by: &str) {
    let socket = AsRef::<JsValue>::as_ref(socket).clone().unchecked_into();
    database.add_peer(id, socket, by, false).unwrap();
}

/// Returns the first two parts of an answer.
async fn parts(answer: Promise) -> [JsValue; 2] {
    let answer: Array = JsFuture::from(answer).await.unwrap().unchecked_into();
    [answer.get(0), answer.get(1)]
}

/// Waits for an event, and returns its arguments.
async fn arguments(event: Promise) -> Array {
    JsFuture::from(event).await.unwrap().unchecked_into()
}

async fn close(database: Database) {
    JsFuture::from(database.close()).await.unwrap();
}

fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap()
}

fn frame(bytes: &[u8]) -> JsValue {
    Uint8Array::new_from_slice(bytes).buffer().into()
}

#[wasm_bindgen_test]
async fn an_open_socket_is_greeted_at_once_and_asked_for_array_buffers() {
    let (listener, socket) = (Listener::new(), Socket::new());
    let database = in_memory(&listener).await;
    add(&database, 1, &socket);
    assert_eq!(socket.binary_type(), "arraybuffer");
    let hello: Uint8Array = socket.sent().get(0).unchecked_into();
    assert_eq!(hello.get_index(0), HELLO);
    close(database).await;
}

#[wasm_bindgen_test]
async fn a_peer_by_hash_is_offered_eth_66_alone_whenever_it_opens() {
    let (listener, open, connecting) = (Listener::new(), Socket::new(), Socket::new());
    let database = in_memory(&listener).await;
    connecting.set_ready_state(0);
    add_by(&database, 1, &open, "hash");
    add_by(&database, 2, &connecting, "hash");
    connecting.open();
    // RLP of `[["eth", 66]]`.
    let offer = [0xc6, 0xc5, 0x83, b'e', b't', b'h', 66];
    for socket in [open, connecting] {
        let hello: Uint8Array = socket.sent().get(0).unchecked_into();
        assert_eq!(hello.get_index(0), HELLO);
        assert!(
            hello
                .to_vec()
                .windows(offer.len())
                .any(|part| part == offer)
        );
    }
    close(database).await;
}

#[wasm_bindgen_test]
async fn a_frame_is_a_copy_that_later_work_does_not_change() {
    let (listener, socket) = (Listener::new(), Socket::new());
    let database = in_memory(&listener).await;
    add(&database, 1, &socket);
    let hello: Uint8Array = socket.sent().get(0).unchecked_into();
    let before = hello.to_vec();
    for id in 2..20 {
        add(&database, id, &Socket::new());
    }
    assert_eq!(hello.to_vec(), before);
    assert_eq!(hello.buffer().byte_length() as usize, before.len());
    close(database).await;
}

#[wasm_bindgen_test]
async fn a_socket_that_connects_is_sent_hello_when_it_opens_and_is_read_only_then() {
    let (listener, socket) = (Listener::new(), Socket::new());
    let database = in_memory(&listener).await;
    socket.set_ready_state(0);
    add(&database, 1, &socket);
    socket.deliver(&frame(&PING));
    assert_eq!(socket.sent().length(), 0);
    socket.open();
    assert_eq!(socket.sent().length(), 1);
    close(database).await;
}

#[wasm_bindgen_test]
async fn faults_close_with_codes_that_a_page_may_send_and_are_reported_once() {
    let deliveries = [
        JsValue::from_str("text"),
        frame(&PING),
        js_sys::ArrayBuffer::new(10 * 1024 * 1024 + 1).into(),
    ];
    for data in deliveries {
        let (listener, socket) = (Listener::new(), Socket::new());
        let database = in_memory(&listener).await;
        add(&database, 1, &socket);
        let closed = listener.next("peerClosed");
        socket.deliver(&data);
        socket.deliver(&data);
        socket.hang_up(1006);
        let closed = arguments(closed).await;
        assert_eq!(closed.get(0), 1);
        assert_eq!(field(&closed.get(1), "by"), "fault");
        let code = socket.closed_with().as_f64().unwrap();
        assert!(code == 1000.0 || (3000.0..5000.0).contains(&code), "{code}");
        let reported = listener
            .heard()
            .iter()
            .filter(|event| field(event, "0") == "peerClosed")
            .count();
        assert_eq!(reported, 1);
        close(database).await;
    }
}

#[wasm_bindgen_test]
async fn an_answer_from_inside_send_is_read_after_it() {
    let (listener, socket) = (Listener::new(), Socket::new());
    let database = in_memory(&listener).await;
    // The answer arrives while the driver is sending. It comes before Hello, so it is a fault.
    let answer = Function::new_no_args(
        "if (!this.answered) { this.answered = true; this.deliver(Uint8Array.of(2, 0xc0).buffer) }",
    );
    socket.set_onsend(&answer);
    let closed = listener.next("peerClosed");
    add(&database, 1, &socket);
    let closed = arguments(closed).await;
    assert_eq!(field(&closed.get(1), "by"), "fault");
    close(database).await;
}

#[wasm_bindgen_test]
async fn the_empty_state_is_complete_and_durable_before_its_end_is_reported() {
    let name = "driver: empty state";
    delete(name).await;
    let listener = Listener::new();
    let database = try_open(name, false, &listener).await.unwrap();
    let synced = listener.next("synced");
    database.start_sync(&Hash::EMPTY_ROOT.0).unwrap();
    let report = arguments(synced).await;
    assert_eq!(field(&report.get(0), "root"), Hash::EMPTY_ROOT.to_string());
    let events: Vec<_> = listener
        .heard()
        .iter()
        .map(|event| field(&event, "0").as_string().unwrap())
        .collect();
    assert_eq!(events, ["states", "states", "synced"]);
    close(database).await;

    let listener = Listener::new();
    let again = try_open(name, false, &listener).await.unwrap();
    let states = field(&field(&listener.heard().get(0), "1"), "states");
    let complete = field(&states, "0");
    assert_eq!(field(&complete, "root"), Hash::EMPTY_ROOT.to_string());
    let [state, body] = parts(again.account(&[0x22; 20], None)).await;
    assert_eq!(field(&state, "root"), Hash::EMPTY_ROOT.to_string());
    assert_eq!(field(&body, "length"), 0);
    close(again).await;
}

#[wasm_bindgen_test]
async fn a_database_is_locked_while_it_is_open_and_free_as_soon_as_close_has_ended() {
    let name = "driver: locked";
    let listener = Listener::new();
    let first = try_open(name, false, &listener).await.unwrap();
    let refused = try_open(name, false, &Listener::new())
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(field(&refused, "code"), "LOCKED");
    let refused = JsFuture::from(delete_database(name.to_owned()))
        .await
        .unwrap_err();
    assert_eq!(field(&refused, "code"), "LOCKED");
    close(first).await;
    close(try_open(name, false, &listener).await.unwrap()).await;
    delete(name).await;
    close(try_open(name, false, &listener).await.unwrap()).await;
}

#[wasm_bindgen_test]
async fn a_follower_reads_what_the_writer_has_completed_and_writes_when_that_closes() {
    let name = "driver: followed";
    delete(name).await;
    let (wrote, followed) = (Listener::new(), Listener::new());
    let writer = open_as("", name, false, &wrote).await.unwrap();
    let follower = open_as("", name, false, &followed).await.unwrap();
    assert!(writer.is_writer() && !follower.is_writer());
    let refused = follower.start_sync(&Hash::EMPTY_ROOT.0).unwrap_err();
    assert_eq!(field(&refused, "code"), "LOCKED");

    let synced = wrote.next("synced");
    writer.start_sync(&Hash::EMPTY_ROOT.0).unwrap();
    arguments(synced).await;
    let no_state = JsFuture::from(follower.account(&[0x22; 20], None)).await;
    assert_eq!(field(&no_state.unwrap_err(), "code"), "NO_STATE");
    JsFuture::from(follower.catch_up()).await.unwrap();
    let [state, _] = parts(follower.account(&[0x22; 20], None)).await;
    assert_eq!(field(&state, "root"), Hash::EMPTY_ROOT.to_string());

    let took_over = follower.take_over(JsValue::UNDEFINED);
    close(writer).await;
    assert_eq!(JsFuture::from(took_over).await.unwrap(), true);
    assert!(follower.is_writer());
    let synced = followed.next("synced");
    follower.start_sync(&Hash::EMPTY_ROOT.0).unwrap();
    arguments(synced).await;
    close(follower).await;
}

/// The message with which this database is refused to another network.
async fn refused_network(role: &str, name: &str, id: u64, genesis: [u8; 32]) -> String {
    let listener: JsValue = AsRef::<JsValue>::as_ref(&Listener::new()).clone();
    let opened = Database::open(
        name.to_owned(),
        false,
        role,
        "",
        id,
        &genesis,
        id,
        listener.unchecked_into(),
    );
    let refused = JsFuture::from(opened).await.unwrap_err();
    assert_eq!(field(&refused, "code"), "WRONG_NETWORK");
    field(&refused, "message").as_string().unwrap()
}

#[wasm_bindgen_test]
async fn a_database_that_was_never_synced_is_not_opened_for_another_network() {
    let name = "driver: never synced";
    delete(name).await;
    let (sevens, eights) = (Hash([7; 32]).to_string(), Hash([8; 32]).to_string());
    let writer = try_open(name, false, &Listener::new()).await.unwrap();
    let follower = refused_network("follower", name, 1, [8; 32]).await;
    assert!(follower.contains(&sevens) && follower.contains(&eights));
    close(writer).await;
    for (id, genesis) in [(1, [8; 32]), (2, [7; 32])] {
        let message = refused_network("writer", name, id, genesis).await;
        assert!(message.contains("belongs to network 1 "), "{message}");
        assert!(message.contains(&format!("opened for network {id} ")));
    }
    // The refused ones have left the lock, and the database as it was.
    close(try_open(name, false, &Listener::new()).await.unwrap()).await;
    delete(name).await;
}

#[wasm_bindgen_test]
async fn an_empty_database_of_an_older_version_belongs_to_who_opens_it_first() {
    let name = "driver: older";
    delete(name).await;
    let lock = WriterLock::acquire(name).await.unwrap();
    let older = IndexedDb::open_to_write(lock, Durability::default());
    older.await.unwrap().close().await;
    close(try_open(name, false, &Listener::new()).await.unwrap()).await;
    refused_network("", name, 2, [7; 32]).await;
    delete(name).await;
}

#[wasm_bindgen_test]
async fn a_damaged_record_does_not_give_the_database_to_another_network() {
    let name = "driver: damaged and another";
    delete(name).await;
    close(try_open(name, false, &Listener::new()).await.unwrap()).await;
    let lock = WriterLock::acquire(name).await.unwrap();
    let store = IndexedDb::open_to_write(lock, Durability::default());
    let store = store.await.unwrap();
    let batch = Batch {
        sequence: 1,
        pages: Vec::new(),
        codes: Vec::new(),
        delete: Vec::new(),
        delete_codes: Vec::new(),
        scopes: Vec::new(),
        delete_scopes: Vec::new(),
        record: vec![3; 9],
    };
    store.commit(batch).await.unwrap();
    store.close().await;
    refused_network("writer", name, 2, [7; 32]).await;
    // Its own network starts over, and it is still not another's.
    close(try_open(name, false, &Listener::new()).await.unwrap()).await;
    refused_network("writer", name, 2, [7; 32]).await;
    delete(name).await;
}

/// The error's code of a read of the account at 20 times this byte; `None` if it was read.
async fn refused_read(database: &Database, address: u8) -> Option<JsValue> {
    let read = JsFuture::from(database.account(&[address; 20], None)).await;
    read.err().map(|error| field(&error, "code"))
}

async fn synced_to_nothing(database: &Database, listener: &Listener) {
    let synced = listener.next("synced");
    database.start_sync(&Hash::EMPTY_ROOT.0).unwrap();
    arguments(synced).await;
}

#[wasm_bindgen_test]
async fn a_set_is_stored_followed_and_taken_over() {
    let name = "driver: a set";
    delete(name).await;
    let (wrote, followed) = (Listener::new(), Listener::new());
    let writer = open_to_hold("set", "writer", name, false, &wrote)
        .await
        .unwrap();
    let tracked = [
        TrackedAccount::new([0x22; 20], false, &[]),
        TrackedAccount::whole([0x33; 20], true),
    ];
    let set = TrackedSet::default().with(&tracked).unwrap();
    writer.change("track", &set.list()).unwrap();
    synced_to_nothing(&writer, &wrote).await;
    assert_eq!(refused_read(&writer, 0x22).await, None);
    assert_eq!(refused_read(&writer, 0x44).await.unwrap(), "NOT_TRACKED");

    let follower = open_to_hold("set", "follower", name, false, &followed)
        .await
        .unwrap();
    let refused = follower.change("track", &[]).unwrap_err();
    assert_eq!(field(&refused, "code"), "LOCKED");
    let listed = JsFuture::from(follower.tracked()).await.unwrap();
    assert_eq!(Uint8Array::from(listed).to_vec(), set.list());
    assert_eq!(refused_read(&follower, 0x33).await, None);
    assert_eq!(refused_read(&follower, 0x44).await.unwrap(), "NOT_TRACKED");

    let whole = TrackedAccount::new([0x33; 20], false, &[]);
    let less = TrackedSet::default().with(&[whole]).unwrap().list();
    writer.change("untrack", &less).unwrap();
    assert_eq!(refused_read(&writer, 0x33).await.unwrap(), "NOT_TRACKED");
    let took_over = follower.take_over(JsValue::UNDEFINED);
    close(writer).await;
    assert_eq!(JsFuture::from(took_over).await.unwrap(), true);
    assert_eq!(refused_read(&follower, 0x22).await, None);
    assert_eq!(refused_read(&follower, 0x33).await.unwrap(), "NOT_TRACKED");
    close(follower).await;

    let wrong = open_to_hold("everything", "writer", name, false, &followed).await;
    let wrong = wrong.map(drop).unwrap_err();
    assert_eq!(field(&wrong, "code"), "WRONG_HOLD");
}

/// Its batch waits for readers, and closing waits for its batch.
#[wasm_bindgen_test]
async fn what_is_to_be_held_is_stored_before_closing_ends() {
    let name = "driver: a set that is closed at once";
    delete(name).await;
    let account = |byte| TrackedAccount::whole([byte; 20], false);
    let mut tracked = TrackedSet::default();
    for turn in 1..10 {
        let listener = Listener::new();
        let database = open_to_hold("set", "writer", name, false, &listener)
            .await
            .unwrap();
        if turn == 1 {
            synced_to_nothing(&database, &listener).await;
        }
        let listed = JsFuture::from(database.tracked()).await.unwrap();
        assert_eq!(Uint8Array::from(listed).to_vec(), tracked.list());
        for byte in [2 * turn, 2 * turn + 1] {
            let added = TrackedSet::default().with(&[account(byte)]).unwrap();
            database.change("track", &added.list()).unwrap();
            tracked = tracked.with(&[account(byte)]).unwrap();
            assert_eq!(refused_read(&database, 1).await.unwrap(), "NOT_TRACKED");
        }
        close(database).await;
    }
}

/// Commits a record. If the record has pending garbage, the batch has its pages.
async fn commit(store: &IndexedDb, record: Record) {
    let pages = match record.pending_gc {
        Some(_) => (1..4).map(|id| (PageId(id), vec![0; 100])).collect(),
        None => vec![],
    };
    let batch = Batch {
        sequence: record.sequence,
        pages,
        codes: vec![],
        delete: vec![],
        delete_codes: vec![],
        scopes: vec![],
        delete_scopes: vec![],
        record: record.encode(),
    };
    store.commit(batch).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_follower_collects_no_garbage_and_can_take_over_at_any_moment() {
    let name = "driver: garbage";
    let network = Network {
        id: 1,
        genesis: Hash([7; 32]),
    };
    // The number of turns decides how far the take-over has come when the socket opens and wakes
    // the follower's engine.
    for turns in 0..20 {
        IndexedDb::delete(name).await.unwrap();
        let lock = WriterLock::acquire(name).await.unwrap();
        let writer = IndexedDb::open_to_write(lock, Durability::default())
            .await
            .unwrap();
        let first = Record {
            sequence: 1,
            next_page: PageId(4),
            complete: Some(Complete {
                top: RootPage::new(Hash::EMPTY_ROOT, None).unwrap(),
                counts: Counts::default(),
                block: None,
                scope: 0,
            }),
            pending_gc: Some(PendingGc {
                old: None,
                build: PageId(1)..PageId(4),
                stray_codes: false,
            }),
            ..Record::fresh([1; 16], network)
        };
        let second = Record {
            sequence: 2,
            complete: None,
            pending_gc: None,
            ..first.clone()
        };
        commit(&writer, first).await;
        let (listener, socket) = (Listener::new(), Socket::new());
        let follower = open_as("follower", name, false, &listener).await.unwrap();
        commit(&writer, second).await;
        let took_over = follower.take_over(JsValue::UNDEFINED);
        writer.close().await;
        for _ in 0..turns {
            JsFuture::from(turn()).await.unwrap();
        }
        add(&follower, 1, &socket);
        assert_eq!(JsFuture::from(took_over).await.unwrap(), true);

        let synced = listener.next("synced");
        let failed = listener.next("failed");
        follower.start_sync(&Hash::EMPTY_ROOT.0).unwrap();
        let ended = arguments(Promise::race(&Array::of2(&synced, &failed))).await;
        assert_eq!(
            field(&ended.get(0), "code"),
            JsValue::UNDEFINED,
            "after {turns} turns: {:?}",
            ended.get(0)
        );
        close(follower).await;
    }
}

#[wasm_bindgen_test]
async fn a_follower_that_is_closed_while_it_waits_passes_the_lock_on() {
    let name = "driver: closed while it waits";
    let writer = try_open(name, false, &Listener::new()).await.unwrap();
    let follower = open_as("", name, false, &Listener::new()).await.unwrap();
    let took_over = follower.take_over(JsValue::UNDEFINED);
    close(follower).await;
    close(writer).await;
    assert_eq!(JsFuture::from(took_over).await.unwrap(), false);
    close(try_open(name, false, &Listener::new()).await.unwrap()).await;
}

#[wasm_bindgen_test]
async fn close_waits_for_a_cancelled_sync_and_refuses_every_later_call() {
    let (listener, socket) = (Listener::new(), Socket::new());
    let database = in_memory(&listener).await;
    add(&database, 1, &socket);
    database.start_sync(&[0xab; 32]).unwrap();
    let failed = listener.next("failed");
    JsFuture::from(database.close()).await.unwrap();
    let failed = arguments(failed).await;
    assert_eq!(field(&failed.get(0), "code"), "CANCELLED");
    assert_eq!(socket.closed_with(), 1000);

    assert_eq!(
        field(&database.start_sync(&[0xab; 32]).unwrap_err(), "code"),
        "CLOSED"
    );
    let refused = JsFuture::from(database.account(&[0; 20], None))
        .await
        .unwrap_err();
    assert_eq!(field(&refused, "code"), "CLOSED");
    let late = Socket::new();
    assert!(
        database
            .add_peer(
                2,
                AsRef::<JsValue>::as_ref(&late).clone().unchecked_into(),
                "snap",
                false
            )
            .is_err()
    );
    assert!(late.sent().length() == 0);
}

#[wasm_bindgen_test]
async fn a_plain_object_that_takes_no_listeners_is_refused_with_an_error() {
    let database = in_memory(&Listener::new()).await;
    let frozen = Object::new();
    for method in ["send", "close"] {
        Reflect::set(&frozen, &method.into(), &Function::new_no_args("")).unwrap();
    }
    let refused = database
        .add_peer(1, Object::freeze(&frozen).unchecked_into(), "snap", false)
        .unwrap_err();
    assert_eq!(field(&refused, "code"), "BAD_ARGUMENT");
    close(database).await;
}

#[wasm_bindgen_test]
async fn peers_are_sent_nothing_after_they_left() {
    let (listener, socket) = (Listener::new(), Socket::new());
    let database = in_memory(&listener).await;
    let closed = listener.next("peerClosed");
    add(&database, 1, &socket);
    socket.hang_up(4004);
    let closed = arguments(closed).await;
    let closed = closed.get(1);
    assert_eq!(field(&closed, "by"), "peer");
    for (name, number) in [("code", 4004), ("disconnect", 4)] {
        assert_eq!(field(&closed, name), number);
    }
    let sent = socket.sent().length();
    database.close_peer(1);
    assert_eq!(socket.sent().length(), sent);
    close(database).await;
}
