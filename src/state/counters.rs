//! What a state holds, and what a build has taken so far. The record keeps both with the build, so
//! that a kill or a reload does not begin the count anew.

/// How much a state holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Storage slots of all accounts.
    pub slots: u64,
    /// Distinct bytecodes. Of a state that is complete or being built: those that are held. What
    /// the state does not name is among them until it is collected.
    pub codes: u64,
}

/// Totals of one build: of a sync, over all its moves, kills and reloads, until its state is
/// complete. They begin at 0 when nothing is being built, and end with the build. What a kill threw
/// away was counted only if a batch landed after it came. So what is received again after a kill
/// may be counted twice.
///
/// "Items" are accounts, slots, codes and trie nodes. Their bytes are those of the items alone, as
/// snap/1 sends them, without the list around them and without proofs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Accounts received and verified, by ranges or in trie nodes, also under an earlier root.
    pub accounts: u64,
    /// Their bytes: 32 of the key, and the slim body (snap/1, AccountRange) however it came.
    pub account_bytes: u64,
    /// Storage slots received and verified, by ranges or in trie nodes, also under an earlier root.
    pub slots: u64,
    /// Their bytes: 32 of the key, and the value in RLP (snap/1, StorageRanges).
    pub slot_bytes: u64,
    /// Bytecodes received and verified.
    pub codes: u64,
    /// Their bytes (snap/1, ByteCodes).
    pub code_bytes: u64,
    /// What account and storage ranges brought.
    pub ranges: Traffic,
    /// What single trie nodes brought.
    pub healing: Traffic,
    /// Trie nodes revealed one by one.
    pub nodes: u64,
    /// Their bytes (snap/1, TrieNodes).
    pub node_bytes: u64,
    /// Those of `codes` that were received over a base: while an older state, or an older root of
    /// this build, was being healed.
    pub healed_codes: u64,
    /// Their bytes.
    pub healed_code_bytes: u64,
    /// Answers that came after their work had been given to another peer.
    pub late: u64,
    /// Answers that came twice.
    pub duplicate: u64,
    /// Answers to a request that was never made.
    pub unexpected: u64,
    /// Bytes of frames received.
    pub bytes_received: u64,
    /// Bytes of pages and codes handed to the store, superseded ones included.
    pub bytes_stored: u64,
    /// Pages handed to the store, superseded ones included.
    pub pages_stored: u64,
    /// Batches handed to the store.
    pub batches: u64,
    /// Requests sent.
    pub requests: u64,
    /// How often the target moved, also between two sessions.
    pub moves: u64,
    /// Answers that had to be waited for one after another: a request counts one more than the
    /// answers that led to it. A session goes on counting where the one before ended.
    pub round_trips: u64,
}

/// Answers of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Answers that were proven.
    pub answers: u64,
    /// Their bytes: the whole messages.
    pub bytes: u64,
}

impl Counters {
    /// Accounts and slots held that this build did not receive: they were held before, under
    /// whatever root. `held`: what is held of the state.
    ///
    /// So `reused` and the accounts and slots received are together what the state holds, unless
    /// more was received than it holds (what changed on the way, or was lost with a kill, is
    /// received again). Then `reused` is smaller by what was received twice, and never below 0.
    pub fn reused(&self, held: &Counts) -> u64 {
        held.accounts.saturating_sub(self.accounts) + held.slots.saturating_sub(self.slots)
    }

    /// All of them, in the order in which the record has them.
    pub(super) fn each(&mut self) -> [&mut u64; 24] {
        let Counters {
            accounts,
            account_bytes,
            slots,
            slot_bytes,
            codes,
            code_bytes,
            ranges,
            healing,
            nodes,
            node_bytes,
            healed_codes,
            healed_code_bytes,
            late,
            duplicate,
            unexpected,
            bytes_received,
            bytes_stored,
            pages_stored,
            batches,
            requests,
            moves,
            round_trips,
        } = self;
        [
            accounts,
            account_bytes,
            slots,
            slot_bytes,
            codes,
            code_bytes,
            &mut ranges.answers,
            &mut ranges.bytes,
            &mut healing.answers,
            &mut healing.bytes,
            nodes,
            node_bytes,
            healed_codes,
            healed_code_bytes,
            late,
            duplicate,
            unexpected,
            bytes_received,
            bytes_stored,
            pages_stored,
            batches,
            requests,
            moves,
            round_trips,
        ]
    }
}
