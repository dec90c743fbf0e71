//! Proofs of an account and of slots of it, as `eth_getProof` (EIP-1186) returns them, made from
//! the pages of a state: the trie nodes on the way to each key, from the root down. The nodes are
//! what a page folds to on the way, so a proof costs a fold of each page that it goes through.

use super::account::{Account, SlimAccount, slot_value};
use super::entry::{Entry, Item, PageRef, StatePath, Storage};
use super::page::{VerifiedPage, fold_list};
use super::read::{MAX_STEPS, NeededPage};
use crate::hash::Hash;
use crate::trie::fold::{Fold, Root};
use crate::trie::path::Path;
use crate::trie::proof::{ProveError, prove_into};

/// A proof in the making. [`Prover::step`] says how it stands. While that is [`ProofStep::Need`],
/// load and verify the page ([`Page::verify`](super::page::Page::verify)) and feed it.
pub struct Prover {
    account: Hash,
    /// Bound: the slots asked for.
    slots: Vec<Hash>,
    proof: AccountProof,
    /// The keys whose way is not at its end. Bound: the slots asked for, or the account alone.
    waiting: Vec<Waiting>,
    is_not_tracked: bool,
    /// How many more pages it may be fed: [`MAX_STEPS`] for each key.
    steps_left: usize,
    /// Scratch memory, for the page that was fed last.
    fold: Fold,
}

/// How a proof stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofStep<'a> {
    /// This page is needed next.
    Need(NeededPage),
    /// It is there.
    Proof(&'a AccountProof),
    /// A part of the state on the way is not held, so nothing can be proven.
    NotTracked,
}

/// What is proven of an account. All nodes are RLP, from the root down; those shorter than 32 bytes
/// stand inside their parents and are not listed. An empty trie's proof has no nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountProof {
    /// The account; `None` if it is proven not to exist.
    pub account: Option<Account>,
    /// The nodes of the account trie on the way to it.
    pub nodes: Vec<Vec<u8>>,
    /// The slots, in the order in which they were asked for.
    pub slots: Vec<SlotProof>,
}

/// What is proven of a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotProof {
    /// Its value, 32 bytes big-endian; zero if it is proven not to be set.
    pub value: [u8; 32],
    /// The nodes of the storage trie on the way to it.
    pub nodes: Vec<Vec<u8>>,
}

/// A key whose way goes on in a page.
struct Waiting {
    key: Key,
    page: NeededPage,
}

/// What is proven.
#[derive(Clone, Copy)]
enum Key {
    Account,
    /// The slot with this index.
    Slot(usize),
}

/// Where the way to a key ends in a list.
enum End<'a> {
    /// At the key's leaf; `None` if there is none.
    At(Option<&'a Item>),
    /// In a page below.
    In(Path, PageRef),
    /// At something that is not held.
    NotTracked,
}

impl Prover {
    /// Proves an account, by the Keccak-256 hash of its address, and slots of it, by the hashes of
    /// their 32-byte numbers. `root` is the state's root page; `None` for the empty state. The
    /// caller bounds the number of slots.
    pub fn new(root: Option<PageRef>, account: Hash, slots: Vec<Hash>) -> Prover {
        let waiting = |page| Waiting {
            key: Key::Account,
            page: NeededPage {
                page,
                at: StatePath::account_trie(Path::ROOT),
            },
        };
        let mut proof = AccountProof::default();
        proof.slots.resize_with(slots.len(), SlotProof::default);
        let steps_left = MAX_STEPS.saturating_mul(slots.len() + 1);
        Prover {
            account,
            slots,
            proof,
            waiting: root.map(waiting).into_iter().collect(),
            is_not_tracked: false,
            steps_left,
            fold: Fold::new(),
        }
    }

    /// How it stands.
    pub fn step(&self) -> ProofStep<'_> {
        match self.waiting.first() {
            _ if self.is_not_tracked => ProofStep::NotTracked,
            Some(waiting) => ProofStep::Need(waiting.page),
            None => ProofStep::Proof(&self.proof),
        }
    }

    /// The proof, if it is there.
    pub fn into_proof(self) -> Option<AccountProof> {
        let is_there = self.waiting.is_empty() && !self.is_not_tracked;
        is_there.then_some(self.proof)
    }

    /// Goes on with the page that is needed. Any other page is not looked at, but counted: after
    /// [`MAX_STEPS`] pages for each key the proof is at its end.
    pub fn feed_verified(&mut self, page: &VerifiedPage) -> ProofStep<'_> {
        self.steps_left = self.steps_left.saturating_sub(1);
        let mut here = Vec::new();
        self.waiting.retain(|waiting| {
            let is_here = waiting.page.is(page);
            here.extend(is_here.then_some(waiting.key));
            !is_here
        });
        if !here.is_empty() {
            self.go_through(page.entries(), &page.at().path, &here);
        }
        self.is_not_tracked |= self.steps_left == 0 && !self.waiting.is_empty();
        self.step()
    }

    /// Goes through a list that makes up the node at `top`.
    fn go_through(&mut self, entries: &[Entry], top: &Path, keys: &[Key]) {
        let root = match top.is_empty() {
            true => Root::Trie,
            false => Root::Child(top.len()),
        };
        if fold_list(&mut self.fold, entries, root).is_err() {
            debug_assert!(false, "a verified page folds");
            self.is_not_tracked = true;
        }
        for key in keys {
            match *key {
                Key::Account => self.find_account(entries),
                Key::Slot(slot) => self.find_slot(entries, slot),
            }
        }
    }

    fn find_account(&mut self, entries: &[Entry]) {
        let end = end(&self.fold, entries, &self.account, &mut self.proof.nodes);
        let leaf = match end {
            // There are no slots then, and no nodes that show it.
            End::At(None) => return,
            End::At(Some(Item::Account(leaf))) => leaf,
            End::In(path, page) => {
                return self.wait(Key::Account, page, StatePath::account_trie(path));
            }
            End::At(Some(_)) | End::NotTracked => return self.is_not_tracked = true,
        };
        let body = SlimAccount::parse(&leaf.slim).ok();
        self.proof.account = body.map(|body| body.account());
        self.is_not_tracked |= self.proof.account.is_none();
        let slots = 0..self.slots.len();
        match &leaf.storage {
            Storage::Inline(list) => {
                let keys: Vec<Key> = slots.map(Key::Slot).collect();
                self.go_through(list, &Path::ROOT, &keys);
            }
            Storage::Page(page) => {
                let root = StatePath::storage(self.account, Path::ROOT);
                slots.for_each(|slot| self.wait(Key::Slot(slot), *page, root));
            }
            Storage::Empty => {}
            Storage::Blinded | Storage::Outside => self.is_not_tracked |= !slots.is_empty(),
        }
    }

    fn find_slot(&mut self, entries: &[Entry], slot: usize) {
        let (Some(key), Some(proof)) = (self.slots.get(slot), self.proof.slots.get_mut(slot))
        else {
            return;
        };
        match end(&self.fold, entries, key, &mut proof.nodes) {
            End::At(None) => {}
            End::At(Some(Item::Slot(rlp))) => {
                // The page's decoder has checked that it has at most 32 bytes.
                match slot_value(rlp).ok().and_then(Account::pad) {
                    Some(value) => proof.value = value,
                    None => self.is_not_tracked = true,
                }
            }
            End::In(path, page) => {
                self.wait(
                    Key::Slot(slot),
                    page,
                    StatePath::storage(self.account, path),
                );
            }
            End::At(Some(_)) | End::NotTracked => self.is_not_tracked = true,
        }
    }

    fn wait(&mut self, key: Key, page: PageRef, at: StatePath) {
        let page = NeededPage { page, at };
        self.waiting.push(Waiting { key, page });
    }
}

/// Adds the nodes that a folded list has on the way to a key, and says where the way ends.
fn end<'a>(fold: &Fold, entries: &'a [Entry], key: &Hash, nodes: &mut Vec<Vec<u8>>) -> End<'a> {
    match prove_into(fold, key, nodes) {
        Ok(()) => {
            let leaf = entries.binary_search_by(|entry| entry.path.cmp(&Path::full(*key)));
            let leaf = leaf.ok().and_then(|index| entries.get(index));
            End::At(leaf.map(|entry| &entry.item))
        }
        Err(ProveError::Blinded { entry, path }) => match entries.get(entry).map(|e| &e.item) {
            Some(Item::Page(page)) => End::In(path, *page),
            _ => End::NotTracked,
        },
        Err(_) => End::NotTracked,
    }
}
