//! The messages of the shared capabilities that a peer may send in answer to a request.

/// The messages that answer a request. The sender of a request compares this with the message that
/// came, without building the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// eth's BlockHeaders, which answers a request for a header.
    BlockHeaders,
    /// snap's AccountRange.
    AccountRange,
    /// snap's StorageRanges, which answers requests for whole storages and for a part of one.
    StorageRanges,
    /// snap's ByteCodes.
    ByteCodes,
    /// snap's TrieNodes.
    TrieNodes,
    /// eth/66's NodeData.
    NodeData,
}
