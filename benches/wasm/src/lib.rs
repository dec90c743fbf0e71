//! What the benchmark script calls: plain exports without bindings. Each call does one run of a
//! contender's work, so that the script can interleave contenders. All work is on one answer from a
//! seed, which [`prepare`] makes.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hint::black_box;

use sha3::{Digest, Keccak256};
use snaplight::hash::Hash;
use snaplight::state::HashedNode;
use snaplight::state::account::SlimAccount;
use snaplight::state::entry::PageId;
use snaplight::state::new_pages::NewPages;
use snaplight::state::tree::Tree;
use snaplight::trie::{Fold, Root, find_proven, keccak, keccak_pair, prove, verify_accounts};

/// Accounts of the state that answers are taken from. These are enough for proofs of mainnet's
/// shape, and quick to make.
const STATE: usize = 200_000;

/// The length of a full branch, the longest node, in bytes.
const BRANCH: usize = 532;

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::default());
}

#[derive(Default)]
struct Bench {
    fold: Fold,
    root: Option<Hash>,
    origin: Option<Hash>,
    /// Key and slim body.
    leaves: Vec<(Hash, Vec<u8>)>,
    proof: Vec<Vec<u8>>,
    /// All nodes of the range as the fold hashes them, without gaps, so that hashing alone waits
    /// for no memory. Neighbours have equally many Keccak blocks. The proof's nodes are not among
    /// them: hashing those counts as a part of verifying.
    nodes: Vec<u8>,
    /// Where each node ends.
    ends: Vec<usize>,
    /// The answer for JavaScript, see [`answer()`].
    exported: Vec<u8>,
    /// What [`verify_proof`] reads, and the values that it found.
    text: Vec<u8>,
    values: Vec<u8>,
}

/// Compares the kernel, as compiled for wasm, with the crate sha3 for messages of up to five
/// blocks. 1 if they agree.
#[unsafe(no_mangle)]
pub extern "C" fn check() -> u32 {
    let data: Vec<u8> = (0..600u32).map(|i| (i * 31) as u8).collect();
    let agree = (0..data.len()).all(|len| {
        let (a, b) = (&data[..len], &data[len..]);
        let (a_hash, b_hash) = keccak_pair(a, b);
        a_hash.0 == *Keccak256::digest(a) && b_hash.0 == *Keccak256::digest(b)
    });
    u32::from(agree)
}

/// Makes a state, and an answer of `accounts` plain accounts from its middle. Returns how many
/// nodes are hashed to verify it.
#[unsafe(no_mangle)]
pub extern "C" fn prepare(accounts: usize) -> usize {
    BENCH.with_borrow_mut(|bench| {
        let mut state: Vec<(Hash, Vec<u8>)> = (0..STATE as u64).map(plain_account).collect();
        state.sort_unstable();
        let mut fold = Fold::new();
        for (key, slim) in &state {
            if fold.push_account(key, slim).is_err() {
                return 0;
            }
        }
        let start = (STATE - accounts) / 2;
        bench.root = fold.run(Root::Trie).ok();
        bench.leaves = state[start..start + accounts].to_vec();
        let (Some((first, _)), Some((last, _))) = (bench.leaves.first(), bench.leaves.last())
        else {
            return 0;
        };
        bench.origin = Some(*first);
        // As go-ethereum sends it: the paths of both ends from the root on, with repetitions.
        bench.proof = [first, last]
            .iter()
            .flat_map(|key| prove(&fold, key))
            .flatten()
            .collect();
        let mut nodes: Vec<_> = bench
            .leaves
            .iter()
            .flat_map(|(key, _)| prove(&fold, key))
            .flatten()
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.sort_by_key(|node| node.len() / 136);
        bench.nodes = nodes.concat();
        bench.ends = nodes
            .iter()
            .scan(0, |end, node| {
                *end += node.len();
                Some(*end)
            })
            .collect();
        bench.exported = export(bench);
        bench.ends.len()
    })
}

/// Verifies the answer. 1 if it verified.
#[unsafe(no_mangle)]
pub extern "C" fn verify() -> u32 {
    BENCH.with_borrow_mut(|bench| {
        let (Some(root), Some(origin)) = (bench.root, bench.origin) else {
            return 0;
        };
        let leaves: Vec<_> = bench
            .leaves
            .iter()
            .map(|(key, slim)| (*key, &slim[..]))
            .collect();
        let proof: Vec<_> = bench.proof.iter().map(|node| &node[..]).collect();
        u32::from(verify_accounts(&mut bench.fold, &root, &origin, &leaves, &proof).is_ok())
    })
}

/// Does what a sync does with the answer after decoding it: checks the bodies, verifies, and cuts
/// pages. 1 if there are any.
#[unsafe(no_mangle)]
pub extern "C" fn verify_and_cut() -> u32 {
    BENCH.with_borrow_mut(|bench| {
        let (Some(root), Some(origin)) = (bench.root, bench.origin) else {
            return 0;
        };
        let mut leaves = Vec::with_capacity(bench.leaves.len());
        for (key, slim) in &bench.leaves {
            let Ok(account) = SlimAccount::parse(slim) else {
                return 0;
            };
            leaves.push((*key, account.raw()));
        }
        let proof: Vec<_> = bench.proof.iter().map(|node| &node[..]).collect();
        let Ok(range) = verify_accounts(&mut bench.fold, &root, &origin, &leaves, &proof) else {
            return 0;
        };
        let mut pages = NewPages::new(PageId(1));
        let joined = Tree::new(root).join_accounts(&range, &HashSet::new(), &mut pages);
        u32::from(joined.is_ok() && !black_box(pages.take()).is_empty())
    })
}

/// Hashes only the nodes that [`verify`] hashes.
#[unsafe(no_mangle)]
pub extern "C" fn hash_only() -> u32 {
    BENCH.with_borrow(|bench| {
        let mut start = 0;
        for ends in bench.ends.chunks(2) {
            let (middle, end) = (ends[0], ends[ends.len() - 1]);
            black_box(keccak_pair(
                &bench.nodes[start..middle],
                &bench.nodes[middle..end],
            ));
            start = end;
        }
        1
    })
}

/// As [`hash_only`], with the crate sha3.
#[unsafe(no_mangle)]
pub extern "C" fn hash_only_sha3() -> u32 {
    BENCH.with_borrow(|bench| {
        let mut start = 0;
        for &end in &bench.ends {
            black_box(Keccak256::digest(&bench.nodes[start..end]));
            start = end;
        }
        1
    })
}

/// Hashes `count` full branches, two at a time.
#[unsafe(no_mangle)]
pub extern "C" fn pairs(count: usize) -> u32 {
    let (a, b) = ([1; BRANCH], [2; BRANCH]);
    for _ in 0..count / 2 {
        black_box(keccak_pair(black_box(&a), black_box(&b)));
    }
    1
}

/// Hashes `count` full branches with the crate sha3.
#[unsafe(no_mangle)]
pub extern "C" fn sha3(count: usize) -> u32 {
    let a = [1; BRANCH];
    for _ in 0..count {
        black_box(Keccak256::digest(black_box(&a)));
    }
    1
}

/// Makes room for the text that [`verify_proof`] reads: `len` bytes.
#[unsafe(no_mangle)]
pub extern "C" fn proof_text(len: usize) -> *mut u8 {
    BENCH.with_borrow_mut(|bench| {
        bench.text.resize(len, 0);
        bench.text.as_mut_ptr()
    })
}

/// Verifies an answer to `eth_getProof` as the engine does: hashes all nodes, walks to the account
/// and from its storage root to each slot. Returns how many nodes it had; 0 if it proves nothing.
///
/// The text has lines of hexadecimal digits with 0x: the state root, the address, the numbers of
/// `slots` slots, and the nodes. [`proof_values`] then has the values of the slots, 32 bytes each.
#[unsafe(no_mangle)]
pub extern "C" fn verify_proof(slots: usize) -> usize {
    BENCH.with_borrow_mut(|bench| {
        let text = std::mem::take(&mut bench.text);
        let found = proven(&text, slots);
        bench.text = text;
        let Some((nodes, values)) = found else {
            return 0;
        };
        bench.values = values;
        nodes
    })
}

/// The values that [`verify_proof`] proved.
#[unsafe(no_mangle)]
pub extern "C" fn proof_values() -> *const u8 {
    BENCH.with_borrow(|bench| bench.values.as_ptr())
}

fn proven(text: &[u8], slots: usize) -> Option<(usize, Vec<u8>)> {
    let mut lines = text.split(|byte| *byte == b'\n').map(decoded);
    let root = Hash::from_slice(&lines.next()??)?;
    let account = keccak(&lines.next()??);
    let keys: Vec<Hash> = (0..slots)
        .map(|_| Some(keccak(&lines.next()??)))
        .collect::<Option<_>>()?;
    let nodes: Vec<Vec<u8>> = lines.collect::<Option<_>>()?;
    let (pairs, last) = nodes.as_chunks::<2>();
    let mut came: Vec<HashedNode<'_>> = Vec::with_capacity(nodes.len());
    for [first, second] in pairs {
        came.extend(HashedNode::pair(first, second));
    }
    came.extend(last.iter().map(|last| HashedNode::new(last)));
    let node = |hash: &Hash| {
        let found = came.iter().find(|node| node.hash() == *hash);
        found.map(HashedNode::rlp)
    };
    let slim = SlimAccount::from_full(find_proven(&root, &account, &node).ok()??).ok()?;
    let storage = SlimAccount::parse(&slim).ok()?.account().storage_root;
    let mut values = Vec::with_capacity(32 * slots);
    for key in &keys {
        let rlp = find_proven(&storage, key, &node).ok()?.unwrap_or_default();
        let number = match rlp {
            [0x80..=0xa0, number @ ..] => number,
            byte => byte,
        };
        values.resize(values.len() + 32_usize.checked_sub(number.len())?, 0);
        values.extend(number);
    }
    Some((came.len(), values))
}

/// The bytes of hexadecimal digits after 0x.
fn decoded(line: &[u8]) -> Option<Vec<u8>> {
    let digits = line.strip_prefix(b"0x")?;
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let mut seen = 0;
    for pair in digits.as_chunks::<2>().0 {
        let [high, low] = pair.map(|digit| DIGITS[usize::from(digit)]);
        seen |= high | low;
        bytes.push(high << 4 | low & 0x0f);
    }
    (seen < NO_DIGIT).then_some(bytes)
}

const NO_DIGIT: u8 = 0x10;

/// The value of each hexadecimal digit in lower case, and [`NO_DIGIT`] for any other byte.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// The answer for other implementations: the root, the origin, the number of accounts, for each of
/// them its key, the length of its slim body and the body, then the number of proof nodes, and for
/// each of them its length and the node. Numbers and lengths are 32-bit little-endian.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> *const u8 {
    BENCH.with_borrow(|bench| bench.exported.as_ptr())
}

/// The length of [`answer()`] in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn answer_len() -> usize {
    BENCH.with_borrow(|bench| bench.exported.len())
}

fn export(bench: &Bench) -> Vec<u8> {
    let mut out = Vec::new();
    let put = |out: &mut Vec<u8>, bytes: &[u8]| {
        out.extend((bytes.len() as u32).to_le_bytes());
        out.extend(bytes);
    };
    out.extend(
        bench
            .root
            .iter()
            .chain(&bench.origin)
            .flat_map(|hash| hash.0),
    );
    out.extend((bench.leaves.len() as u32).to_le_bytes());
    for (key, slim) in &bench.leaves {
        out.extend(key.0);
        put(&mut out, slim);
    }
    out.extend((bench.proof.len() as u32).to_le_bytes());
    for node in &bench.proof {
        put(&mut out, node);
    }
    out
}

/// An account without storage and code, as most are: with a small nonce and a balance of nine
/// bytes.
fn plain_account(i: u64) -> (Hash, Vec<u8>) {
    let key = keccak_pair(&i.to_be_bytes(), &[]).0;
    let mut slim = vec![0xcd, (i % 0x7f) as u8 + 1, 0x89, 0x01];
    slim.extend(key.0.iter().take(8));
    slim.extend([0x80, 0x80]);
    (key, slim)
}
