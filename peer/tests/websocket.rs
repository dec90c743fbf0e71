//! Real WebSockets on loopback, both the library's and the program's.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use futures_util::{SinkExt, StreamExt};
use snaplight_peer::{
    handshake::{self, Hello, id},
    net::{Listener, Options},
    session::Server,
    snap::{GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, Request},
    state::{Recipe, code_hash},
    vice::Vice,
};
use std::{net::SocketAddr, process::Stdio, sync::Arc};
use support::{Answer, ETH, client_hello, frame_id, request_frame, status_frame};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
    },
};

const HELLO: &[(&str, u64)] = &[("eth", 69), ("snap", 1)];

struct Running {
    address: SocketAddr,
    server: Arc<Server>,
    stop: oneshot::Sender<()>,
    listener: JoinHandle<()>,
}

async fn start(options: Options) -> Running {
    let recipe = Recipe {
        accounts: 500,
        contracts_per_mille: 300,
        seed: 1,
        huge: Vec::new(),
    };
    let server = Arc::new(Server::new(recipe.build()));
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(any, Arc::clone(&server), options)
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let listener = tokio::spawn(listener.run(async { drop(stopped.await) }));
    Running {
        address,
        server,
        stop,
        listener,
    }
}

async fn start_with(vice: &str) -> Running {
    let vices = vec![vice.parse::<Vice>().unwrap()];
    start(Options {
        vices,
        ..Options::default()
    })
    .await
}

struct Client(WebSocketStream<TcpStream>);

async fn connect(address: SocketAddr, protocols: Option<&'static str>) -> Result<Client, Error> {
    let mut request = format!("ws://{address}/any/path?x")
        .into_client_request()
        .unwrap();
    if let Some(protocols) = protocols {
        let value = HeaderValue::from_static(protocols);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, response) = client_async(request, stream).await?;
    assert_eq!(
        response.headers().get(SEC_WEBSOCKET_PROTOCOL).unwrap(),
        "devp2p.1"
    );
    Ok(Client(socket))
}

impl Client {
    async fn send(&mut self, frame: Vec<u8>) {
        self.0.send(Message::Binary(frame.into())).await.unwrap();
    }

    async fn frame(&mut self) -> Vec<u8> {
        match self.0.next().await.unwrap().unwrap() {
            Message::Binary(frame) => frame.to_vec(),
            other => panic!("{other:?} in place of a binary frame"),
        }
    }

    /// The code that the server closes with. Before it may come one Disconnect.
    async fn close_code(&mut self) -> u16 {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Close(frame) => return frame.unwrap().code.into(),
                Message::Binary(frame) => assert_eq!(frame_id(&frame), id::DISCONNECT),
                other => panic!("{other:?} in place of the end"),
            }
        }
    }

    async fn ask(&mut self, request: Request) -> Answer {
        self.send(request_frame(&request)).await;
        Answer::decode(&self.frame().await).unwrap()
    }
}

/// A connection that is ready for requests.
async fn ready(running: &Running) -> Client {
    let mut client = connect(running.address, Some("devp2p.1")).await.unwrap();
    client.send(client_hello(HELLO)).await;
    assert_eq!(frame_id(&client.frame().await), id::HELLO);
    let status = client.frame().await;
    assert_eq!(status, status_frame(&running.server));
    client.send(status).await;
    client
}

fn accounts_request(running: &Running, id: u64) -> Request {
    let root = running.server.states().head().unwrap().root();
    Request::Accounts(GetAccountRange {
        id,
        root,
        origin: [0; 32],
        limit: [0xff; 32],
        bytes: 5000,
    })
}

#[tokio::test]
async fn one_of_each_request_is_answered_over_a_real_websocket() {
    let running = start(Options::default()).await;
    let mut client = ready(&running).await;
    let state = Arc::clone(running.server.states().head().unwrap());
    let root = state.root();

    let answer = client.ask(accounts_request(&running, 7)).await;
    assert_eq!((answer.code, answer.id), (1, 7));
    assert!(
        answer.sets[0]
            .iter()
            .all(|(key, body)| state.account(key) == Some(body))
    );

    let (account, storage) = state.storages().next().unwrap();
    let accounts = vec![*account];
    let request = GetStorageRanges {
        id: 8,
        root,
        accounts,
        origin: None,
        limit: None,
        bytes: 500_000,
    };
    let answer = client.ask(Request::Storage(request)).await;
    assert_eq!(answer.keys().len(), storage.len());

    let hash = code_hash(state.account(account).unwrap());
    let request = GetByteCodes {
        id: 9,
        hashes: vec![hash],
        bytes: 500_000,
    };
    let answer = client.ask(Request::Codes(request)).await;
    assert_eq!(answer.proof, [state.code(&hash).unwrap()]);

    let request = GetTrieNodes {
        id: 10,
        root,
        paths: vec![vec![vec![0]]],
        bytes: 500_000,
    };
    let answer = client.ask(Request::Nodes(request)).await;
    assert_eq!(answer.proof, state.accounts().path_to(&[0; 32])[..1]);
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let running = start(Options::default()).await;
    let mut client = ready(&running).await;
    for id in 0..100 {
        client
            .send(request_frame(&accounts_request(&running, id)))
            .await;
    }
    for id in 0..100 {
        assert_eq!(Answer::decode(&client.frame().await).unwrap().id, id);
    }
}

#[tokio::test]
async fn the_subprotocol_is_found_among_others_and_needed() {
    let running = start(Options::default()).await;
    assert!(
        connect(running.address, Some("other, devp2p.1"))
            .await
            .is_ok()
    );
    for protocols in [None, Some("devp2p.2"), Some("xdevp2p.1")] {
        let Err(Error::Http(response)) = connect(running.address, protocols).await else {
            panic!("accepted {protocols:?}");
        };
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_text_frame_closes_with_1003() {
    let running = start(Options::default()).await;
    let mut client = ready(&running).await;
    client.0.send(Message::Text("hello".into())).await.unwrap();
    assert_eq!(client.close_code().await, 1003);
}

#[tokio::test]
async fn an_oversized_frame_closes_with_1009_and_one_at_the_limit_is_read() {
    let running = start(Options::default()).await;
    let client = ready(&running).await;
    // The server may stop reading in the middle: only the close code must arrive.
    let oversized = Message::Binary(vec![0x22; handshake::FRAME_LIMIT + 1].into());
    let (mut sending, mut receiving) = client.0.split();
    let sent = tokio::spawn(async move { sending.send(oversized).await.is_ok() });
    let Message::Close(Some(frame)) = receiving.next().await.unwrap().unwrap() else {
        panic!("no close frame");
    };
    assert_eq!(u16::from(frame.code), 1009);
    drop(receiving);
    let _ = sent.await;

    let mut client = ready(&running).await;
    client.send(vec![0x22; handshake::FRAME_LIMIT]).await;
    assert_eq!(client.close_code().await, 4002);
}

#[tokio::test]
async fn a_breach_closes_with_4002_and_another_network_with_4003() {
    let running = start(Options::default()).await;
    let mut client = connect(running.address, Some("devp2p.1")).await.unwrap();
    client.frame().await;
    client.send(status_frame(&running.server)).await;
    assert_eq!(client.close_code().await, 4002);

    let mut client = connect(running.address, Some("devp2p.1")).await.unwrap();
    client.frame().await;
    client.send(client_hello(&[("eth", 69)])).await;
    assert_eq!(client.close_code().await, 4003);
}

#[tokio::test]
async fn a_client_above_the_connection_limit_is_told_so() {
    let running = start(Options {
        max_connections: 1,
        ..Options::default()
    })
    .await;
    let first = ready(&running).await;
    let mut second = connect(running.address, Some("devp2p.1")).await.unwrap();
    assert_eq!(second.close_code().await, 4004);
    drop(first);
}

#[tokio::test]
async fn a_server_that_shuts_down_says_so_and_ends() {
    let running = start(Options::default()).await;
    let mut client = ready(&running).await;
    // After one answer the server certainly has the Status.
    client.ask(accounts_request(&running, 1)).await;
    running.stop.send(()).unwrap();
    assert_eq!(client.close_code().await, 4008);
    running.listener.await.unwrap();
}

#[tokio::test]
async fn a_client_that_closes_is_answered_with_closing() {
    let running = start(Options::default()).await;
    let mut client = ready(&running).await;
    client.0.close(None).await.unwrap();
    assert!(matches!(
        client.0.next().await,
        Some(Ok(Message::Close(_))) | None
    ));
}

#[tokio::test]
async fn vices_of_the_socket_reach_the_client() {
    let running = start_with("text").await;
    let mut client = ready(&running).await;
    client
        .send(request_frame(&accounts_request(&running, 1)))
        .await;
    assert!(matches!(client.0.next().await, Some(Ok(Message::Text(_)))));

    let running = start_with("cut+1").await;
    let mut client = ready(&running).await;
    assert_eq!(client.ask(accounts_request(&running, 1)).await.id, 1);
    client
        .send(request_frame(&accounts_request(&running, 2)))
        .await;
    assert!(
        !matches!(client.0.next().await, Some(Ok(_))),
        "half an answer is none"
    );

    let running = start_with("oversized").await;
    let mut client = ready(&running).await;
    client
        .send(request_frame(&accounts_request(&running, 1)))
        .await;
    assert_eq!(client.frame().await.len(), handshake::FRAME_LIMIT + 1);
}

#[tokio::test]
async fn a_connection_that_is_no_websocket_is_refused_and_disturbs_no_other() {
    let running = start(Options::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream
        .write_all(b"\x00\x01\x02 nonsense\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    ready(&running).await;
}

#[tokio::test]
async fn the_program_prints_one_line_when_ready_serves_and_ends_with_its_input() {
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_snaplight-peer"))
        .args([
            "--accounts",
            "50",
            "--contracts",
            "0.5",
            "--huge",
            "1:100",
            "--exit-with-stdin",
        ])
        .args(["--network-id", "9", "--vice", "capped=100@node-data"])
        .args(["--by", "hash"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(program.stdout.take().unwrap());
    stdout.read_line(&mut line).await.unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let recipe = Recipe {
        accounts: 50,
        contracts_per_mille: 500,
        seed: 1,
        huge: vec![(1, 100)],
    };
    let state = recipe.build();
    let root: String = state
        .root()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(ready["ready"], true);
    assert_eq!(ready["root"], format!("0x{root}"));
    assert_eq!(ready["accounts"], 50);
    assert_eq!(ready["slots"], state.counts().slots);
    assert_eq!(ready["codes"], state.counts().codes);
    assert_eq!(ready["networkId"], 9);
    assert_eq!(ready["genesisHash"].as_str().unwrap().len(), 66);

    let url = ready["url"].as_str().unwrap();
    let address = url
        .trim_start_matches("ws://")
        .trim_end_matches('/')
        .parse()
        .unwrap();
    let mut client = connect(address, Some("devp2p.1")).await.unwrap();
    let hello = Hello::decode(&client.frame().await[1..]).unwrap();
    assert_eq!(hello.capabilities, [(b"eth".to_vec(), 66)]);

    drop(program.stdin.take());
    assert_eq!(client.close_code().await, 4008);
    assert!(program.wait().await.unwrap().success());
}

#[tokio::test]
async fn the_program_explains_wrong_arguments() {
    for args in [
        &["--accounts"][..],
        &["--bogus"],
        &[],
        &["--accounts", "5", "--vice", "bogus"],
        &["--accounts", "5", "--by", "path"],
        &["--accounts", "5", "--block-every", "0s"],
        &["--accounts", "5", "--change", "1.5"],
    ] {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_snaplight-peer"))
            .args(args)
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("--help"));
    }
}

#[tokio::test]
async fn the_program_makes_blocks_on_demand_announces_and_serves_them() {
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_snaplight-peer"))
        .args(["--accounts", "500", "--contracts", "0.2", "--keep", "2"])
        .args(["--chain", "--change", "0.1", "--exit-with-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = program.stdin.take().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut line = async || -> serde_json::Value {
        serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap()
    };
    let ready = line().await;
    assert_eq!(ready["block"]["hash"], ready["genesisHash"]);
    assert_eq!(ready["block"]["stateRoot"], ready["root"]);
    let url = ready["url"].as_str().unwrap();
    let address = url.trim_start_matches("ws://").trim_end_matches('/');
    let address = address.parse().unwrap();
    let mut client = connect(address, Some("devp2p.1")).await.unwrap();
    client.send(client_hello(HELLO)).await;
    client.frame().await;
    let status = client.frame().await;
    client.send(status).await;
    // After one answer the server certainly has the Status.
    client
        .send(handshake::frame(
            ETH + 3,
            &[0xc6, 0x07, 0xc4, 0x80, 0x01, 0x80, 0x80],
        ))
        .await;
    assert_eq!(frame_id(&client.frame().await), ETH + 4);

    for (number, command) in ["block", "block 0.5", "block"].into_iter().enumerate() {
        stdin
            .write_all(format!("{command}\n").as_bytes())
            .await
            .unwrap();
        let block = line().await;
        assert_eq!(block["number"], number + 1);
        assert!(block["changedNodeBytes"].as_u64() > Some(0));
        let update = client.frame().await;
        assert_eq!(frame_id(&update), ETH + 0x11);
        let hash = block["hash"].as_str().unwrap();
        let sent: String = update.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(sent.ends_with(&hash[2..]), "{sent} {hash}");
    }
    drop(stdin);
    assert!(program.wait().await.unwrap().success());
}
