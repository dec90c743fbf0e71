//! Measures how fast states are made and served:
//! `cargo run --release -p snaplight-peer --example figures [ACCOUNTS]`

use futures_util::{SinkExt, StreamExt};
use snaplight_peer::{
    Hash,
    handshake::{self, Hello, id},
    net::{Listener, Options},
    session::Server,
    snap::{GetAccountRange, Request, serve},
    state::{Recipe, State},
};
use std::{error::Error, net::SocketAddr, sync::Arc, time::Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    client_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    let accounts = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let plain = Recipe::plain(accounts, 1);
    let contracts = Recipe {
        contracts_per_mille: 150,
        huge: vec![(2, 100_000)],
        ..plain.clone()
    };
    let mut server = None;
    for (name, recipe) in [("15 % contracts", contracts), ("plain accounts", plain)] {
        let start = Instant::now();
        let state = recipe.build();
        println!(
            "{name}: {:?} made in {:.2?}",
            state.counts(),
            start.elapsed()
        );
        server = Some(Arc::new(Server::new(state)));
    }
    let server = server.ok_or("no state")?;
    let head = Arc::clone(server.states().head().ok_or("no state")?);
    let requests = requests(&head);

    let start = Instant::now();
    let mut answer = Vec::new();
    for request in &requests {
        answer.clear();
        serve(&server.states(), 0, &request.encode(), &mut answer)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "served without a socket: {:.0} accounts/s",
        accounts as f64 / seconds
    );

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let seconds = runtime.block_on(over_a_socket(server, &requests))?;
    println!(
        "served over loopback, both ends on one core: {:.0} accounts/s",
        accounts as f64 / seconds
    );
    Ok(())
}

/// Fetches all accounts in answers of 512 KiB.
fn requests(state: &State) -> Vec<Request> {
    let (root, limit, bytes) = (state.root(), [0xff; 32], 512 * 1024);
    let request = |origin: &Hash, id| {
        Request::Accounts(GetAccountRange {
            id,
            root,
            origin: *origin,
            limit,
            bytes,
        })
    };
    let mut requests = vec![request(&[0; 32], 0)];
    let mut size = 0;
    for (key, body) in state.accounts().iter() {
        if size > bytes {
            requests.push(request(key, requests.len() as u64));
            size = 0;
        }
        size += 32 + body.len() as u64;
    }
    requests
}

async fn over_a_socket(server: Arc<Server>, requests: &[Request]) -> Result<f64, Box<dyn Error>> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(any, Arc::clone(&server), Options::default()).await?;
    let address = listener.local_addr()?;
    tokio::spawn(listener.run(std::future::pending()));

    let mut request = format!("ws://{address}/").into_client_request()?;
    let protocol = HeaderValue::from_static(handshake::SUBPROTOCOL);
    request
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    let (mut socket, _) = client_async(request, TcpStream::connect(address).await?).await?;
    let hello = Hello {
        version: handshake::P2P_VERSION,
        name: b"figures".to_vec(),
        capabilities: vec![(b"eth".to_vec(), 69), (b"snap".to_vec(), 1)],
        node_id: [0; 64],
    };
    let status = server.status();
    for frame in [
        handshake::frame(id::HELLO, &hello.encode()),
        handshake::frame(0x10, &status.encode()),
    ] {
        socket.send(Message::Binary(frame.into())).await?;
        socket.next().await.ok_or("closed")??;
    }
    let start = Instant::now();
    for pair in requests.chunks(2) {
        // Two requests at a time, as a client does that keeps its peer busy.
        for request in pair {
            let frame = handshake::frame(0x22, &request.encode());
            socket.send(Message::Binary(frame.into())).await?;
        }
        for _ in pair {
            socket.next().await.ok_or("closed")??;
        }
    }
    Ok(start.elapsed().as_secs_f64())
}
