//! The one loop: what happens goes into the engine, what it wants is done, and the event loop gets its turn in between.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use js_sys::Array;
use wasm_bindgen_futures::spawn_local;

use super::backend::Backend;
use super::connections::Connections;
use super::crash::has_crashed;
use super::damage;
use super::errors::{JsError, failure};
use super::event_loop::{Timer, Turns, now, precise_now};
use super::listener::Listener;
use super::meter::{Doing, Meter};
use super::object::{self, Plain};
use super::peers;
use crate::state::{Batch, Complete, PageId, Record};
use crate::store::{Store, StoreError};
use crate::sync::{Engine, Event, Input, Output, Target, Ticket};

/// How long we compute before the page gets its turn. One verified range takes one to four milliseconds, so a turn is one
/// or a few of them, and a frame of an animation (16 ms) fits several turns.
const TURN_MS: f64 = 4.0;
/// While somebody waits for a page we do nothing that takes time, for so long after the last thing that did: most pages are
/// there by then, and a reader who never stops costs a sync half of its pace and no more.
const READERS_FIRST_MS: f64 = 8.0;
/// Who was given a page or an answer may ask for the next one within so long: most look-ups take more than one page, and
/// wallets look up more than one account.
const NEXT_READ_MS: f64 = 2.0;

/// An engine at work.
pub(super) struct Driver {
    pub(super) engine: RefCell<Engine>,
    pub(super) store: Backend,
    pub(super) connections: Connections,
    pub(super) listener: Listener,
    /// The record that another tab wrote last, while that tab is the writer. The engine then stands still.
    pub(super) followed: RefCell<Option<Record>>,
    pub(super) damage: RefCell<damage::KnownDamage>,
    /// What happened while the loop was busy. Bound: what JavaScript adds while one output is being done.
    inbox: RefCell<VecDeque<Input>>,
    /// The loop is on the stack: whoever comes now leaves an input and goes.
    looping: Cell<bool>,
    turns: Turns,
    timer: Timer,
    meter: Meter,
    commits_in_flight: Cell<usize>,
    /// Transactions that readers wait for.
    pub(super) reads_in_flight: Cell<usize>,
    /// When the last of them ended, or something was read without one.
    read: Cell<f64>,
    /// When our last turn with work in it ended.
    worked: Cell<f64>,
    /// A target was given, and its end is not told yet.
    is_syncing: Cell<bool>,
    closing: Cell<bool>,
    closed: Cell<bool>,
    /// Whoever waits for the sync's end and the commits in flight: `close`.
    quiet: RefCell<Option<Waker>>,
}

impl Driver {
    /// `followed`: the record of the tab that writes, if that is not we.
    pub(super) fn new(
        engine: Engine,
        store: Backend,
        listener: Listener,
        followed: Option<Record>,
    ) -> Rc<Driver> {
        Rc::new_cyclic(|this: &Weak<Driver>| {
            let on_turn = this.clone();
            let on_alarm = this.clone();
            Driver {
                engine: RefCell::new(engine),
                store,
                connections: Connections::default(),
                listener,
                followed: RefCell::new(followed),
                damage: RefCell::default(),
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
                reads_in_flight: Cell::new(0),
                read: Cell::new(f64::MIN),
                worked: Cell::new(f64::MIN),
                is_syncing: Cell::new(false),
                closing: Cell::new(false),
                closed: Cell::new(false),
                quiet: RefCell::default(),
            }
        })
    }

    pub(super) fn store(&self) -> &Backend {
        &self.store
    }

    /// The state that every read uses.
    pub(super) fn complete(&self) -> Option<Complete> {
        match &*self.followed.borrow() {
            Some(record) => record.complete,
            None => self.engine.borrow().record().complete,
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Starts a sync, or moves the one under way.
    pub(super) fn start(self: &Rc<Self>, target: Target) {
        if !self.is_syncing.replace(true) {
            self.meter.start(precise_now());
        }
        self.input(Input::Target(target));
    }

    pub(super) fn cancel(self: &Rc<Self>) {
        self.input(Input::Cancel);
    }

    pub(super) fn progress(&self) -> Plain {
        let progress = self.engine.borrow().progress(now());
        let rows = Array::new();
        self.connections.for_each(|peer, connection| {
            let delivered = progress.peers.iter().find(|row| row.peer == peer);
            rows.push(&object::peer(peer.0, delivered, connection.faults()).into());
        });
        let times = self.meter.read(precise_now());
        object::progress(&progress, &times, self.damage.borrow().count(), &rows)
    }

    /// Ends the sync, waits for what is being written, and lets everything go.
    pub(super) async fn close(self: Rc<Self>) {
        if self.closing.replace(true) {
            return;
        }
        // A repair ends like a sync, but nobody is told.
        self.cancel();
        poll_fn(|context| {
            if self.is_quiet() {
                return Poll::Ready(());
            }
            self.quiet.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
        self.closed.set(true);
        self.turns.stop();
        self.timer.stop();
        peers::close_all(&self.connections);
        self.store.close().await;
    }

    /// Tells the engine, and does what it wants in answer.
    pub(super) fn input(self: &Rc<Self>, input: Input) {
        self.inbox.borrow_mut().push_back(input);
        self.run();
    }

    /// Inputs first, then outputs until there are none or our turn is over. A turn is also over at once for an input that
    /// comes while the next turn is on its way: the engine takes it in, and goes on with its work when the turn comes.
    pub(super) fn run(self: &Rc<Self>) {
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
            if self.are_readers_first(started) {
                self.turns.request();
                break;
            }
            let output = self.engine.borrow_mut().poll(now());
            match output {
                None if self.inbox.borrow().is_empty() => break,
                None => {}
                Some(Output::Yield) if precise_now() - started < self.turn_ms() => {}
                Some(Output::Yield) => self.turns.request(),
                Some(output) => self.perform(output),
            }
            self.worked.set(precise_now());
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

    /// Somebody was given what was read.
    pub(super) fn note_read(&self) {
        self.read.set(precise_now());
    }

    fn are_readers_first(&self, now: f64) -> bool {
        let reads = self.reads_in_flight.get() > 0 || now - self.read.get() < NEXT_READ_MS;
        reads && now - self.worked.get() < READERS_FIRST_MS
    }

    /// Somebody who reads waits for one step of ours and not for several.
    fn turn_ms(&self) -> f64 {
        match self.reads_in_flight.get() {
            0 => TURN_MS,
            _ => 0.0,
        }
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

    fn load(self: &Rc<Self>, ticket: Ticket, pages: Vec<PageId>) {
        let driver = self.clone();
        spawn_local(async move {
            let input = match driver.store.pages(&pages).await {
                Ok(pages) => Input::Loaded(ticket, pages),
                Err(fault) => Input::LoadFailed(ticket, fault),
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

    fn committed(self: &Rc<Self>, sequence: u64, result: Result<(), StoreError>) {
        let before = self.engine.borrow().record().complete;
        match result {
            Ok(()) => self
                .inbox
                .borrow_mut()
                .push_back(Input::Committed(sequence)),
            Err(fault) => {
                let input = Input::CommitFailed(sequence, fault);
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

    fn tell(&self, event: Event) {
        match event {
            Event::PeerReady(peer) => {
                self.listener.peer(peer.0, "ready");
            }
            Event::PeerFault(peer, fault) => self.connections.note_fault(peer, &fault.to_string()),
            Event::Waiting(_) => self.listener.event("waiting", "", ""),
            Event::Damaged(damage) => self.note_damage(damage, "found on the way"),
            Event::Repaired => self.note_repair(),
            Event::Done(report) => {
                let times = self.end_sync();
                self.listener.synced(object::report(&report, &times));
            }
            Event::Cancelled => {
                self.end_sync();
                self.listener.failed(JsError::new(
                    "CANCELLED",
                    "The sync was cancelled; what it stored stays.",
                ));
            }
            Event::Failed(reason) => {
                self.end_sync();
                self.listener.failed(failure(reason));
            }
        }
    }

    /// The engine tells exactly one end of the target given last: nobody waits after it.
    fn end_sync(&self) -> super::meter::Times {
        self.is_syncing.set(false);
        let now = precise_now();
        self.meter.stop(now);
        self.meter.read(now)
    }

    fn is_quiet(&self) -> bool {
        !self.is_syncing.get() && self.commits_in_flight.get() == 0
    }

    fn wake_if_quiet(&self) {
        if let Some(waker) = self.is_quiet().then(|| self.quiet.take()).flatten() {
            waker.wake();
        }
    }
}
