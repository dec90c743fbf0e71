//! The bytes of a page.
//!
//! Layout:
//!
//! - version, 1 byte; flags, 1 byte;
//! - the account's hash, 32 bytes, if the page belongs to a storage trie;
//! - the path of the common parent: number of nibbles, 1 byte, and the nibbles packed, high nibble
//!   first;
//! - the entries in key order;
//! - XXH64 of all before it, 8 bytes little-endian.
//!
//! Numbers are LEB128. Paths and keys leave out the whole bytes that the parent's path covers.
//!
//! An entry starts with a tag byte, whose low three bits are its kind:
//!
//! | kind | tag bits 3-4 | bits 5-6 | then |
//! |---|---|---|---|
//! | 0 account | storage: 0 none, 1 blinded, 2 inline, 3 page | code: 0 none, 1 held, 2 missing, 3 outside | key; slim body; inline: number of entries, and these; page: flags 1 byte, id, leaves, slots |
//! | 1 slot | | | key; value, RLP |
//! | 2 blinded | | | nibble count, path, hash |
//! | 3 page | open, inner | | nibble count, path, hash, depth of the common parent 1 byte, id, leaves, slots |
//! | 4 blinded, with a base | | | nibble count, path, hash; number of the base's entries, and these |
//! | 5 outside | | | nibble count, path, hash |
//! | 6 neighbour | | | key; slim body, or value in RLP |
//! | 7 account, storage outside | | code, as for 0 | key; slim body |
//!
//! Version 1 of the format lacks what is outside a scope: kinds 5 to 7, and code 3. A page without
//! these is written as version 1, so that nothing changes for databases of everything.
//!
//! Inline storage and bases have whole keys and paths.

use xxhash_rust::xxh64::xxh64;

use super::{FRAME, MAX_PAGE, Page, PageError};
use crate::hash::Hash;
use crate::state::account::{SlimAccount, VerifiedFull, check_slot_value};
use crate::state::entry::{
    AccountLeaf, Code, Entry, Item, Neighbour, PageId, PageRef, StatePath, Storage,
};
use crate::trie::path::{KEY_NIBBLES, Path};
use crate::trie::scratch::ScratchBuf;

/// The newest format that can be read.
const VERSION: u8 = 2;
/// The oldest format that can be read: nothing in the page is outside a scope.
const OLDEST: u8 = 1;
/// Flag: the page belongs to a storage trie.
const STORAGE_TRIE: u8 = 1;
/// Flag: the page holds a whole trie.
const WHOLE_TRIE: u8 = 2;

const KIND: u8 = 0b111;
const ACCOUNT: u8 = 0;
const SLOT: u8 = 1;
const BLINDED: u8 = 2;
const PAGE: u8 = 3;
const BASED: u8 = 4;
const OUTSIDE: u8 = 5;
const NEIGHBOUR: u8 = 6;
const ACCOUNT_OUTSIDE: u8 = 7;
const STORAGE_SHIFT: u8 = 3;
const CODE_SHIFT: u8 = 5;
const OPEN: u8 = 1 << 3;
const INNER: u8 = 1 << 4;

/// Decodes a page's bytes. Fails on anything that [`PageWriter`] cannot have written.
pub(super) fn decode(bytes: &[u8]) -> Result<Page, PageError> {
    match bytes.first() {
        // Before the checksum, because a newer format may have another one.
        Some(&found) if found > VERSION => {
            return Err(PageError::NewerFormat {
                found,
                supported: VERSION,
            });
        }
        Some(&found) if found >= OLDEST && bytes.len() <= MAX_PAGE => {}
        _ => return Err(PageError::Malformed("version or length")),
    }
    let (body, checksum) = bytes.split_last_chunk::<8>().ok_or(PageError::Checksum)?;
    if xxh64(body, 0).to_le_bytes() != *checksum {
        return Err(PageError::Checksum);
    }
    let (version, rest) = body.split_first().ok_or(PageError::Checksum)?;
    let mut reader = PageReader {
        rest,
        due: 0,
        is_oldest: *version == OLDEST,
        has_outside: false,
    };
    reader.page()
}

/// The bytes of a page that are still to be read.
struct PageReader<'a> {
    rest: &'a [u8],
    /// How many entries the lists that are being read still have to bring, all of them together.
    due: usize,
    /// Whether the page's format is [`OLDEST`].
    is_oldest: bool,
    /// Whether something outside a scope was read.
    has_outside: bool,
}

impl<'a> PageReader<'a> {
    fn page(&mut self) -> Result<Page, PageError> {
        let [flags] = self.take()?;
        if flags > STORAGE_TRIE | WHOLE_TRIE {
            return Err(PageError::Malformed("unknown flag"));
        }
        let (storage, whole) = (flags & STORAGE_TRIE != 0, flags & WHOLE_TRIE != 0);
        let account = if storage { Some(self.hash()?) } else { None };
        let path = self.path(&Path::ROOT)?;
        if whole && !path.is_empty() {
            return Err(PageError::Malformed("a whole trie below its root"));
        }
        let mut entries = Vec::new();
        while !self.rest.is_empty() {
            let entry = self.entry(&path, entries.last(), storage, None)?;
            entries.push(entry);
        }
        if self.has_outside == self.is_oldest {
            return Err(PageError::Malformed("other entries than its version has"));
        }
        Ok(Page {
            parent: StatePath { account, path },
            whole,
            entries,
        })
    }

    /// Reads the entry after `last`, below `parent`. `above`: the place of the blinded entry in whose
    /// base it is.
    ///
    /// It calls itself for an account's slots and for a base. A base inside another lies deeper,
    /// which is checked before it is read, so a list of accounts and one of slots have at most
    /// [`KEY_NIBBLES`] + 1 bases inside one another each.
    fn entry(
        &mut self,
        parent: &Path,
        last: Option<&Entry>,
        slots: bool,
        above: Option<&Path>,
    ) -> Result<Entry, PageError> {
        let [tag] = self.take()?;
        self.has_outside |= is_of_version_2(tag);
        let entry = match tag & KIND {
            ACCOUNT | ACCOUNT_OUTSIDE if !slots => self.account(tag, parent)?,
            OUTSIDE if tag == OUTSIDE => Entry {
                path: self.path(parent)?,
                item: Item::Outside(self.hash()?),
            },
            NEIGHBOUR if tag == NEIGHBOUR => Entry {
                path: self.key(parent)?,
                item: Item::Neighbour(self.neighbour(slots)?),
            },
            SLOT if slots && tag == SLOT => {
                let path = self.key(parent)?;
                let value = self.rlp()?;
                check_slot_value(value).map_err(|_| PageError::Malformed("slot value"))?;
                Entry {
                    path,
                    item: Item::Slot(value.into()),
                }
            }
            BLINDED if tag == BLINDED => Entry {
                path: self.path(parent)?,
                item: Item::blinded(self.hash()?),
            },
            PAGE => {
                let path = self.path(parent)?;
                let hash = self.hash()?;
                let [depth] = self.take()?;
                if depth >= path.len() && depth > 0 {
                    return Err(PageError::Malformed("a page above its parent"));
                }
                let reference = self.reference(tag ^ PAGE, hash)?;
                Entry {
                    path,
                    item: Item::Page(PageRef {
                        parent: depth,
                        ..reference
                    }),
                }
            }
            BASED if tag == BASED => {
                let path = self.path(parent)?;
                let hash = self.hash()?;
                if above.is_some_and(|above| !is_deeper(above, &path)) {
                    return Err(PageError::Malformed("a base beside its entry"));
                }
                let base = self.base(&path, slots)?;
                Entry {
                    path,
                    item: Item::Blinded { hash, base },
                }
            }
            _ => return Err(PageError::Malformed("tag")),
        };
        let in_order =
            last.is_none_or(|last| last.path < entry.path && !last.path.is_prefix_of(&entry.path));
        match in_order {
            true => Ok(entry),
            false => Err(PageError::Malformed("order of entries")),
        }
    }

    fn neighbour(&mut self, slots: bool) -> Result<Neighbour, PageError> {
        let value = self.rlp()?;
        if slots {
            check_slot_value(value).map_err(|_| PageError::Malformed("slot value"))?;
            return Ok(Neighbour::Slot(value.into()));
        }
        SlimAccount::parse(value).map_err(|_| PageError::Malformed("account body"))?;
        Ok(Neighbour::Account(value.into()))
    }

    fn account(&mut self, tag: u8, parent: &Path) -> Result<Entry, PageError> {
        let path = self.key(parent)?;
        let slim = self.rlp()?;
        let body = SlimAccount::parse(slim).map_err(|_| PageError::Malformed("account body"))?;
        let code = match (tag >> CODE_SHIFT, body.has_code()) {
            (0, false) => Code::None,
            (1, true) => Code::Held,
            (2, true) => Code::Missing,
            (3, true) => Code::Outside,
            _ => return Err(PageError::Malformed("code flag")),
        };
        let storage = match (tag >> STORAGE_SHIFT & 0b11, body.has_storage()) {
            (0, true) if tag & KIND == ACCOUNT_OUTSIDE => Storage::Outside,
            _ if tag & KIND == ACCOUNT_OUTSIDE => {
                return Err(PageError::Malformed("storage flag"));
            }
            (0, false) => Storage::Empty,
            (1, true) => Storage::Blinded,
            (2, true) => Storage::Inline(self.slots()?),
            (3, true) => {
                let [flags] = self.take()?;
                Storage::Page(self.reference(flags, body.storage_root())?)
            }
            _ => return Err(PageError::Malformed("storage flag")),
        };
        let leaf = AccountLeaf {
            slim: slim.into(),
            storage,
            code,
        };
        Ok(Entry {
            path,
            item: Item::Account(Box::new(leaf)),
        })
    }

    /// Reads the base of the blinded entry at `at`.
    fn base(&mut self, at: &Path, slots: bool) -> Result<Vec<Entry>, PageError> {
        let base = self.list(slots, Some(at))?;
        let is_in_place = |entry: &Entry| match &entry.item {
            Item::Blinded { .. } => is_deeper(at, &entry.path),
            Item::Page(_) if base.len() == 1 && entry.path.is_prefix_of(at) => true,
            _ => at.is_prefix_of(&entry.path),
        };
        match base.iter().all(is_in_place) {
            true if base.is_empty() => Err(PageError::Malformed("empty base")),
            true => Ok(base),
            false => Err(PageError::Malformed("a base beside its entry")),
        }
    }

    fn slots(&mut self) -> Result<Vec<Entry>, PageError> {
        let slots = self.list(true, None)?;
        match slots.is_empty() {
            true => Err(PageError::Malformed("empty storage")),
            false => Ok(slots),
        }
    }

    /// Reads a list of its own: the number of its entries, and these. Room is made for what the
    /// bytes that are left can hold, beside all that the lists around it still have to bring.
    fn list(&mut self, slots: bool, above: Option<&Path>) -> Result<Vec<Entry>, PageError> {
        /// The shortest entry of a list of its own, in bytes: a slot's tag, key and value.
        const SHORTEST: usize = 34;
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let most = (self.rest.len() / SHORTEST).saturating_sub(self.due);
        if count > most {
            return Err(PageError::Malformed("too short"));
        }
        self.due += count;
        let mut list: Vec<Entry> = Vec::with_capacity(count);
        for _ in 0..count {
            self.due -= 1;
            let entry = self.entry(&Path::ROOT, list.last(), slots, above)?;
            list.push(entry);
        }
        Ok(list)
    }

    fn reference(&mut self, flags: u8, hash: Hash) -> Result<PageRef, PageError> {
        if flags & !(OPEN | INNER) != 0 {
            return Err(PageError::Malformed("unknown flag of a page"));
        }
        let (open, inner) = (flags & OPEN != 0, flags & INNER != 0);
        Ok(PageRef {
            hash,
            id: PageId(self.number()?),
            open,
            inner,
            leaves: self.number()?,
            slots: self.number()?,
            parent: 0,
        })
    }

    /// A leaf's path: reads the bytes that `parent` does not cover.
    fn key(&mut self, parent: &Path) -> Result<Path, PageError> {
        self.below(parent, KEY_NIBBLES)
    }

    fn path(&mut self, parent: &Path) -> Result<Path, PageError> {
        let [len] = self.take()?;
        if len > KEY_NIBBLES {
            return Err(PageError::Malformed("length of a path"));
        }
        self.below(parent, len)
    }

    fn below(&mut self, parent: &Path, len: u8) -> Result<Path, PageError> {
        let mut key = parent.key();
        let bytes = usize::from(parent.len() / 2)..usize::from(len.div_ceil(2));
        let part = key
            .0
            .get_mut(bytes)
            .ok_or(PageError::Malformed("a path above its page"))?;
        part.copy_from_slice(self.bytes(part.len())?);
        let path = Path::new(key, len);
        match path.key() == key && parent.is_prefix_of(&path) {
            true => Ok(path),
            false => Err(PageError::Malformed("a path outside its page")),
        }
    }

    /// One RLP item with its header. The caller checks the content.
    fn rlp(&mut self) -> Result<&'a [u8], PageError> {
        let mut after = self.rest;
        let header =
            alloy_rlp::Header::decode(&mut after).map_err(|_| PageError::Malformed("RLP"))?;
        let length = self.rest.len() - after.len() + header.payload_length;
        self.bytes(length)
    }

    fn hash(&mut self) -> Result<Hash, PageError> {
        self.take().map(Hash)
    }

    fn number(&mut self) -> Result<u64, PageError> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.take()?;
            let part = u64::from(byte & 0x7f);
            // Only one encoding is allowed: no bits past the 64th, no trailing zero byte in a
            // longer number.
            if part << shift >> shift != part || (byte == 0 && shift > 0) {
                break;
            }
            number |= part << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(PageError::Malformed("number"))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PageError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(PageError::Malformed("too short"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], PageError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(PageError::Malformed("too short"))?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Writes one page.
pub(crate) struct PageWriter {
    bytes: ScratchBuf,
    /// Leading bytes of every key that the parent's path covers.
    covered: usize,
    /// The oldest format that has everything in it.
    version: u8,
}

impl PageWriter {
    /// Starts a page for children of the branch at `parent`, or for the whole trie there.
    pub(crate) fn new(parent: &StatePath, whole: bool, capacity: usize) -> PageWriter {
        let mut bytes = ScratchBuf::new(capacity + FRAME);
        let storage = if parent.account.is_some() {
            STORAGE_TRIE
        } else {
            0
        };
        bytes.push(OLDEST);
        bytes.push(storage | if whole { WHOLE_TRIE } else { 0 });
        if let Some(account) = &parent.account {
            bytes.append(&account.0);
        }
        bytes.push(parent.path.len());
        bytes.append(packed(&parent.path.key(), parent.path.len(), 0));
        PageWriter {
            bytes,
            covered: usize::from(parent.path.len() / 2),
            version: OLDEST,
        }
    }

    /// Writes a verified account that has no storage.
    pub(crate) fn plain(&mut self, key: &Hash, body: &VerifiedFull<'_>, code: Code) {
        self.leaf_key(ACCOUNT | code_bits(code), key);
        body.write_slim(&mut self.bytes);
    }

    /// Writes a storage slot.
    pub(crate) fn slot(&mut self, key: &Hash, value: &[u8]) {
        self.leaf(SLOT, key, value);
    }

    /// Writes any entry.
    pub(crate) fn entry(&mut self, path: &Path, item: &Item) {
        match item {
            Item::Account(leaf) => self.account(path, leaf),
            Item::Slot(value) => self.slot(&path.key(), value),
            Item::Blinded { hash, base } if base.is_empty() => self.blinded(path, hash),
            Item::Blinded { hash, base } => {
                self.reference(BASED, path, hash);
                self.number(base.len() as u64);
                self.spelt_out(base);
            }
            Item::Page(page) => self.page(path, page),
            Item::Outside(hash) => self.reference(OUTSIDE, path, hash),
            Item::Neighbour(Neighbour::Account(value) | Neighbour::Slot(value)) => {
                self.leaf(NEIGHBOUR, &path.key(), value);
            }
        }
    }

    pub(crate) fn blinded(&mut self, path: &Path, hash: &Hash) {
        self.reference(BLINDED, path, hash);
    }

    pub(crate) fn page(&mut self, path: &Path, page: &PageRef) {
        self.reference(PAGE | page_flags(page), path, &page.hash);
        self.bytes.push(page.parent);
        self.page_numbers(page);
    }

    /// Writes entries with their whole paths, including the bytes that the parent's path covers.
    fn spelt_out(&mut self, entries: &[Entry]) {
        let covered = core::mem::take(&mut self.covered);
        for Entry { path, item } in entries {
            self.entry(path, item);
        }
        self.covered = covered;
    }

    fn page_numbers(&mut self, page: &PageRef) {
        self.number(page.id.0);
        self.number(page.leaves);
        self.number(page.slots);
    }

    /// The finished page, with its checksum.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut bytes = self.bytes.finish();
        if let Some(version) = bytes.first_mut() {
            *version = self.version;
        }
        let checksum = xxh64(&bytes, 0);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn account(&mut self, path: &Path, leaf: &AccountLeaf) {
        let (kind, form) = match &leaf.storage {
            Storage::Empty => (ACCOUNT, 0),
            Storage::Blinded => (ACCOUNT, 1),
            Storage::Inline(_) => (ACCOUNT, 2),
            Storage::Page(_) => (ACCOUNT, 3),
            Storage::Outside => (ACCOUNT_OUTSIDE, 0u8),
        };
        let tag = kind | form << STORAGE_SHIFT | code_bits(leaf.code);
        self.leaf(tag, &path.key(), &leaf.slim);
        match &leaf.storage {
            Storage::Empty | Storage::Blinded | Storage::Outside => {}
            Storage::Inline(slots) => {
                self.number(slots.len() as u64);
                self.spelt_out(slots);
            }
            Storage::Page(page) => {
                self.bytes.push(page_flags(page));
                self.page_numbers(page);
            }
        }
    }

    fn leaf(&mut self, tag: u8, key: &Hash, value: &[u8]) {
        self.leaf_key(tag, key);
        self.bytes.append(value);
    }

    fn leaf_key(&mut self, tag: u8, key: &Hash) {
        self.tag(tag);
        self.bytes
            .append(key.0.get(self.covered..).unwrap_or_default());
    }

    fn reference(&mut self, tag: u8, path: &Path, hash: &Hash) {
        self.tag(tag);
        self.bytes.push(path.len());
        self.bytes
            .append(packed(&path.key(), path.len(), self.covered));
        self.bytes.append(&hash.0);
    }

    fn tag(&mut self, tag: u8) {
        if is_of_version_2(tag) {
            self.version = VERSION;
        }
        self.bytes.push(tag);
    }

    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

/// Whether the second path is below the first one, and not the same.
fn is_deeper(above: &Path, below: &Path) -> bool {
    above.is_prefix_of(below) && above != below
}

/// Whether an entry with this tag has something outside a scope, which version 1 lacks.
fn is_of_version_2(tag: u8) -> bool {
    let kind = tag & KIND;
    kind >= OUTSIDE || kind == ACCOUNT && tag >> CODE_SHIFT == 3
}

/// The bytes of a path of `len` nibbles, without the first `covered` ones.
fn packed(key: &Hash, len: u8, covered: usize) -> &[u8] {
    key.0
        .get(covered..usize::from(len.div_ceil(2)))
        .unwrap_or_default()
}

fn code_bits(code: Code) -> u8 {
    let form: u8 = match code {
        Code::None => 0,
        Code::Held => 1,
        Code::Missing => 2,
        Code::Outside => 3,
    };
    form << CODE_SHIFT
}

fn page_flags(page: &PageRef) -> u8 {
    (if page.open { OPEN } else { 0 }) | if page.inner { INNER } else { 0 }
}
