//! Sessions on real WebSockets.
//!
//! One task per connection, which answers one frame after the other: what a client has asked for
//! beyond that waits in the client's socket, so no queue here can grow.

use crate::{
    link,
    server::View,
    session::{Outgoing, Phase, Server, Session},
    vice::Vice,
};
use futures_util::{SinkExt, StreamExt};
use std::{
    collections::hash_map::RandomState,
    future::Future,
    hash::BuildHasher,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Error, Message,
        handshake::server::{Callback, ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::{
            CloseFrame, WebSocketConfig,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

/// For the HTTP part.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(5);
/// For one frame to leave. The largest answers have some 2 MiB, so this is a very slow line.
const SEND_PATIENCE: Duration = Duration::from_secs(60);
/// For the other side to close too.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// Connections beyond the limit that are told so at the same time; the rest is dropped.
const REFUSALS: usize = 32;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Of every connection.
    pub vices: Vec<Vice>,
    /// Bytes a second and connection; none is as fast as it goes.
    pub throttle: Option<u64>,
    /// Connections at the same time.
    pub max_connections: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            vices: Vec::new(),
            throttle: None,
            max_connections: 64,
        }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    server: Arc<Server>,
    options: Arc<Options>,
    node_id: [u8; 64],
}

impl Listener {
    /// Listens at `address`; port 0 takes any free one.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn bind(
        address: SocketAddr,
        server: Arc<Server>,
        options: Options,
    ) -> io::Result<Listener> {
        Ok(Listener {
            tcp: TcpListener::bind(address).await?,
            server,
            options: Arc::new(options),
            node_id: random_node_id(),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `shutdown` is ready, then tells everybody and waits a moment for them.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.options.max_connections));
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let (quit, quitting) = watch::channel(false);
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                () = &mut shutdown => break,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    log(&format!("accept: {error}"));
                    // Out of file descriptors, most likely: some time may bring some back.
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (place, has_room) = match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => (place, true),
                Err(_) => match Arc::clone(&refusals).try_acquire_owned() {
                    Ok(place) => (place, false),
                    Err(_) => continue,
                },
            };
            let connection = Connection {
                session: Session::new(Arc::clone(&self.server), self.options.vices.clone())
                    .with_node_id(self.node_id),
                options: Arc::clone(&self.options),
                heads: self.server.watch(),
                quitting: quitting.clone(),
            };
            tokio::spawn(async move {
                let ended = connection.serve(stream, has_room).await;
                log(&format!("{from}: {ended}"));
                drop(place);
            });
        }
        quit.send_replace(true);
        drop(quitting);
        // Each connection holds a receiver.
        let _ = timeout(CLOSE_PATIENCE * 2, quit.closed()).await;
    }
}

struct Connection {
    session: Session,
    options: Arc<Options>,
    heads: watch::Receiver<View>,
    quitting: watch::Receiver<bool>,
}

type Socket = WebSocketStream<TcpStream>;

/// What to do after some frames were sent.
enum Then {
    GoOn,
    Close(u16),
    Cut,
}

impl Connection {
    /// Serves one connection to its end, and says what the end was.
    async fn serve(mut self, stream: TcpStream, has_room: bool) -> String {
        // Answers are written whole, so waiting to fill packets would only delay small ones.
        let _ = stream.set_nodelay(true);
        let config = WebSocketConfig::default()
            .max_message_size(Some(link::FRAME_LIMIT))
            .max_frame_size(Some(link::FRAME_LIMIT));
        let upgrade = accept_hdr_async_with_config(stream, ChooseSubprotocol, Some(config));
        let mut socket = match timeout(UPGRADE_PATIENCE, upgrade).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return format!("no WebSocket: {error}"),
            Err(_) => return "no WebSocket in time".to_owned(),
        };
        match self.talk(&mut socket, has_room).await {
            Ok(Then::Close(code)) => {
                close(&mut socket, code).await;
                format!("closed with {code}")
            }
            Ok(Then::Cut) => "cut off".to_owned(),
            Ok(Then::GoOn) => "closed by the client".to_owned(),
            Err(error) => format!("broken: {error}"),
        }
    }

    async fn talk(&mut self, socket: &mut Socket, has_room: bool) -> Result<Then, Error> {
        let outgoing = if has_room {
            self.session.open()
        } else {
            self.session.disconnect(link::Reason::TooManyPeers)
        };
        match self.send(socket, outgoing).await? {
            Then::GoOn => {}
            end => return Ok(end),
        }
        let mut phase = self.session.phase();
        let mut deadline = Instant::now() + self.session.patience();
        loop {
            let outgoing = tokio::select! {
                message = socket.next() => match message {
                    None => return Ok(Then::GoOn),
                    Some(Ok(Message::Binary(frame))) => {
                        let outgoing = self.session.on_frame(&frame);
                        // The handshake's time runs from its phases' beginnings.
                        if self.session.phase() == Phase::Ready || self.session.phase() != phase {
                            phase = self.session.phase();
                            deadline = Instant::now() + self.session.patience();
                        }
                        outgoing
                    }
                    Some(Ok(Message::Text(_)) | Err(Error::Utf8(_))) => self.session.on_text(),
                    Some(Err(Error::Capacity(_))) => self.session.on_oversized(),
                    // Pings and closing are answered by the library.
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Err(error),
                },
                () = sleep_until(deadline) => {
                    deadline = Instant::now() + self.session.patience();
                    self.session.on_silence()
                }
                Ok(()) = self.heads.changed() => self.session.on_head(),
                // Also when the listener is gone.
                _ = self.quitting.wait_for(|quitting| *quitting) => {
                    self.session.disconnect(link::Reason::Quitting)
                }
            };
            match self.send(socket, outgoing).await? {
                Then::GoOn => {}
                end => return Ok(end),
            }
        }
    }

    async fn send(&self, socket: &mut Socket, outgoing: Vec<Outgoing>) -> Result<Then, Error> {
        for out in outgoing {
            let (message, size) = match out {
                Outgoing::Frame(frame) => {
                    let size = frame.len();
                    (Message::Binary(frame.into()), size)
                }
                Outgoing::Text(text) => (Message::Text(text.into()), 0),
                Outgoing::Fragment(part) => {
                    let opcode = OpCode::Data(Data::Binary);
                    (Message::Frame(Frame::message(part, opcode, false)), 0)
                }
                Outgoing::Wait(time) => {
                    sleep(time).await;
                    continue;
                }
                Outgoing::Cut => return Ok(Then::Cut),
                Outgoing::Close(code) => return Ok(Then::Close(code)),
            };
            if let Some(rate) = self.options.throttle {
                // A page sees whole frames only, so that it comes late is all there is to a slow line.
                sleep(Duration::from_secs_f64(size as f64 / rate.max(1) as f64)).await;
            }
            match timeout(SEND_PATIENCE, socket.send(message)).await {
                Ok(sent) => sent?,
                Err(_) => return Ok(Then::Cut),
            }
        }
        Ok(Then::GoOn)
    }
}

/// Selects our subprotocol, or refuses the WebSocket.
struct ChooseSubprotocol;

impl Callback for ChooseSubprotocol {
    fn on_request(
        self,
        request: &Request,
        mut response: Response,
    ) -> Result<Response, ErrorResponse> {
        let offers = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
        let offered = offers
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|name| name.trim() == link::SUBPROTOCOL);
        if offered {
            let ours = HeaderValue::from_static(link::SUBPROTOCOL);
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, ours);
            return Ok(response);
        }
        let text = format!(
            "the WebSocket subprotocol {} is needed\n",
            link::SUBPROTOCOL
        );
        let mut refusal = ErrorResponse::new(Some(text));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        Err(refusal)
    }
}

/// Says goodbye and lets the other side do so.
async fn close(socket: &mut Socket, code: u16) {
    let goodbye = CloseFrame {
        code: CloseCode::from(code),
        reason: "".into(),
    };
    let farewell = async {
        if socket.close(Some(goodbye)).await.is_err() || code == link::CLOSE_OVERSIZED {
            // In the middle of a frame that nobody will read. Closing a socket with unread bytes resets
            // the connection, and the other side might never see why; so they are read and dropped.
            let stream = socket.get_mut();
            let _ = stream.shutdown().await;
            let mut scrap = vec![0; 64 * 1024];
            while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
        } else {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _ = timeout(CLOSE_PATIENCE, farewell).await;
}

/// 64 bytes that differ from server to server. They mean nothing, so any randomness will do.
fn random_node_id() -> [u8; 64] {
    let random = RandomState::new();
    let mut id = [0; 64];
    for (index, chunk) in id.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&random.hash_one(index).to_be_bytes());
    }
    id
}

/// A line for people. Losing it is better than failing over it.
pub fn log(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
