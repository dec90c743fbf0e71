//! The capabilities that we offer, and where their message ids start on a connection (devp2p
//! `rlpx.md`, "Message ID-based Multiplexing").

/// How a peer is asked for state: by which capabilities. A connection is one of the two as long as
/// it lasts (`docs/websocket-peers.md`, section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// By ranges, nibble paths and code hashes, under a state root: eth/69 with snap/1.
    #[default]
    Snap,
    /// By hash and by nothing else: eth/66, whose GetNodeData brings trie nodes and bytecodes.
    Hash,
    /// By address, over JSON-RPC: a provider ([`rpc`](super::rpc)). It has no frames and no session.
    Rpc,
}

/// Version of the `snap` capability.
const SNAP_VERSION: u64 = 1;
/// How many message ids snap/1 takes (devp2p `caps/snap.md`): 0x00 to 0x07.
const SNAP_LENGTH: u64 = 8;
/// Version of the `eth` capability beside snap.
const ETH_VERSION: u64 = 69;
/// How many message ids eth/69 takes (EIP-7642): 0x00 to 0x11.
const ETH_LENGTH: u64 = 18;
/// The last version of the `eth` capability that has GetNodeData (EIP-4938).
const ETH_66_VERSION: u64 = 66;
/// How many message ids eth/66 takes (EIP-2481): 0x00 to 0x10.
const ETH_66_LENGTH: u64 = 17;
/// How many message ids the base protocol takes. The first shared capability starts here.
pub(super) const BASE_LENGTH: u64 = 0x10;

impl By {
    /// Name and version of all that we offer on such a connection.
    pub(super) fn offered(self) -> &'static [(&'static str, u64)] {
        match self {
            By::Snap => &[("eth", ETH_VERSION), ("snap", SNAP_VERSION)],
            By::Hash => &[("eth", ETH_66_VERSION)],
            By::Rpc => &[],
        }
    }

    /// The version of eth on such a connection.
    pub(super) fn eth_version(self) -> u64 {
        match self {
            By::Snap => ETH_VERSION,
            By::Hash => ETH_66_VERSION,
            By::Rpc => 0,
        }
    }

    fn eth_length(self) -> u64 {
        match self {
            By::Snap => ETH_LENGTH,
            By::Hash => ETH_66_LENGTH,
            By::Rpc => 0,
        }
    }
}

/// Where the message ids of the shared capabilities start on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    by: By,
}

/// A message id, relative to the first one of its capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageId {
    Eth(u64),
    Snap(u64),
}

impl Offsets {
    /// The offsets on a connection to a peer that offers these names and versions. `None` unless
    /// all of ours are among them.
    pub(super) fn agree(by: By, theirs: &[(&[u8], u64)]) -> Option<Offsets> {
        let is_shared =
            |(name, version): &(&str, u64)| theirs.contains(&(name.as_bytes(), *version));
        by.offered().iter().all(is_shared).then_some(Offsets { by })
    }

    /// What kind of connection it is.
    pub fn by(self) -> By {
        self.by
    }

    /// The id on this connection of a message of eth.
    pub(super) fn eth(self, relative: u64) -> u64 {
        BASE_LENGTH + relative
    }

    /// The id on this connection of a message of snap. Ids are assigned in the order of names, so
    /// snap follows eth.
    pub(super) fn snap(self, relative: u64) -> u64 {
        BASE_LENGTH + self.by.eth_length() + relative
    }

    /// The capability that an id on this connection belongs to, if there is one.
    pub(super) fn resolve(self, id: u64) -> Option<MessageId> {
        let within = |first: u64, length| id.checked_sub(first).filter(|id| *id < length);
        let snap_length = match self.by {
            By::Snap => SNAP_LENGTH,
            By::Hash | By::Rpc => 0,
        };
        within(self.eth(0), self.by.eth_length())
            .map(MessageId::Eth)
            .or_else(|| within(self.snap(0), snap_length).map(MessageId::Snap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_follow_the_order_of_names() {
        let theirs: [(&[u8], u64); 4] = [(b"snap", 2), (b"snap", 1), (b"eth", 68), (b"eth", 69)];
        let Some(offsets) = Offsets::agree(By::Snap, &theirs) else {
            unreachable!("both are shared");
        };
        assert_eq!((offsets.eth(0), offsets.snap(0)), (0x10, 0x22));
        for (id, resolved) in [
            (0x0f, None),
            (0x10, Some(MessageId::Eth(0))),
            (0x21, Some(MessageId::Eth(0x11))),
            (0x22, Some(MessageId::Snap(0))),
            (0x29, Some(MessageId::Snap(7))),
            (0x2a, None),
            (u64::MAX, None),
        ] {
            assert_eq!(offsets.resolve(id), resolved, "{id:#x}");
        }
    }

    #[test]
    fn a_connection_by_hash_has_the_ids_of_eth_66_and_no_others() {
        let theirs: [(&[u8], u64); 3] = [(b"eth", 69), (b"eth", 66), (b"snap", 1)];
        let Some(offsets) = Offsets::agree(By::Hash, &theirs) else {
            unreachable!("eth/66 is shared");
        };
        for (id, resolved) in [
            (0x0f, None),
            (0x10, Some(MessageId::Eth(0))),
            (0x20, Some(MessageId::Eth(0x10))),
            (0x21, None),
        ] {
            assert_eq!(offsets.resolve(id), resolved, "{id:#x}");
        }
    }

    #[test]
    fn all_capabilities_have_to_be_shared() {
        assert_eq!(Offsets::agree(By::Snap, &[(b"eth", 69)]), None);
        assert_eq!(
            Offsets::agree(By::Snap, &[(b"eth", 68), (b"snap", 1)]),
            None
        );
        assert_eq!(
            Offsets::agree(By::Snap, &[(b"eth", 69), (b"snap", 2)]),
            None
        );
        assert_eq!(
            Offsets::agree(By::Hash, &[(b"eth", 69), (b"snap", 1)]),
            None
        );
    }
}
