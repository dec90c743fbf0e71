//! Checks that the bytes in `docs/websocket-peers.md` are those that the server sends, and that its
//! numbers are those of client, server and gateway. With `SNAPLIGHT_WRITE_PAGE=1` in the
//! environment, writes the bytes there.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use snaplight_peer::{
    block::{GetBlockHeaders, MAINNET_GENESIS, Start},
    eth66,
    handshake::{self, Hello, Reason, eth, id},
    keccak::keccak,
    session::{Outgoing, Server, Session},
    snap::{GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, Request},
    state::{Account, Builder, State, code_hash},
};
use std::{
    fmt::Write,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};
use support::{Answer, ETH, ask, by_hash, frames, request_frame, status_frame, word};

/// Held by who reads or writes the page.
static PAGE: Mutex<()> = Mutex::new(());

/// A frame and a line that describes it.
fn write(page: &mut String, title: &str, frame: &[u8]) {
    writeln!(page, "\n{title}\n```hex").unwrap();
    for line in frame.chunks(32) {
        let pairs: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(page, "{}", pairs.join(" ")).unwrap();
    }
    page.push_str("```\n");
}

fn only_frame(outgoing: Vec<Outgoing>) -> Vec<u8> {
    let mut frames = frames(outgoing);
    assert_eq!(frames.len(), 1);
    frames.remove(0)
}

/// The address of the contract.
const CONTRACT: [u8; 20] = [0x22; 20];

/// The state of both conversations.
fn state() -> State {
    Builder::new()
        .account(
            [0x11; 20],
            Account::new().nonce(1).balance(1_000_000_000_000_000_000),
        )
        .account(
            CONTRACT,
            Account::new()
                .nonce(1)
                .code(vec![0x60, 0x01])
                .slot(word(1), word(0x1234))
                .slot(word(2), word(2)),
        )
        .build()
}

fn client_hello(capabilities: &[(&str, u64)]) -> Vec<u8> {
    let capabilities = capabilities.iter();
    let hello = Hello {
        version: 5,
        name: concat!("snaplight/", env!("CARGO_PKG_VERSION")).into(),
        capabilities: capabilities
            .map(|(name, version)| (name.as_bytes().to_vec(), *version))
            .collect(),
        node_id: [0x11; 64],
    };
    handshake::frame(id::HELLO, &hello.encode())
}

fn conversation_by_snap() -> String {
    let state = state();
    let root = state.root();
    let server = Arc::new(Server::new(state).on_network(1, MAINNET_GENESIS));
    let mut session = Session::new(Arc::clone(&server), Vec::new());
    let hello = client_hello(&[("eth", 69), ("snap", 1)]);
    let status = status_frame(&server);

    let mut page = String::new();
    write(&mut page, "Client: Hello.", &hello);
    write(&mut page, "Server: Hello.", &only_frame(session.open()));
    let sent = only_frame(session.on_frame(&hello));
    assert_eq!(sent, status);
    write(
        &mut page,
        "Server: Status, of mainnet. The client sends the same back.",
        &sent,
    );
    session.on_frame(&status);

    let head = server.status().latest_hash;
    let headers = GetBlockHeaders {
        id: 0,
        start: Start::Hash(head),
        amount: 1,
        skip: 0,
        reverse: false,
    };
    let frame = handshake::frame(ETH + eth::GET_BLOCK_HEADERS, &headers.encode());
    let title = "Client: GetBlockHeaders 0, the one with the latest block's hash.";
    write(&mut page, title, &frame);
    let answer = only_frame(session.on_frame(&frame));
    // Before it are the frame's id, the answer's header, the request id and the list's header: 1 +
    // 3 + 1 + 3 bytes.
    assert_eq!(keccak(&answer[8..]), head);
    let title = format!(
        "Server: BlockHeaders 0. The keccak of the header, the last {} bytes, is that hash.",
        answer.len() - 8
    );
    write(&mut page, &title, &answer);

    let (account, all) = (keccak(&CONTRACT), [0xff; 32]);
    let storage = |id, origin| {
        let (accounts, limit) = (vec![account], None);
        Request::Storage(GetStorageRanges {
            id,
            root,
            accounts,
            origin,
            limit,
            bytes: 524_288,
        })
    };
    let accounts = |id, root| {
        Request::Accounts(GetAccountRange {
            id,
            root,
            origin: [0; 32],
            limit: all,
            bytes: 524_288,
        })
    };
    let hashes = vec![keccak(&[0x60, 0x01])];
    let paths = vec![vec![vec![0]], vec![account.to_vec(), vec![0], vec![0x1b]]];
    let requests = [
        (
            "GetAccountRange 1, everything, 512 KiB",
            "AccountRange 1",
            accounts(1, root),
        ),
        (
            "GetAccountRange 2, of a root that the server has not got",
            "AccountRange 2, nothing",
            accounts(2, [0x13; 32]),
        ),
        (
            "GetStorageRanges 3, a whole storage",
            "StorageRanges 3, without a proof",
            storage(3, None),
        ),
        (
            "GetStorageRanges 4, the same from 0x00…01 on",
            "StorageRanges 4, with a proof",
            storage(4, Some(word(1))),
        ),
        (
            "GetByteCodes 2^64 - 1",
            "ByteCodes 2^64 - 1",
            Request::Codes(GetByteCodes {
                id: u64::MAX,
                hashes,
                bytes: 524_288,
            }),
        ),
        (
            "GetTrieNodes 6: the state's root node; of the contract's storage the root node and the one at nibble b",
            "TrieNodes 6",
            Request::Nodes(GetTrieNodes {
                id: 6,
                root,
                paths,
                bytes: 524_288,
            }),
        ),
    ];
    for (question, title, request) in requests {
        let frame = request_frame(&request);
        write(&mut page, &format!("Client: {question}."), &frame);
        let answer = only_frame(session.on_frame(&frame));
        assert_eq!(
            Answer::decode(&answer).unwrap(),
            ask(&mut session, &request)
        );
        write(&mut page, &format!("Server: {title}."), &answer);
    }
    server.push(Arc::new(Builder::new().build()));
    write(
        &mut page,
        "Server: BlockRangeUpdate, when it has made the next block.",
        &only_frame(session.on_head()),
    );
    let ping = handshake::frame(id::PING, &[0xc0]);
    write(&mut page, "Either: Ping.", &ping);
    write(
        &mut page,
        "Then the other one: Pong.",
        &only_frame(session.on_frame(&ping)),
    );
    write(
        &mut page,
        "Either: Disconnect, nothing wrong, before close code 1000.",
        &Reason::Requested.frame(),
    );
    write(
        &mut page,
        "Either: Disconnect, breach of protocol, before close code 4002.",
        &Reason::Breach.frame(),
    );
    page
}

fn conversation_by_hash() -> String {
    let state = state();
    let account = keccak(&CONTRACT);
    let storage = state.storage(&account).unwrap().clone();
    let code = code_hash(state.account(&account).unwrap());
    let root = state.root();
    // The root node of each trie is the first one. The others are leaves.
    let leaves = |trie: &snaplight_peer::trie::Trie| -> Vec<_> {
        let nodes = trie.all_nodes();
        assert_eq!(nodes.len(), 3);
        nodes[1..].iter().map(|node| keccak(node)).collect()
    };
    let mut accounts = leaves(state.accounts());
    accounts.insert(1, [0x13; 32]);
    let requests = [
        ("the state root", "the root node", vec![root]),
        (
            "the two leaves that it names, and between them a hash that the server has not got",
            "two leaves",
            accounts,
        ),
        (
            "the contract's code hash and storage root",
            "the code and the storage's root node",
            vec![code, storage.root()],
        ),
        (
            "the two leaves that this one names",
            "two leaves",
            leaves(&storage),
        ),
        (
            "a hash that the server has not got",
            "nothing",
            vec![[0x13; 32]],
        ),
    ];
    let server = Arc::new(Server::new(state).on_network(1, MAINNET_GENESIS));
    let mut session = Session::new(Arc::clone(&server), Vec::new());
    let hello = client_hello(&[("eth", 66)]);

    let mut page = String::new();
    write(&mut page, "Client: Hello.", &hello);
    write(&mut page, "Server: Hello.", &only_frame(session.open()));
    let status = only_frame(session.on_frame(&hello));
    assert_eq!(status, by_hash::status_frame(&server));
    let title = "Server: Status, of mainnet. The client sends the same back.";
    write(&mut page, title, &status);
    session.on_frame(&status);
    for (id, (question, answer, hashes)) in (1..).zip(requests) {
        let frame = by_hash::request_frame(id, &hashes);
        write(
            &mut page,
            &format!("Client: GetNodeData {id}, {question}."),
            &frame,
        );
        let sent = only_frame(session.on_frame(&frame));
        let (_, items) = by_hash::decode(&sent).unwrap();
        let found = items.iter().map(|item| keccak(item));
        let known = hashes.into_iter().filter(|hash| *hash != [0x13; 32]);
        assert!(found.eq(known));
        write(
            &mut page,
            &format!("Server: NodeData {id}, {answer}."),
            &sent,
        );
    }
    let head = server.push(Arc::new(Builder::new().build()));
    let announced = only_frame(session.on_head());
    let payload = eth66::put_new_block(&head.hash, head.header.number);
    let code = by_hash::ETH + eth66::code::NEW_BLOCK_HASHES;
    assert_eq!(announced, handshake::frame(code, &payload));
    let title = "Server: NewBlockHashes, when it has made the next block.";
    write(&mut page, title, &announced);
    page
}

#[test]
fn the_conversations_on_the_page_are_what_the_server_says() {
    let _page = PAGE.lock();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/websocket-peers.md");
    let page = fs::read_to_string(&path).unwrap();
    let marker = "--test page -->\n";
    let parts: Vec<_> = page.split(marker).collect();
    let [prose, on_page, by_hash_on_page] = parts.as_slice() else {
        panic!("two markers on the page")
    };
    // The first conversation ends where the next section begins.
    let (on_page, between) = on_page.split_once("\n## ").unwrap();
    let (by_snap, by_hash) = (conversation_by_snap(), conversation_by_hash());
    if std::env::var_os("SNAPLIGHT_WRITE_PAGE").is_some() {
        let written = format!("{prose}{marker}{by_snap}\n## {between}{marker}{by_hash}");
        fs::write(&path, written).unwrap();
    } else {
        let told = "run with SNAPLIGHT_WRITE_PAGE=1 if this is meant";
        assert_eq!(on_page, by_snap, "{told}");
        assert_eq!(*by_hash_on_page, by_hash, "{told}");
    }
}

/// The lines of all source files below some folders of the repository.
fn source_lines(folders: &[&str], extension: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut lines = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(path).unwrap();
                lines.extend(text.lines().map(|line| line.trim().to_owned()));
            }
        }
    }
    lines
}

/// The values of all constants of this name. Times are in milliseconds.
fn constants(lines: &[String], name: &str) -> Vec<u64> {
    let values = lines.iter().filter_map(|line| {
        let code = line.split("//").next()?;
        let (left, value) = code.split_once('=')?;
        // `pub const NAME: TYPE = ...;` in Rust; `NAME = ...` in Go.
        let left = left.rsplit_once(": ").map_or(left, |(left, _)| left).trim();
        let is_rust = left.ends_with(&format!("const {name}"));
        (is_rust || left == name).then(|| evaluate(value))?
    });
    values.collect()
}

/// The value of an expression of sums, products and shifts, which Rust and Go write alike. `None`
/// if it is another one.
fn evaluate(expression: &str) -> Option<u64> {
    let mut text = expression.trim().trim_end_matches(';').to_owned();
    for (unit, factor) in [("secs", " * 1000"), ("millis", "")] {
        let call = format!("Duration::from_{unit}(");
        if let Some(inner) = text.strip_prefix(&call) {
            text = inner.strip_suffix(')')?.to_owned() + factor;
        }
    }
    let text = text
        .replace("time.Second", "1000")
        .replace("time.Millisecond", "1");
    let number = |text: &str| {
        let digits = text.trim().replace('_', "");
        match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => digits.parse::<u64>().ok(),
        }
    };
    let product = |text: &str| text.split('*').map(number).product::<Option<u64>>();
    let shifted = |text: &str| match text.split_once("<<") {
        Some((value, by)) => Some(product(value)? << product(by)?),
        None => product(text),
    };
    text.split('+').map(shifted).sum()
}

/// A value as the page writes it: a number, and perhaps a unit.
fn value_on_page(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u64 = number.replace(',', "").parse().unwrap();
    match unit {
        "s" => number * 1000,
        "" | "bytes" | "ms" => number,
        other => panic!("the unit {other}"),
    }
}

#[test]
fn the_constants_on_the_page_are_those_of_client_server_and_gateway() {
    let _page = PAGE.lock();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/websocket-peers.md");
    let page = fs::read_to_string(path).unwrap();
    let (_, table) = page
        .split_once("| constant | value | client | server | gateway |\n")
        .unwrap();
    let sources = [
        source_lines(&["src", "trie/src"], "rs"),
        source_lines(&["peer/src"], "rs"),
        source_lines(&["gateway"], "go"),
    ];
    let mut held = [0; 3];
    for row in table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'))
    {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [what, value, names @ ..] = cells.as_slice() else {
            panic!("{row}");
        };
        assert_eq!(names.len(), sources.len(), "{row}");
        for ((lines, name), held) in sources.iter().zip(names).zip(&mut held) {
            if name.is_empty() {
                continue;
            }
            let name = name.trim_matches('`');
            let found = constants(lines, name);
            // A test may have its own constant of the same name.
            let value = value_on_page(value);
            let is_held = !found.is_empty() && found.iter().all(|found| *found == value);
            assert!(is_held, "{what}: {name} is {found:?}");
            *held += 1;
        }
    }
    assert!(held.iter().all(|held| *held >= 8), "{held:?}");
}
