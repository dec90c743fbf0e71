//! The sockets in use, by the engine's number for each, with what a user wants to know of them after they are gone.

use std::cell::RefCell;
use std::rc::Rc;

use super::object::Faults;
use super::socket::Socket;
use crate::sync::PeerId;

/// All sockets. Bound: the engine drops those above its own limit as soon as they open; those still connecting are the
/// caller's number.
#[derive(Default)]
pub(super) struct Connections {
    table: RefCell<Vec<(PeerId, Connection)>>,
}

/// One socket.
pub(super) struct Connection {
    /// Shared, because sending may come back with a call that ends this very connection.
    pub(super) socket: Rc<Socket>,
    /// Whether the engine knows of it.
    pub(super) joined: bool,
    fault_count: u32,
    last_fault: Option<String>,
}

impl Connection {
    pub(super) fn faults(&self) -> Faults<'_> {
        Faults {
            count: self.fault_count,
            last: self.last_fault.as_deref(),
        }
    }
}

impl Connections {
    pub(super) fn add(&self, peer: PeerId, socket: Socket) {
        let connection = Connection {
            socket: Rc::new(socket),
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

    pub(super) fn remove_all(&self) -> Vec<(PeerId, Connection)> {
        self.table.take()
    }

    pub(super) fn socket(&self, peer: PeerId) -> Option<Rc<Socket>> {
        self.with(peer, |connection| connection.socket.clone())
    }

    /// Notes that the engine is told of this peer; `false` if it was before, or if there is no such peer.
    pub(super) fn join(&self, peer: PeerId) -> bool {
        self.with(peer, |connection| {
            !std::mem::replace(&mut connection.joined, true)
        }) == Some(true)
    }

    pub(super) fn has_joined(&self, peer: PeerId) -> bool {
        self.with(peer, |connection| connection.joined) == Some(true)
    }

    pub(super) fn note_fault(&self, peer: PeerId, fault: &str) {
        self.with(peer, |connection| {
            connection.fault_count = connection.fault_count.saturating_add(1);
            connection.last_fault = Some(fault.to_owned());
        });
    }

    /// Calls back for each connection, in the order they were added.
    pub(super) fn for_each(&self, mut visit: impl FnMut(PeerId, &Connection)) {
        self.table
            .borrow()
            .iter()
            .for_each(|(peer, connection)| visit(*peer, connection));
    }

    /// `visit`, here and above, must not call into JavaScript that could come back.
    fn with<T>(&self, peer: PeerId, visit: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let mut table = self.table.borrow_mut();
        table
            .iter_mut()
            .find(|(id, _)| *id == peer)
            .map(|(_, connection)| visit(connection))
    }
}
