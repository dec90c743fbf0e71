//! Verified pages: each is loaded once for all that wait for it, and kept while there is room.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use wasm_bindgen_futures::spawn_local;

use super::backend::Backend;
use super::read_priority::ReadPriority;
use crate::hash::Hash;
use crate::state::entry::{Entry, Item, Storage};
use crate::state::page::{Folds, Page, PageError, VerifiedPage};
use crate::state::{NeededPage, PageId, StatePath};
use crate::store::{Store, StoreError};

/// Accounts and slots in the verified pages that are kept, at about two hundred bytes each: 20 MiB.
/// They hold the upper pages of a large state (a page names about a thousand others, so some
/// hundred pages lead to a hundred million accounts) and what was read last. Chosen without a
/// measurement: it is an amount of memory that a web page can spare.
const MAX_CACHED_ENTRIES: usize = 100_000;
/// Pages asked for in one transaction: three quarters of a mebibyte, for pages of the usual size.
/// It is three to four times as fast as one page at a time. The number was chosen without a
/// measurement: verifying all of them should not make the user's page stutter.
const PAGES_PER_TRANSACTION: usize = 32;
/// Transactions in flight. Chosen without a measurement: one is read while the pages of the other
/// are verified.
const MAX_TRANSACTIONS: usize = 2;

/// Why there is no verified page.
#[derive(Clone, Debug)]
pub(super) enum PageLoadError {
    Store(StoreError),
    Page(PageError),
}

/// Loads pages and remembers them.
pub(super) struct PageCache {
    store: Rc<Backend>,
    readers: Rc<ReadPriority>,
    /// Scratch memory for verifying.
    folds: RefCell<Folds>,
    cache: RefCell<Cache>,
    /// Requests that wait for a transaction, in the order in which they came. Bound: the caller's
    /// reads in flight.
    queued: RefCell<Vec<Rc<PageRequest>>>,
    /// Requests under way. Bound: the pages of [`MAX_TRANSACTIONS`] transactions, and the subtries
    /// wanted of them.
    begun: RefCell<Vec<Rc<PageRequest>>>,
}

/// A page that is wanted, and the reads that wait for it.
struct PageRequest {
    wanted: NeededPage,
    outcome: RefCell<Option<Outcome>>,
    wakers: RefCell<Vec<Waker>>,
}

type Outcome = Result<Rc<VerifiedPage>, PageLoadError>;

impl PageCache {
    pub(super) fn new(store: Rc<Backend>, readers: Rc<ReadPriority>) -> PageCache {
        PageCache {
            store,
            readers,
            folds: RefCell::new(Folds::new()),
            cache: RefCell::default(),
            queued: RefCell::default(),
            begun: RefCell::default(),
        }
    }

    /// The page, verified.
    pub(super) async fn get(self: &Rc<Self>, wanted: &NeededPage) -> Outcome {
        let cached = self.cache.borrow_mut().get(&wanted.key());
        if let Some(page) = cached {
            return Ok(page);
        }
        let request = self.share(wanted);
        poll_fn(|context| match &*request.outcome.borrow() {
            Some(outcome) => Poll::Ready(outcome.clone()),
            None => {
                request.wakers.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// Begins to load a page, so that it comes in one transaction with others.
    pub(super) fn begin(self: &Rc<Self>, wanted: &NeededPage) {
        let is_cached = self.cache.borrow_mut().get(&wanted.key()).is_some();
        if !is_cached {
            self.share(wanted);
        }
    }

    /// Forgets every page: because the database has another incarnation, or because what is stored
    /// may be damaged.
    pub(super) fn forget(&self) {
        self.cache.take();
    }

    /// The request for this page. Others may wait for it already.
    fn share(self: &Rc<Self>, wanted: &NeededPage) -> Rc<PageRequest> {
        let key = wanted.key();
        let shared = [&self.begun, &self.queued]
            .into_iter()
            .find_map(|requests| {
                let requests = requests.borrow();
                requests
                    .iter()
                    .find(|request| request.wanted.key() == key)
                    .cloned()
            });
        if let Some(request) = shared {
            return request;
        }
        let request = Rc::new(PageRequest {
            wanted: *wanted,
            outcome: RefCell::default(),
            wakers: RefCell::default(),
        });
        let is_first = {
            let mut queued = self.queued.borrow_mut();
            queued.push(request.clone());
            queued.len() == 1
        };
        if is_first {
            // A task runs after all that were spawned before it, so everything that is asked for in
            // this turn goes into one transaction.
            let pages = self.clone();
            spawn_local(async move { pages.begin_queued() });
        }
        request
    }

    fn begin_queued(self: &Rc<Self>) {
        while self.readers.in_flight() < MAX_TRANSACTIONS && !self.queued.borrow().is_empty() {
            let (ids, requests) = self.next_transaction();
            self.begun.borrow_mut().extend_from_slice(&requests);
            self.readers.transaction_began();
            let pages = self.clone();
            spawn_local(async move {
                let found = pages.store.pages(&ids).await;
                let answer = found.map(|found| decoded(&ids, &found));
                pages.settle(&requests, answer);
                pages.readers.transaction_ended();
                pages.begin_queued();
            });
        }
    }

    /// Takes the requests for one transaction from the queue: some pages, and all subtries wanted
    /// of them.
    fn next_transaction(&self) -> (Vec<PageId>, Vec<Rc<PageRequest>>) {
        let mut ids = Vec::new();
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for request in self.queued.take() {
            let id = request.wanted.page.id;
            let has_place = ids.contains(&id) || ids.len() < PAGES_PER_TRANSACTION;
            if !has_place {
                left.push(request);
                continue;
            }
            if !ids.contains(&id) {
                ids.push(id);
            }
            taken.push(request);
        }
        self.queued.replace(left);
        (ids, taken)
    }

    fn settle(&self, requests: &[Rc<PageRequest>], mut answer: LoadedPages) {
        let settled =
            |request: &Rc<PageRequest>| requests.iter().any(|done| Rc::ptr_eq(done, request));
        self.begun.borrow_mut().retain(|request| !settled(request));
        for request in requests {
            let outcome = self.verify(&request.wanted, &mut answer);
            request.outcome.replace(Some(outcome));
            request.wakers.take().into_iter().for_each(Waker::wake);
        }
    }

    fn verify(&self, wanted: &NeededPage, answer: &mut LoadedPages) -> Outcome {
        let pages = answer
            .as_mut()
            .map_err(|error| PageLoadError::Store(error.clone()))?;
        let page = pages.iter_mut().find(|(id, _)| *id == wanted.page.id);
        let page = match page {
            Some((_, Ok(page))) => {
                page.verify(&wanted.page, &wanted.at, &mut self.folds.borrow_mut())
            }
            Some((_, Err(error))) => Err(error.clone()),
            None => Err(PageError::Missing),
        };
        let page = Rc::new(page.map_err(PageLoadError::Page)?);
        self.cache.borrow_mut().keep(wanted.key(), page.clone());
        Ok(page)
    }
}

/// What a transaction found, by page. Each page is decoded once for all its subtries that are
/// wanted.
type LoadedPages = Result<Vec<(PageId, Result<Page, PageError>)>, StoreError>;

fn decoded(ids: &[PageId], found: &[Option<Vec<u8>>]) -> Vec<(PageId, Result<Page, PageError>)> {
    let decode = |bytes: &Option<Vec<u8>>| match bytes {
        Some(bytes) => Page::decode(bytes),
        None => Err(PageError::Missing),
    };
    ids.iter().copied().zip(found.iter().map(decode)).collect()
}

/// A page's id, and the hash and the place of the subtrie in it: one page may hold several.
type Key = (PageId, Hash, StatePath);

/// Two generations. What is used moves to the younger one. When that holds half of what may be
/// kept, it becomes the older one, and the older one is forgotten. Each is a sorted list, because
/// verifying a page costs a thousand times more than making room for it in a list.
#[derive(Default)]
struct Cache {
    young: Vec<(Key, Rc<VerifiedPage>)>,
    old: Vec<(Key, Rc<VerifiedPage>)>,
    young_entries: usize,
}

impl Cache {
    fn get(&mut self, key: &Key) -> Option<Rc<VerifiedPage>> {
        if let Ok(place) = find(&self.young, key) {
            return self.young.get(place).map(|(_, page)| page.clone());
        }
        let place = find(&self.old, key).ok()?;
        let (key, page) = self.old.remove(place);
        self.keep(key, page.clone());
        Some(page)
    }

    fn keep(&mut self, key: Key, page: Rc<VerifiedPage>) {
        let Err(place) = find(&self.young, &key) else {
            return;
        };
        self.young_entries += entries_in(page.entries());
        self.young.insert(place, (key, page));
        if self.young_entries > MAX_CACHED_ENTRIES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_entries = 0;
        }
    }
}

fn find(pages: &[(Key, Rc<VerifiedPage>)], key: &Key) -> Result<usize, usize> {
    pages.binary_search_by(|(cached, _)| cached.cmp(key))
}

/// How many entries these are, inline storage slots included.
fn entries_in(entries: &[Entry]) -> usize {
    let inline = |entry: &Entry| match &entry.item {
        Item::Account(leaf) => match &leaf.storage {
            Storage::Inline(slots) => slots.len(),
            _ => 0,
        },
        _ => 0,
    };
    entries.len() + entries.iter().map(inline).sum::<usize>()
}
