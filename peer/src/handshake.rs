//! What two peers say to each other besides state: Hello, Status, Disconnect and Ping, and which
//! message id means what. See `docs/websocket-peers.md`, §2 to §5.

use crate::{Hash, rlp};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "devp2p.1";
/// The largest frame in either direction, in bytes.
pub const FRAME_LIMIT: usize = 10 * 1024 * 1024;
/// The largest frame with an id below `CAPABILITIES_FROM`, in bytes.
pub const BASE_FRAME_LIMIT: usize = 2048;
/// The first id of the first shared capability.
pub const CAPABILITIES_FROM: u64 = 0x10;
/// The version of the base protocol.
pub const P2P_VERSION: u64 = 5;

/// Ids of the base messages.
pub mod id {
    /// `[p2pVersion, name, [[capability, version], ...], port, nodeId]`
    pub const HELLO: u64 = 0;
    /// `[reason]`
    pub const DISCONNECT: u64 = 1;
    /// `[]`
    pub const PING: u64 = 2;
    /// `[]`
    pub const PONG: u64 = 3;
}

/// The codes of eth/69 that are used here, relative to its first id.
pub mod eth {
    /// See [`super::Status`].
    pub const STATUS: u64 = 0x00;
    /// `[reqId, [start, amount, skip, reverse]]`
    pub const GET_BLOCK_HEADERS: u64 = 0x03;
    /// `[reqId, [header, ...]]`
    pub const BLOCK_HEADERS: u64 = 0x04;
    /// `[earliest, latest, latestHash]`
    pub const BLOCK_RANGE_UPDATE: u64 = 0x11;
}

/// How a connection serves state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By ranges and paths of a state root: eth/69 with snap/1.
    Snap,
    /// By hash: eth/66 alone.
    Hash,
}

/// What a server offers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Offer {
    /// Connections by snap only.
    Snap,
    /// Connections by hash only.
    Hash,
    /// Both, and the client chooses.
    #[default]
    Both,
}

impl Offer {
    /// The capabilities, sorted by name and version.
    #[must_use]
    pub fn capabilities(self) -> &'static [(&'static str, u64)] {
        match self {
            Offer::Snap => &[("eth", 69), ("snap", 1)],
            Offer::Hash => &[("eth", 66)],
            Offer::Both => &[("eth", 66), ("eth", 69), ("snap", 1)],
        }
    }
}

/// How two sides that share these capabilities speak. `None` if they do not share enough.
#[must_use]
pub fn by(shared: &[Shared]) -> Option<By> {
    let names: Vec<_> = shared.iter().map(|shared| shared.capability).collect();
    match names.as_slice() {
        [("eth", 69), ("snap", 1)] => Some(By::Snap),
        [("eth", 66)] => Some(By::Hash),
        _ => None,
    }
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is wrong.
    Requested = 0x00,
    /// The other side broke the protocol.
    Breach = 0x02,
    /// No common capabilities, or another network.
    Useless = 0x03,
    /// Too many connections.
    TooManyPeers = 0x04,
    /// The other side's base protocol is older than version 5.
    Incompatible = 0x06,
    /// This side shuts down.
    Quitting = 0x08,
    /// No Hello, no Status, or no answer to a Ping in time.
    Timeout = 0x0b,
}

impl Reason {
    /// The WebSocket close code for this reason.
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Reason::Requested => 1000,
            other => 4000 + other as u16,
        }
    }

    /// The Disconnect message.
    #[must_use]
    pub fn frame(self) -> Vec<u8> {
        let mut reason = Vec::new();
        rlp::put_uint(self as u64, &mut reason);
        frame(id::DISCONNECT, &rlp::wrap(&reason))
    }
}

/// Close code after a text frame.
pub const CLOSE_TEXT: u16 = 1003;
/// Close code after a frame above the limit.
pub const CLOSE_OVERSIZED: u16 = 1009;

/// A frame: the message id and an encoded payload.
#[must_use]
pub fn frame(id: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 1);
    rlp::put_uint(id, &mut frame);
    frame.extend_from_slice(payload);
    frame
}

/// A frame's id and payload. `None` if it is malformed.
pub(crate) fn split(mut frame: &[u8]) -> Option<(u64, &[u8])> {
    let id = rlp::uint(&mut frame).ok()?;
    let payload = frame;
    rlp::item(&mut frame).ok()?;
    (frame.is_empty() && id <= u64::from(u32::MAX)).then_some((id, payload))
}

/// The first message of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// `P2P_VERSION`.
    pub version: u64,
    /// Should be UTF-8, and have at most 256 bytes. Must not be trusted.
    pub name: Vec<u8>,
    /// Names and versions of the capabilities. A name should be 1 to 8 ASCII bytes.
    pub capabilities: Vec<(Vec<u8>, u64)>,
    /// 64 bytes without a meaning. Zero if the sender has another number of them.
    pub node_id: [u8; 64],
}

impl Hello {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut capabilities = Vec::new();
        for (name, version) in &self.capabilities {
            let mut pair = Vec::new();
            rlp::put_string(name, &mut pair);
            rlp::put_uint(*version, &mut pair);
            capabilities.extend(rlp::wrap(&pair));
        }
        let mut fields = Vec::new();
        rlp::put_uint(self.version, &mut fields);
        rlp::put_string(&self.name, &mut fields);
        fields.extend(rlp::wrap(&capabilities));
        rlp::put_uint(0, &mut fields);
        rlp::put_string(&self.node_id, &mut fields);
        rlp::wrap(&fields)
    }

    /// `None` if the payload is malformed. Of its elements only version, name and capabilities must
    /// be there and be what they should be. The frame's limit bounds them.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Hello> {
        let mut buf = payload;
        let mut fields = rlp::list(&mut buf).ok()?;
        rlp::end(buf).ok()?;
        let version = rlp::uint(&mut fields).ok()?;
        let name = rlp::string(&mut fields).ok()?.to_vec();
        let capabilities = rlp::each(rlp::list(&mut fields).ok()?, |buf| {
            let mut pair = rlp::list(buf)?;
            let name = rlp::string(&mut pair)?;
            let version = rlp::uint(&mut pair)?;
            Ok((name.to_vec(), version))
        })
        .ok()?;
        // The port, then the node id.
        let mut unused = fields;
        let _ = rlp::item(&mut unused);
        let node_id = rlp::string(&mut unused).unwrap_or_default();
        while !fields.is_empty() {
            rlp::item(&mut fields).ok()?;
        }
        Some(Hello {
            version,
            name,
            capabilities,
            node_id: node_id.try_into().unwrap_or([0; 64]),
        })
    }
}

/// A capability that both sides have, and its message ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// Name and version.
    pub capability: (&'static str, u64),
    /// Its first id.
    pub from: u64,
    /// How many ids it has.
    pub len: u64,
}

/// How many ids a capability's version reserves, for all capabilities that are used here.
const LENGTHS: [((&str, u64), u64); 4] = [
    (("eth", 66), 17),
    (("eth", 69), 18),
    (("snap", 1), 8),
    (("snap", 2), 10),
];

/// The capabilities that both sides have. Of each name it is the highest common version. Ids are
/// given out in the order of the names from 0x10 on.
#[must_use]
pub fn share(ours: &[(&str, u64)], theirs: &[(Vec<u8>, u64)]) -> Vec<Shared> {
    let mut shared: Vec<Shared> = Vec::new();
    for ((name, version), len) in LENGTHS {
        let both = ours.contains(&(name, version))
            && theirs
                .iter()
                .any(|(n, v)| n == name.as_bytes() && *v == version);
        if !both {
            continue;
        }
        // `LENGTHS` is sorted, so of the same name the later entry is the higher version.
        shared.retain(|other| other.capability.0 != name);
        let from = shared
            .last()
            .map_or(CAPABILITIES_FROM, |last| last.from + last.len);
        shared.push(Shared {
            capability: (name, version),
            from,
            len,
        });
    }
    shared
}

/// The fork id of EIP-2124: a checksum, and the next fork's block or time.
pub type Fork = ([u8; 4], u64);

/// The fork id of a chain without forks.
pub(crate) fn fork_of(genesis: &Hash) -> Fork {
    (crc32(genesis).to_be_bytes(), 0)
}

/// Appends `[forkHash B_4, forkNext P]`.
pub(crate) fn put_fork(fork: &Fork, out: &mut Vec<u8>) {
    let mut fields = Vec::new();
    rlp::put_string(&fork.0, &mut fields);
    rlp::put_uint(fork.1, &mut fields);
    out.extend(rlp::wrap(&fields));
}

/// Reads what `put_fork` writes.
pub(crate) fn fork(buf: &mut &[u8]) -> Option<Fork> {
    let mut fields = rlp::list(buf).ok()?;
    let hash = rlp::string(&mut fields).ok()?.try_into().ok()?;
    let next = rlp::uint(&mut fields).ok()?;
    rlp::end(fields).ok()?;
    Some((hash, next))
}

/// The Status message of eth/69.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The version: 69.
    pub version: u64,
    /// The network id.
    pub network_id: u64,
    /// The hash of the chain's first block.
    pub genesis: Hash,
    /// The fork id of EIP-2124.
    pub fork: Fork,
    /// The first block that the peer has.
    pub earliest: u64,
    /// The number of the head.
    pub latest: u64,
    /// The hash of the head.
    pub latest_hash: Hash,
}

impl Status {
    /// The Status of a server with a state and no chain.
    #[must_use]
    pub fn without_chain(network_id: u64, genesis: Hash) -> Status {
        Status {
            version: 69,
            network_id,
            genesis,
            fork: fork_of(&genesis),
            earliest: 0,
            latest: 0,
            latest_hash: genesis,
        }
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        rlp::put_uint(self.version, &mut fields);
        rlp::put_uint(self.network_id, &mut fields);
        rlp::put_string(&self.genesis, &mut fields);
        put_fork(&self.fork, &mut fields);
        self.put_range(&mut fields);
        rlp::wrap(&fields)
    }

    /// The payload of BlockRangeUpdate: Status's last three fields.
    #[must_use]
    pub fn encode_range(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        self.put_range(&mut fields);
        rlp::wrap(&fields)
    }

    fn put_range(&self, fields: &mut Vec<u8>) {
        rlp::put_uint(self.earliest, fields);
        rlp::put_uint(self.latest, fields);
        rlp::put_string(&self.latest_hash, fields);
    }

    /// `None` if the payload is malformed.
    #[must_use]
    pub fn decode(mut payload: &[u8]) -> Option<Status> {
        let mut fields = rlp::list(&mut payload).ok()?;
        rlp::end(payload).ok()?;
        let version = rlp::uint(&mut fields).ok()?;
        let network_id = rlp::uint(&mut fields).ok()?;
        let genesis = rlp::hash(&mut fields).ok()?;
        let fork = fork(&mut fields)?;
        let earliest = rlp::uint(&mut fields).ok()?;
        let latest = rlp::uint(&mut fields).ok()?;
        let latest_hash = rlp::hash(&mut fields).ok()?;
        rlp::end(fields).ok()?;
        Some(Status {
            version,
            network_id,
            genesis,
            fork,
            earliest,
            latest,
            latest_hash,
        })
    }
}

/// The CRC-32 that EIP-2124 uses (IEEE).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(capabilities: &[(&str, u64)]) -> Vec<(Vec<u8>, u64)> {
        capabilities
            .iter()
            .map(|(name, version)| (name.as_bytes().to_vec(), *version))
            .collect()
    }

    #[test]
    fn the_highest_common_version_of_each_name_gets_ids_in_the_order_of_names() {
        let theirs = offered(&[
            ("snap", 2),
            ("snap", 1),
            ("eth", 69),
            ("eth", 66),
            ("les", 4),
        ]);
        let ids = |ours: &[(&str, u64)]| -> Vec<_> {
            share(ours, &theirs)
                .iter()
                .map(|s| (s.capability, s.from))
                .collect()
        };
        assert_eq!(
            ids(&[("eth", 69), ("snap", 1)]),
            [(("eth", 69), 0x10), (("snap", 1), 0x22)]
        );
        assert_eq!(
            ids(&[("snap", 1), ("snap", 2), ("eth", 66), ("eth", 69)]),
            [(("eth", 69), 0x10), (("snap", 2), 0x22)]
        );
        assert_eq!(
            ids(&[("eth", 66), ("snap", 1)]),
            [(("eth", 66), 0x10), (("snap", 1), 0x21)]
        );
        assert_eq!(ids(&[("snap", 1)]), [(("snap", 1), 0x10)]);
        assert_eq!(ids(&[("eth", 68)]), []);
    }

    #[test]
    fn the_fork_hash_of_mainnets_genesis_is_the_one_of_eip_2124() {
        let genesis = [
            0xd4, 0xe5, 0x67, 0x40, 0xf8, 0x76, 0xae, 0xf8, 0xc0, 0x10, 0xb8, 0x6a, 0x40, 0xd5,
            0xf5, 0x67, 0x45, 0xa1, 0x18, 0xd0, 0x90, 0x6a, 0x34, 0xe6, 0x9a, 0xec, 0x8c, 0x0d,
            0xb1, 0xcb, 0x8f, 0xa3,
        ];
        assert_eq!(crc32(&genesis), 0xfc64_ec04);
        let status = Status::without_chain(1, genesis);
        assert_eq!(Status::decode(&status.encode()), Some(status));
    }

    #[test]
    fn a_hello_is_not_judged_by_what_is_not_used_of_it() {
        let hello = Hello {
            version: 5,
            name: b"test".to_vec(),
            capabilities: offered(&[("eth", 69)]),
            node_id: [1; 64],
        };
        let encoded = hello.encode();
        assert_eq!(Hello::decode(&encoded), Some(hello.clone()));

        let mut fields = rlp::list(&mut encoded.as_slice())
            .unwrap_or_default()
            .to_vec();
        let short = fields.len() - 66 - 1;
        fields.extend([0xc0, 0x05]);
        assert_eq!(Hello::decode(&rlp::wrap(&fields)), Some(hello.clone()));
        // Without a port and a node id.
        let anonymous = Hello {
            node_id: [0; 64],
            ..hello.clone()
        };
        assert_eq!(Hello::decode(&rlp::wrap(&fields[..short])), Some(anonymous));

        let taken = |change: fn(&mut Hello)| {
            let mut hello = hello.clone();
            change(&mut hello);
            assert_eq!(Hello::decode(&hello.encode()), Some(hello));
        };
        taken(|hello| hello.name = vec![b'x'; 257]);
        taken(|hello| hello.capabilities = vec![(b"eth".to_vec(), 69); 65]);
        taken(|hello| hello.capabilities.push((b"ninechars".to_vec(), 1)));
        taken(|hello| hello.capabilities.push((Vec::new(), 1)));
    }
}
