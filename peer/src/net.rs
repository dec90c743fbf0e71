//! Sessions on real WebSockets.
//!
//! There is one task per connection, which answers one frame after the other. Further requests wait
//! in the client's socket, so no queue grows here.

use crate::{
    handshake::{self, Offer},
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

/// How long the HTTP upgrade may take. Chosen without a measurement.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(5);
/// How long sending one frame may take. The largest answers have about 2 MiB, so this allows for
/// very slow connections. Chosen without a measurement.
const SEND_PATIENCE: Duration = Duration::from_secs(60);
/// How long the other side may take to close. Chosen without a measurement.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// How many connections above the limit are told so at the same time. Further ones are dropped.
/// Chosen without a measurement.
const REFUSALS: usize = 32;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is offered to clients.
    pub offer: Offer,
    /// The vices of every connection.
    pub vices: Vec<Vice>,
    /// The most bytes per second for each connection. `None` is no limit.
    pub throttle: Option<u64>,
    /// The most connections at the same time.
    pub max_connections: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            offer: Offer::default(),
            vices: Vec::new(),
            throttle: None,
            max_connections: 64,
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    server: Arc<Server>,
    options: Arc<Options>,
    node_id: [u8; 64],
}

impl Listener {
    /// Listens on `address`. With port 0 the system chooses a free port.
    ///
    /// # Errors
    /// If the address is not available.
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

    /// The address that it listens on.
    ///
    /// # Errors
    /// If the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `shutdown` is ready, then says so to all connections and waits for them a
    /// moment.
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
                    // Probably there are no file descriptors left. Some may be free a little later.
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
                    .with_node_id(self.node_id)
                    .offering(self.options.offer),
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
        // Each connection holds a receiver, so this waits until all of them have ended.
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

/// Whether the connection goes on after some frames were sent.
enum Next {
    Continue,
    Close(u16),
    Cut,
}

impl Connection {
    /// Serves one connection until it ends. Returns a text that says how it ended.
    async fn serve(mut self, stream: TcpStream, has_room: bool) -> String {
        // Answers are written as a whole, so Nagle's algorithm would only delay small ones.
        let _ = stream.set_nodelay(true);
        let config = WebSocketConfig::default()
            .max_message_size(Some(handshake::FRAME_LIMIT))
            .max_frame_size(Some(handshake::FRAME_LIMIT));
        let upgrade = accept_hdr_async_with_config(stream, ChooseSubprotocol, Some(config));
        let mut socket = match timeout(UPGRADE_PATIENCE, upgrade).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return format!("no WebSocket: {error}"),
            Err(_) => return "no WebSocket handshake in time".to_owned(),
        };
        match self.talk(&mut socket, has_room).await {
            Ok(Next::Close(code)) => {
                close(&mut socket, code).await;
                format!("closed with {code}")
            }
            Ok(Next::Cut) => "cut off".to_owned(),
            Ok(Next::Continue) => "closed by the client".to_owned(),
            Err(error) => format!("failed: {error}"),
        }
    }

    async fn talk(&mut self, socket: &mut Socket, has_room: bool) -> Result<Next, Error> {
        let outgoing = if has_room {
            self.session.open()
        } else {
            self.session.disconnect(handshake::Reason::TooManyPeers)
        };
        match self.send(socket, outgoing).await? {
            Next::Continue => {}
            end => return Ok(end),
        }
        let mut deadline = Instant::now() + self.session.patience();
        loop {
            let mut heard = false;
            let outgoing = tokio::select! {
                // A frame that has arrived counts before a time that is over.
                biased;
                // This is also ready when the listener is gone.
                _ = self.quitting.wait_for(|quitting| *quitting) => {
                    self.session.disconnect(handshake::Reason::Quitting)
                }
                Ok(()) = self.heads.changed() => self.session.on_head(),
                message = socket.next() => match message {
                    None => return Ok(Next::Continue),
                    Some(Ok(Message::Binary(frame))) => {
                        heard = true;
                        self.session.on_frame(&frame)
                    }
                    Some(Ok(Message::Text(_)) | Err(Error::Utf8(_))) => self.session.on_text(),
                    Some(Err(Error::Capacity(_))) => self.session.on_oversized(),
                    // The library answers pings and close frames.
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Err(error),
                },
                () = sleep_until(deadline) => {
                    deadline = Instant::now() + self.session.patience();
                    self.session.on_silence()
                }
            };
            match self.send(socket, outgoing).await? {
                Next::Continue => {}
                end => return Ok(end),
            }
            // An answer that leaves slowly is no silence of the client. During the handshake, the
            // time runs from the opening.
            if heard && self.session.phase() == Phase::Ready {
                deadline = Instant::now() + self.session.patience();
            }
        }
    }

    async fn send(&self, socket: &mut Socket, outgoing: Vec<Outgoing>) -> Result<Next, Error> {
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
                Outgoing::Cut => return Ok(Next::Cut),
                Outgoing::Close(code) => return Ok(Next::Close(code)),
            };
            if let Some(rate) = self.options.throttle {
                // A page only sees whole frames, so a delay is all that it can see of a slow
                // connection.
                sleep(Duration::from_secs_f64(size as f64 / rate.max(1) as f64)).await;
            }
            match timeout(SEND_PATIENCE, socket.send(message)).await {
                Ok(sent) => sent?,
                Err(_) => return Ok(Next::Cut),
            }
        }
        Ok(Next::Continue)
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
            .any(|name| name.trim() == handshake::SUBPROTOCOL);
        if offered {
            let ours = HeaderValue::from_static(handshake::SUBPROTOCOL);
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, ours);
            return Ok(response);
        }
        let text = format!(
            "the WebSocket subprotocol {} is needed\n",
            handshake::SUBPROTOCOL
        );
        let mut refusal = ErrorResponse::new(Some(text));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        Err(refusal)
    }
}

/// Sends a close frame and waits until the other side closes too.
async fn close(socket: &mut Socket, code: u16) {
    let goodbye = CloseFrame {
        code: CloseCode::from(code),
        reason: "".into(),
    };
    let farewell = async {
        if socket.close(Some(goodbye)).await.is_err() || code == handshake::CLOSE_OVERSIZED {
            // Unread bytes are left after half a frame. Closing a socket with unread bytes resets
            // the connection, and the other side might never see the close code. So they are read
            // and dropped.
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

/// 64 random bytes that differ from server to server. They have no meaning.
fn random_node_id() -> [u8; 64] {
    let random = RandomState::new();
    let mut id = [0; 64];
    for (index, chunk) in id.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&random.hash_one(index).to_be_bytes());
    }
    id
}

/// Writes a line to standard error. An error is ignored: serving is more important.
pub fn log(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
