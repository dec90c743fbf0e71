//! The sockets and providers in use, by the engine's number for each, and their faults.

use std::cell::RefCell;
use std::rc::Rc;

use super::object::Faults;
use super::peer_closed::CLOSE_DONE;
use super::provider::Provider;
use super::socket::Socket;
use crate::sync::PeerId;
use crate::wire::{By, Session};

/// devp2p's reason for a client that leaves ("Client quitting" of Disconnect, RLPx).
const CLIENT_QUITTING: u64 = 0x08;

/// All connections. Bound: the engine drops those above its own limit as soon as they open; those
/// that still connect are the caller's number.
#[derive(Default)]
pub(super) struct Connections {
    table: RefCell<Vec<(PeerId, Connection)>>,
}

/// What leads to a peer. Shared, because a call of it may call back into us and end the connection.
#[derive(Clone)]
pub(super) enum Line {
    /// A peer that speaks devp2p.
    Socket(Rc<Socket>),
    /// A provider, which answers calls.
    Provider(Rc<Provider>),
}

/// One connection.
pub(super) struct Connection {
    line: Line,
    /// How the caller wants the peer to be asked.
    by: By,
    /// Whether the engine knows of it.
    joined: bool,
    fault_count: u32,
    last_fault: Option<String>,
}

impl Connection {
    pub(super) fn has_joined(&self) -> bool {
        self.joined
    }

    pub(super) fn faults(&self) -> Faults<'_> {
        Faults {
            count: self.fault_count,
            last: self.last_fault.as_deref(),
        }
    }

    pub(super) fn close(&self, code: u16, reason: &str) {
        match &self.line {
            Line::Socket(socket) => socket.close(code, reason),
            Line::Provider(provider) => provider.close(),
        }
    }
}

impl Connections {
    pub(super) fn add(&self, peer: PeerId, line: Line, by: By) {
        let connection = Connection {
            line,
            by,
            joined: false,
            fault_count: 0,
            last_fault: None,
        };
        self.table.borrow_mut().push((peer, connection));
    }

    pub(super) fn remove(&self, peer: PeerId) -> Option<Connection> {
        let mut table = self.table.borrow_mut();
        let place = table.iter().position(|(id, _)| *id == peer)?;
        Some(table.remove(place).1)
    }

    /// Says good-bye to everybody.
    pub(super) fn close_all(&self) {
        for (_, connection) in self.table.take() {
            if connection.joined {
                say_goodbye(&connection.line);
            }
            connection.close(CLOSE_DONE, "the database was closed");
        }
    }

    pub(super) fn line(&self, peer: PeerId) -> Option<Line> {
        self.with(peer, |connection| connection.line.clone())
    }

    /// Tells one peer that we leave; nothing if it is gone or has not heard of us.
    pub(super) fn say_goodbye(&self, peer: PeerId) {
        // Not while the table is borrowed: `send` may call back into us.
        if let Some(line) = self.line(peer).filter(|_| self.has_joined(peer)) {
            say_goodbye(&line);
        }
    }

    /// Notes that the engine is told of this peer, and says how it is to be asked; `None` if the
    /// engine was told before, or if there is no such peer.
    #[must_use]
    pub(super) fn join(&self, peer: PeerId) -> Option<By> {
        self.with(peer, |connection| {
            let is_new = !std::mem::replace(&mut connection.joined, true);
            is_new.then_some(connection.by)
        })
        .flatten()
    }

    pub(super) fn has_joined(&self, peer: PeerId) -> bool {
        self.with(peer, |connection| connection.joined) == Some(true)
    }

    /// Nothing if the peer is gone.
    pub(super) fn note_fault(&self, peer: PeerId, fault: &str) {
        self.with(peer, |connection| {
            connection.fault_count = connection.fault_count.saturating_add(1);
            connection.last_fault = Some(fault.to_owned());
        });
    }

    /// What `read` makes of each connection, in the order in which they were added. `read` must not
    /// call into JavaScript that could come back.
    pub(super) fn map<T>(&self, mut read: impl FnMut(PeerId, &Connection) -> T) -> Vec<T> {
        let table = self.table.borrow();
        let row = |(peer, connection): &(PeerId, Connection)| read(*peer, connection);
        table.iter().map(row).collect()
    }

    /// `visit` must not call into JavaScript that could come back.
    fn with<T>(&self, peer: PeerId, visit: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let mut table = self.table.borrow_mut();
        table
            .iter_mut()
            .find(|(id, _)| *id == peer)
            .map(|(_, connection)| visit(connection))
    }
}

/// A socket that does not take it is closed next all the same. A provider has no farewell.
fn say_goodbye(line: &Line) {
    if let Line::Socket(socket) = line {
        let _ = socket.send(&Session::disconnect(CLIENT_QUITTING));
    }
}
