//! The one loop: what happens goes into the engine, what it wants is done, and the event loop gets its turn in between.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use js_sys::Array;
use wasm_bindgen_futures::spawn_local;

use super::connections::Connections;
use super::crash::has_crashed;
use super::errors::{Trouble, failure, trouble};
use super::event_loop::{Timer, Turns, now, precise_now};
use super::listener::{EndedBy, Listener};
use super::meter::{Doing, Meter};
use super::object::{self, Plain};
use super::socket::{Deaf, Socket, SocketEvent, WebSocketLike};
use super::storage::Storage;
use crate::state::{Batch, PageId, Record};
use crate::store::{Store, StoreFault};
use crate::sync::{Engine, Event, Input, Output, PeerId, PeerProgress, Target, Ticket};
use crate::wire::{Link, PeerFault};

/// How long we compute before the page gets its turn. One verified range takes one to four milliseconds, so a turn is one
/// or a few of them, and a frame of an animation (16 ms) fits several turns.
const TURN_MS: f64 = 4.0;

/// devp2p's reason for a client that leaves, and the WebSocket's.
const CLIENT_QUITTING: u64 = 0x08;
const CLOSE_DONE: u16 = 1000;
/// A breach of the protocol that the engine does not see, because it is of the socket's making.
const CLOSE_BREACH: u16 = 4002;
/// What a broken connection is reported with (RFC 6455, 7.4.1).
const CLOSE_ABNORMAL: u16 = 1006;

/// An engine at work.
pub(super) struct Driver {
    engine: RefCell<Engine>,
    store: Storage,
    connections: Connections,
    listener: Listener,
    /// What happened while the loop was busy. Bound: what JavaScript adds while one output is being done.
    inbox: RefCell<VecDeque<Input>>,
    /// The loop is on the stack: whoever comes now leaves an input and goes.
    looping: Cell<bool>,
    turns: Turns,
    timer: Timer,
    meter: Meter,
    commits_in_flight: Cell<usize>,
    syncing: Cell<bool>,
    closing: Cell<bool>,
    closed: Cell<bool>,
    /// The store's fault behind the engine's next [`Event::Failed`].
    store_fault: RefCell<Option<StoreFault>>,
    /// Whoever waits for the sync's end and the commits in flight: `close`.
    quiet: RefCell<Option<Waker>>,
}

impl Driver {
    pub(super) fn new(engine: Engine, store: Storage, listener: Listener) -> Rc<Driver> {
        Rc::new_cyclic(|this: &Weak<Driver>| {
            let on_turn = this.clone();
            let on_alarm = this.clone();
            Driver {
                engine: RefCell::new(engine),
                store,
                connections: Connections::default(),
                listener,
                inbox: RefCell::default(),
                looping: Cell::new(false),
                turns: Turns::new(move || {
                    if let Some(driver) = on_turn.upgrade() {
                        driver.run();
                    }
                }),
                timer: Timer::new(move || {
                    if let Some(driver) = on_alarm.upgrade() {
                        driver.input(Input::Tick);
                    }
                }),
                meter: Meter::default(),
                commits_in_flight: Cell::new(0),
                syncing: Cell::new(false),
                closing: Cell::new(false),
                closed: Cell::new(false),
                store_fault: RefCell::default(),
                quiet: RefCell::default(),
            }
        })
    }

    pub(super) fn store(&self) -> &Storage {
        &self.store
    }

    /// The record as of the last batch that is durable.
    pub(super) fn record(&self) -> Record {
        self.engine.borrow().record().clone()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    pub(super) fn start(self: &Rc<Self>, target: Target) {
        self.meter.start(precise_now());
        self.syncing.set(true);
        self.store_fault.take();
        self.input(Input::Target(target));
    }

    pub(super) fn cancel(self: &Rc<Self>) {
        self.input(Input::Cancel);
    }

    /// Takes a connecting or open socket. The subprotocol is checked where we made the socket ourselves.
    pub(super) fn add_peer(
        self: &Rc<Self>,
        peer: PeerId,
        raw: WebSocketLike,
        protocol: Option<&'static str>,
    ) -> Result<(), Trouble> {
        let driver = Rc::downgrade(self);
        let socket = Socket::listen(raw, protocol, move |event| {
            if let Some(driver) = driver.upgrade() {
                driver.socket_event(peer, event);
            }
        })
        .map_err(|Deaf(why)| {
            let message = format!("The events of this socket cannot be listened to: {why}. Pass an object like a WebSocket.");
            Trouble::new("BAD_ARGUMENT", message)
        })?;
        let is_open = socket.is_open();
        self.connections.add(peer, socket);
        if is_open {
            self.opened(peer);
        }
        Ok(())
    }

    /// Says good-bye and closes.
    pub(super) fn close_peer(self: &Rc<Self>, peer: PeerId) {
        if let Some(socket) = self
            .connections
            .socket(peer)
            .filter(|_| self.connections.has_joined(peer))
        {
            let _ = socket.send(&Link::disconnect(CLIENT_QUITTING));
        }
        self.part(peer, EndedBy::User, CLOSE_DONE, "closed by the user");
    }

    pub(super) fn progress(&self) -> Plain {
        let progress = self.engine.borrow().progress(now());
        let rows = Array::new();
        self.connections.for_each(|peer, connection| {
            let delivered = progress.peers.iter().find(|row| row.peer == peer);
            rows.push(&object::peer(peer.0, delivered, connection.faults()).into());
        });
        let times = self.meter.read(precise_now());
        object::progress(&progress, &times, &rows)
    }

    /// Ends the sync, waits for what is being written, and lets everything go.
    pub(super) async fn close(self: Rc<Self>) {
        if self.closing.replace(true) {
            return;
        }
        if self.syncing.get() {
            self.cancel();
        }
        poll_fn(|context| {
            if !self.syncing.get() && self.commits_in_flight.get() == 0 {
                return Poll::Ready(());
            }
            self.quiet.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
        self.closed.set(true);
        self.turns.stop();
        self.timer.stop();
        for (_, connection) in self.connections.remove_all() {
            if connection.joined {
                let _ = connection.socket.send(&Link::disconnect(CLIENT_QUITTING));
            }
            connection
                .socket
                .close(CLOSE_DONE, "the database was closed");
        }
        self.store.close().await;
    }

    /// Tells the engine, and does what it wants in answer.
    fn input(self: &Rc<Self>, input: Input) {
        self.inbox.borrow_mut().push_back(input);
        self.run();
    }

    /// Inputs first, then outputs until there are none or our turn is over. A turn is also over at once for an input that
    /// comes while the next turn is on its way: the engine takes it in, and goes on with its work when the turn comes.
    fn run(self: &Rc<Self>) {
        if has_crashed() || self.closed.get() || self.looping.replace(true) {
            return;
        }
        let started = precise_now();
        self.meter.turn_to(Doing::Computing, started);
        loop {
            self.take_in();
            if self.turns.is_requested() {
                break;
            }
            let output = self.engine.borrow_mut().poll(now());
            match output {
                None if self.inbox.borrow().is_empty() => break,
                None => {}
                Some(Output::Yield) if precise_now() - started < TURN_MS => {}
                Some(Output::Yield) => self.turns.request(),
                Some(output) => self.perform(output),
            }
        }
        self.timer.ring_at(self.engine.borrow().next_deadline());
        let idle = if self.commits_in_flight.get() > 0 {
            Doing::Storing
        } else {
            Doing::Waiting
        };
        self.meter.turn_to(idle, precise_now());
        self.looping.set(false);
        self.wake_if_quiet();
    }

    fn take_in(&self) {
        loop {
            let input = self.inbox.borrow_mut().pop_front();
            let Some(input) = input else { return };
            self.engine.borrow_mut().handle(now(), input);
        }
    }

    fn perform(self: &Rc<Self>, output: Output) {
        match output {
            Output::Send(peer, frame) => self.send(peer, &frame),
            Output::Load(ticket, pages) => self.load(ticket, pages),
            Output::Commit(batch) => self.commit(batch),
            Output::Drop(peer, fault) => self.drop_peer(peer, &fault),
            Output::Event(event) => self.tell(event),
            // The loop's own.
            Output::Yield => {}
        }
    }

    fn send(self: &Rc<Self>, peer: PeerId, frame: &[u8]) {
        let Some(socket) = self.connections.socket(peer) else {
            return;
        };
        if let Err(reason) = socket.send(frame) {
            self.part(peer, EndedBy::Peer, CLOSE_ABNORMAL, &reason);
        }
    }

    fn load(self: &Rc<Self>, ticket: Ticket, pages: Vec<PageId>) {
        let driver = self.clone();
        spawn_local(async move {
            let input = match driver.store.pages(&pages).await {
                Ok(pages) => Input::Loaded(ticket, pages),
                Err(fault) => Input::LoadFailed(ticket, driver.note(fault)),
            };
            driver.input(input);
        });
    }

    /// Batches reach the store in the order in which they come here: tasks start in the order of their spawning, and a
    /// store's call takes its place when it is made.
    fn commit(self: &Rc<Self>, batch: Batch) {
        self.commits_in_flight.update(|count| count + 1);
        let driver = self.clone();
        spawn_local(async move {
            let sequence = batch.sequence;
            let result = driver.store.commit(batch).await;
            driver
                .commits_in_flight
                .update(|count| count.saturating_sub(1));
            driver.committed(sequence, result);
        });
    }

    fn committed(self: &Rc<Self>, sequence: u64, result: Result<(), StoreFault>) {
        let before = self.engine.borrow().record().complete;
        match result {
            Ok(()) => self
                .inbox
                .borrow_mut()
                .push_back(Input::Committed(sequence)),
            Err(fault) => {
                let input = Input::CommitFailed(sequence, self.note(fault));
                self.inbox.borrow_mut().push_back(input);
            }
        }
        // Taken in before the loop runs, so that whoever hears "synced" finds the state complete already.
        self.take_in();
        let after = self.engine.borrow().record().complete;
        if after != before {
            self.listener.complete(&object::complete(after.as_ref()));
        }
        self.run();
    }

    /// Keeps the first fault since the sync began: of two batches in flight, the second fails only because of the first.
    fn note(&self, fault: StoreFault) -> crate::sync::StoreTrouble {
        let words = trouble(&fault);
        self.store_fault.borrow_mut().get_or_insert(fault);
        words
    }

    fn tell(&self, event: Event) {
        match event {
            Event::PeerReady(peer) => {
                self.listener.peer(peer.0, "ready");
            }
            Event::PeerFault(peer, fault) => self.connections.note_fault(peer, &fault.to_string()),
            // Shown by the next progress, for as long as it holds.
            Event::Waiting(_) | Event::Damaged(_) | Event::Repaired => {}
            Event::Done(report) => {
                let times = self.end_sync();
                self.listener.synced(object::report(&report, &times));
            }
            Event::Cancelled(_) => {
                self.end_sync();
                self.listener.failed(Trouble::new(
                    "CANCELLED",
                    "The sync was cancelled; what it stored stays.",
                ));
            }
            Event::Failed(reason) => {
                self.end_sync();
                let fault = self.store_fault.take();
                self.listener.failed(failure(&reason, fault));
            }
        }
    }

    fn end_sync(&self) -> super::meter::Times {
        self.syncing.set(false);
        let now = precise_now();
        self.meter.stop(now);
        self.meter.read(now)
    }

    fn socket_event(self: &Rc<Self>, peer: PeerId, event: SocketEvent) {
        match event {
            SocketEvent::Open => self.opened(peer),
            SocketEvent::Frame(bytes) if self.connections.has_joined(peer) => {
                self.input(Input::Frame(peer, bytes))
            }
            SocketEvent::Text if self.connections.has_joined(peer) => self.input(Input::Text(peer)),
            // Before it said that it is open: not a peer yet, and nothing it sends can be due.
            SocketEvent::Frame(_) | SocketEvent::Text => {}
            SocketEvent::Oversized(bytes) => {
                self.refuse(peer, &PeerFault::OversizedFrame { bytes })
            }
            SocketEvent::Unreadable => {
                let reason = "the socket delivers neither text, ArrayBuffer nor Uint8Array: set its binaryType to 'arraybuffer'";
                self.part(peer, EndedBy::Fault, CLOSE_BREACH, reason);
            }
            SocketEvent::Closed(code, reason) => self.hung_up(peer, code, &reason),
        }
    }

    fn opened(self: &Rc<Self>, peer: PeerId) {
        let Some(socket) = self.connections.socket(peer) else {
            return;
        };
        if !socket.speaks_protocol() {
            let reason = "the server did not select the WebSocket subprotocol devp2p.1";
            self.connections.note_fault(peer, reason);
            self.part(peer, EndedBy::Fault, CLOSE_BREACH, reason);
        } else if self.connections.join(peer) {
            self.listener.peer(peer.0, "greeting");
            self.input(Input::PeerJoined(peer));
        }
    }

    fn hung_up(self: &Rc<Self>, peer: PeerId, code: u16, reason: &str) {
        // Browsers do not tell pages why a connection failed, lest they explore the user's network.
        let reason = match reason {
            "" if !self.connections.has_joined(peer) => "the connection could not be opened",
            "" if code == CLOSE_ABNORMAL => "the connection broke",
            "" => "the peer closed the connection",
            words => words,
        };
        self.part(peer, EndedBy::Peer, code, reason);
    }

    /// A fault the socket sees before the engine could.
    fn refuse(self: &Rc<Self>, peer: PeerId, fault: &PeerFault) {
        self.connections.note_fault(peer, &fault.to_string());
        self.part(peer, EndedBy::Fault, fault.close_code(), &fault.to_string());
    }

    /// The engine is done with this peer.
    fn drop_peer(&self, peer: PeerId, fault: &PeerFault) {
        let by = if matches!(fault, PeerFault::Disconnected(_)) {
            EndedBy::Peer
        } else {
            EndedBy::Fault
        };
        self.disconnect(peer, by, fault.close_code(), &fault.to_string(), None);
    }

    /// The connection ends, and not by the engine's wish, so it is told.
    fn part(self: &Rc<Self>, peer: PeerId, by: EndedBy, code: u16, reason: &str) {
        let rows = self.engine.borrow().progress(now()).peers;
        let row = rows.iter().find(|row| row.peer == peer);
        if self.disconnect(peer, by, code, reason, row) {
            self.input(Input::PeerLeft(peer));
        }
    }

    /// Closes the socket and says so; whether the engine knew of the peer.
    fn disconnect(
        &self,
        peer: PeerId,
        by: EndedBy,
        code: u16,
        reason: &str,
        row: Option<&PeerProgress>,
    ) -> bool {
        let Some(connection) = self.connections.remove(peer) else {
            return false;
        };
        connection.socket.close(code, reason);
        let row = object::peer(peer.0, row, connection.faults());
        self.listener.peer_closed(peer.0, by, code, reason, row);
        connection.joined
    }

    fn wake_if_quiet(&self) {
        let is_quiet = !self.syncing.get() && self.commits_in_flight.get() == 0;
        if let Some(waker) = is_quiet.then(|| self.quiet.take()).flatten() {
            waker.wake();
        }
    }
}
