//! The capabilities that we offer, and where their message ids start on a connection (devp2p
//! `rlpx.md`, "Message ID-based Multiplexing").

/// Version of the `eth` capability.
pub(super) const ETH_VERSION: u64 = 69;
/// Version of the `snap` capability.
const SNAP_VERSION: u64 = 1;
/// How many message ids eth/69 takes (EIP-7642): 0x00 to 0x11.
const ETH_LENGTH: u64 = 18;
/// How many message ids snap/1 takes (devp2p `caps/snap.md`): 0x00 to 0x07.
const SNAP_LENGTH: u64 = 8;
/// How many message ids the base protocol takes. The first shared capability starts here.
pub(super) const BASE_LENGTH: u64 = 0x10;

/// Name and version of all that we offer.
pub(super) const OFFERED: [(&str, u64); 2] = [("eth", ETH_VERSION), ("snap", SNAP_VERSION)];

/// Where the message ids of the two shared capabilities start on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    eth: u64,
    snap: u64,
}

/// A message id, relative to the first one of its capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageId {
    Eth(u64),
    Snap(u64),
}

impl Offsets {
    /// The offsets on a connection to a peer that offers these names and versions. `None` unless
    /// both of ours are among them.
    pub(super) fn agree(theirs: &[(&[u8], u64)]) -> Option<Offsets> {
        let is_shared =
            |(name, version): &(&str, u64)| theirs.contains(&(name.as_bytes(), *version));
        // Ids are assigned in the order of names, so snap follows eth. Both sides offer one common
        // version of each, or the connection ends.
        OFFERED.iter().all(is_shared).then_some(Offsets {
            eth: BASE_LENGTH,
            snap: BASE_LENGTH + ETH_LENGTH,
        })
    }

    /// The id on this connection of a message of eth.
    pub(super) fn eth(self, relative: u64) -> u64 {
        self.eth + relative
    }

    /// The id on this connection of a message of snap.
    pub(super) fn snap(self, relative: u64) -> u64 {
        self.snap + relative
    }

    /// The capability that an id on this connection belongs to, if there is one.
    pub(super) fn resolve(self, id: u64) -> Option<MessageId> {
        let within = |offset: u64, length| id.checked_sub(offset).filter(|id| *id < length);
        within(self.eth, ETH_LENGTH)
            .map(MessageId::Eth)
            .or_else(|| within(self.snap, SNAP_LENGTH).map(MessageId::Snap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_follow_the_order_of_names() {
        let theirs: [(&[u8], u64); 4] = [(b"snap", 2), (b"snap", 1), (b"eth", 68), (b"eth", 69)];
        let Some(offsets) = Offsets::agree(&theirs) else {
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
    fn both_capabilities_have_to_be_shared() {
        assert_eq!(Offsets::agree(&[(b"eth", 69)]), None);
        assert_eq!(Offsets::agree(&[(b"eth", 68), (b"snap", 1)]), None);
        assert_eq!(Offsets::agree(&[(b"eth", 69), (b"snap", 2)]), None);
    }
}
