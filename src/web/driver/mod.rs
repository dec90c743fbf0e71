//! The one loop: what happens goes into the engine, what the engine wants is done, and the event
//! loop gets its turn in between.

mod calls;
mod damage;
mod peers;
mod roles;
mod scopes;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::backend::Backend;
use super::connections::Connections;
use super::diagnostics::diagnostics;
use super::errors::{JsError, failure};
use super::event_loop::{Timer, Turns, now, precise_now};
use super::known_damage::KnownDamage;
use super::lifecycle::Lifecycle;
use super::listener::Listener;
use super::meter::{Doing, Meter, Times};
use super::object;
use super::read_priority::ReadPriority;
use crate::state::{Batch, PageId, Record, Scope};
use crate::store::{Store, StoreError};
use crate::sync::{Engine, Event, Input, Output, Target, Ticket};
use crate::wire::PeerFault;
use scopes::Followed;
pub(super) use scopes::{ScopeChange, not_a_set};

/// An engine at work.
pub(super) struct Driver {
    engine: RefCell<Engine>,
    store: Rc<Backend>,
    connections: Connections,
    listener: Listener,
    /// The record that another tab wrote last, while that tab is the writer. The engine then stands
    /// still: it gets no target, and what it wants of the store is refused.
    followed: RefCell<Option<Followed>>,
    damage: RefCell<KnownDamage>,
    /// What happened while the loop was busy. Bound: what JavaScript adds while one output is being
    /// done.
    inbox: RefCell<VecDeque<Input>>,
    /// The loop is running. Calls made meanwhile only queue an input.
    looping: Cell<bool>,
    turns: Turns,
    timer: Timer,
    meter: Meter,
    readers: Rc<ReadPriority>,
    lifecycle: Lifecycle,
}

impl Driver {
    /// `followed` is the writer's record with its scopes, if another tab is the writer.
    pub(super) fn new(
        engine: Engine,
        store: Rc<Backend>,
        listener: Listener,
        followed: Option<(Record, Vec<Scope>)>,
        readers: Rc<ReadPriority>,
    ) -> Rc<Driver> {
        Rc::new_cyclic(|this: &Weak<Driver>| {
            let on_turn = this.clone();
            let on_alarm = this.clone();
            Driver {
                engine: RefCell::new(engine),
                store,
                connections: Connections::default(),
                listener,
                followed: RefCell::new(followed.map(Followed::from)),
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
                readers,
                lifecycle: Lifecycle::default(),
            }
        })
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lifecycle.is_closing()
    }

    /// Starts a sync, or moves the one under way.
    pub(super) fn start(self: &Rc<Self>, target: Target) {
        if self.lifecycle.begin_sync() {
            self.meter.start(precise_now());
        }
        self.input(Input::Target(target));
    }

    pub(super) fn cancel(self: &Rc<Self>) {
        self.input(Input::Cancel);
    }

    /// Where the sync stands, as an object for JavaScript.
    pub(super) fn progress(&self) -> JsValue {
        let progress = self.engine.borrow().progress(now());
        let rows = self.connections.map(|peer, connection| {
            let delivered = progress.peers.iter().find(|row| row.peer == peer);
            object::peer_row(peer.0, delivered, connection.faults())
        });
        let times = self.meter.read(precise_now());
        let damaged = self.damage.borrow().count();
        object::progress(&progress, &times, damaged, &rows.into_iter().collect())
    }

    /// What a bug report needs of the engine.
    pub(super) fn diagnostics(&self) -> JsValue {
        diagnostics(&self.engine.borrow(), precise_now())
    }

    /// Ends the sync, waits for what is being written, and lets everything go.
    pub(super) async fn close(self: Rc<Self>) {
        if !self.lifecycle.begin_closing() {
            return;
        }
        // Also ends a repair, without an event.
        self.cancel();
        self.lifecycle.quiet().await;
        self.lifecycle.end_closing();
        self.turns.stop();
        self.timer.stop();
        self.connections.close_all();
        self.store.close().await;
    }

    /// Tells the engine, and does what it wants in answer.
    fn input(self: &Rc<Self>, input: Input) {
        self.inbox.borrow_mut().push_back(input);
        self.run();
    }

    /// Takes in all inputs, then does outputs until there are none or our turn is over.
    ///
    /// While the next turn is on its way, the engine only takes inputs in. It goes on with its work
    /// when the turn comes.
    fn run(self: &Rc<Self>) {
        if self.lifecycle.is_closed() || self.looping.replace(true) {
            return;
        }
        let started = precise_now();
        self.meter.turn_to(Doing::Computing, started);
        loop {
            self.take_in();
            if self.turns.is_requested() {
                break;
            }
            // No read comes after the call of `close()`, which waits for this loop.
            if !self.is_closing() && self.readers.are_readers_first(started) {
                self.turns.request();
                break;
            }
            let output = self.engine.borrow_mut().poll(now());
            match output {
                None if self.inbox.borrow().is_empty() => break,
                None => {}
                Some(Output::Yield) if precise_now() - started < self.readers.turn_ms() => {}
                Some(Output::Yield) => self.turns.request(),
                Some(output) => self.perform(output),
            }
            self.readers.note_work();
        }
        self.timer.ring_at(self.engine.borrow().next_deadline());
        let idle = if self.lifecycle.is_storing() {
            Doing::Storing
        } else {
            Doing::Waiting
        };
        self.meter.turn_to(idle, precise_now());
        self.looping.set(false);
        self.lifecycle.note_turn_ahead(self.turns.is_requested());
        self.lifecycle.wake_if_quiet();
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
            Output::Call(peer, id, call) => self.call(peer, id, call),
            Output::Load(ticket, pages) => self.load(ticket, pages),
            Output::Commit(batch) => self.commit(batch),
            Output::Drop(peer, fault) => self.drop_peer(peer, &fault),
            Output::Event(event) => self.tell(event),
            // The loop itself yields.
            Output::Yield => {}
        }
    }

    fn load(self: &Rc<Self>, ticket: Ticket, pages: Vec<PageId>) {
        if !self.is_writer() {
            return self.refuse_to_store(Input::LoadFailed(ticket, StoreError::ReadOnly));
        }
        let driver = self.clone();
        spawn_local(async move {
            let input = match driver.store.pages(&pages).await {
                Ok(pages) => Input::Loaded(ticket, pages),
                Err(error) => Input::LoadFailed(ticket, error),
            };
            driver.input(input);
        });
    }

    /// Batches reach the store in the order in which they come here: tasks start in the order of
    /// their spawning, and a store's call takes its place when it is made.
    fn commit(self: &Rc<Self>, batch: Batch) {
        let sequence = batch.sequence;
        if !self.is_writer() {
            return self.refuse_to_store(Input::CommitFailed(sequence, StoreError::ReadOnly));
        }
        self.lifecycle.begin_commit();
        let driver = self.clone();
        spawn_local(async move {
            let result = driver.store.commit(batch).await;
            driver.lifecycle.end_commit();
            driver.committed(sequence, result);
        });
    }

    /// Answers the engine of a follower, which would delete what the writer deletes: the record
    /// that it was made with may name garbage. Answered at once, so that nothing is under way when
    /// the follower takes over.
    fn refuse_to_store(&self, refusal: Input) {
        self.inbox.borrow_mut().push_back(refusal);
    }

    fn committed(self: &Rc<Self>, sequence: u64, result: Result<(), StoreError>) {
        let before = self.held();
        let input = match result {
            Ok(()) => Input::Committed(sequence),
            Err(error) => Input::CommitFailed(sequence, error),
        };
        self.inbox.borrow_mut().push_back(input);
        // Taken in before the loop runs, so that a listener of "synced" finds the state complete
        // already.
        self.take_in();
        self.tell_if_held_changed(&before);
        self.run();
    }

    fn tell(&self, event: Event) {
        match event {
            Event::PeerReady(peer) => {
                self.listener.peer(peer.0, "ready");
            }
            // It left, which is no fault.
            Event::PeerFault(_, PeerFault::Disconnected(_)) => {}
            Event::PeerFault(peer, fault) => {
                self.connections.note_fault(peer, &self.words_of(&fault));
            }
            Event::Lie(peer, lie) => self.listener.lie(peer.0, &lie),
            Event::Waiting(_) => self.listener.event("waiting", "", ""),
            Event::Damaged(damage) => self.note_damage(damage, "found on the way"),
            Event::Repaired => self.note_repair(),
            // The states were told when the batch had landed.
            Event::Dropped(_) => {}
            Event::Done(report) => {
                let times = self.end_sync();
                self.listener.synced(&object::report(&report, &times));
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

    /// Ends the sync's measurements. The engine tells exactly one end of the target given last, so
    /// nobody waits after it.
    fn end_sync(&self) -> Times {
        self.lifecycle.end_sync();
        let now = precise_now();
        self.meter.stop(now);
        self.meter.read(now)
    }
}
