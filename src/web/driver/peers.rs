//! Turns socket events into inputs and reports why connections end. What is a provider's alone is
//! in `calls.rs`.

use std::rc::Rc;

use super::Driver;
use crate::sync::{Input, PeerId, PeerProgress};
use crate::web::connections::Line;
use crate::web::errors::JsError;
use crate::web::object;
use crate::web::peer_closed::{CLOSE_ABNORMAL, CLOSE_BREACH, PeerClosed};
use crate::web::socket::{ListenError, Socket, SocketEvent, WebSocketLike};
use crate::wire::{By, PeerFault};

impl Driver {
    /// Takes a connecting or open socket, to be asked in this way. The subprotocol is checked where
    /// we made the socket ourselves.
    pub(in crate::web) fn add_peer(
        self: &Rc<Self>,
        peer: PeerId,
        raw: WebSocketLike,
        by: By,
        protocol: Option<&'static str>,
    ) -> Result<(), JsError> {
        let driver = Rc::downgrade(self);
        let socket = Socket::listen(raw, protocol, move |event| {
            if let Some(driver) = driver.upgrade() {
                driver.socket_event(peer, event);
            }
        })
        .map_err(|ListenError(why)| {
            let message = format!(
                "The events of this socket cannot be listened to: {why}. Pass an object like a \
                 WebSocket."
            );
            JsError::new("BAD_ARGUMENT", message)
        })?;
        let is_open = socket.is_open();
        self.connections
            .add(peer, Line::Socket(Rc::new(socket)), by);
        if is_open {
            self.opened(peer);
        }
        Ok(())
    }

    /// Says good-bye and closes.
    pub(in crate::web) fn close_peer(self: &Rc<Self>, peer: PeerId) {
        self.connections.say_goodbye(peer);
        self.end_connection(peer, &PeerClosed::by_user());
    }

    pub(super) fn send(self: &Rc<Self>, peer: PeerId, frame: &[u8]) {
        let Some(Line::Socket(socket)) = self.connections.line(peer) else {
            return;
        };
        if let Err(reason) = socket.send(frame) {
            self.end_connection(peer, &PeerClosed::by_peer(CLOSE_ABNORMAL, &reason));
        }
    }

    fn socket_event(self: &Rc<Self>, peer: PeerId, event: SocketEvent) {
        match event {
            SocketEvent::Open => self.opened(peer),
            SocketEvent::Frame(frame) if self.connections.has_joined(peer) => {
                let (length, head) = (frame.len(), frame.head());
                let is_wanted = self.engine.borrow().wants_frame(peer, length, &head);
                self.input(match is_wanted {
                    true => Input::Frame(peer, frame.bytes()),
                    false => Input::Unread(peer, length, head),
                })
            }
            SocketEvent::Text if self.connections.has_joined(peer) => self.input(Input::Text(peer)),
            // A frame before `open` is ignored.
            SocketEvent::Frame(_) | SocketEvent::Text => {}
            SocketEvent::Unreadable => {
                let reason = "the socket delivers neither text, ArrayBuffer nor Uint8Array: set \
                              its binaryType to 'arraybuffer'";
                self.end_connection(peer, &PeerClosed::by_fault(CLOSE_BREACH, reason));
            }
            SocketEvent::Closed(code, reason) => self.hung_up(peer, code, &reason),
        }
    }

    /// The connection can be used from now on.
    pub(super) fn opened(self: &Rc<Self>, peer: PeerId) {
        let Some(line) = self.connections.line(peer) else {
            return;
        };
        if matches!(&line, Line::Socket(socket) if !socket.speaks_protocol()) {
            let reason = "the server did not select the WebSocket subprotocol devp2p.1";
            self.connections.note_fault(peer, reason);
            self.end_connection(peer, &PeerClosed::by_fault(CLOSE_BREACH, reason));
        } else if let Some(by) = self.connections.join(peer) {
            self.listener.peer(peer.0, "greeting");
            self.input(Input::PeerJoined(peer, by));
        }
    }

    /// The peer, or the network, has ended the connection.
    pub(in crate::web) fn hung_up(self: &Rc<Self>, peer: PeerId, code: u16, reason: &str) {
        // Browsers do not tell pages why a connection failed, so that no page can explore the
        // user's network.
        let reason = match reason {
            "" if !self.connections.has_joined(peer) => "the connection could not be opened",
            "" if code == CLOSE_ABNORMAL => "the connection broke",
            words => words,
        };
        self.end_connection(peer, &PeerClosed::by_peer(code, reason));
    }

    /// Ends a connection that the engine has given up, and knows nothing of any more.
    pub(super) fn drop_peer(&self, peer: PeerId, fault: &PeerFault) {
        let words = self.words_of(fault);
        let closed = match fault {
            PeerFault::Disconnected(reason) => PeerClosed::disconnected(*reason),
            _ => PeerClosed::by_fault(fault.close_code(), &words),
        };
        // The engine has forgotten the peer already.
        let _ = self.disconnect(peer, &closed, None);
    }

    /// What a peer did wrong. Of another network, also which one was wanted.
    pub(super) fn words_of(&self, fault: &PeerFault) -> String {
        let ours = self.engine.borrow().record().network;
        let wanted = match fault {
            PeerFault::WrongNetwork(_) => ours.id.to_string(),
            PeerFault::WrongGenesis(_) => ours.genesis.to_string(),
            _ => return fault.to_string(),
        };
        format!("{fault}, and not {wanted}")
    }

    /// Ends a connection that the engine did not ask to end, and tells the engine.
    fn end_connection(self: &Rc<Self>, peer: PeerId, closed: &PeerClosed<'_>) {
        let row = self.engine.borrow().peer_progress(peer);
        if self.disconnect(peer, closed, row.as_ref()) {
            self.input(Input::PeerLeft(peer));
        }
    }

    /// Closes the socket and says so. `true` if the engine was told of the peer.
    #[must_use]
    fn disconnect(
        &self,
        peer: PeerId,
        closed: &PeerClosed<'_>,
        row: Option<&PeerProgress>,
    ) -> bool {
        let Some(connection) = self.connections.remove(peer) else {
            return false;
        };
        connection.close(closed.code(), closed.reason());
        let row = object::peer_row(peer.0, row, connection.faults());
        self.listener.peer_closed(peer.0, closed, &row);
        connection.has_joined()
    }
}
