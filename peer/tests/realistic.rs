//! Realistic states, what their blocks change, and states as files.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use snaplight_peer::{
    EMPTY_CODE, Hash,
    chain::{Chain, Change, Changed},
    keccak::keccak,
    state::{Account, Builder, Realistic, State, code_hash, is_delegation},
    trie::Trie,
};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};
use support::{
    hex,
    truth::{assert_whole, leaves_changed},
};

fn is_delegated(state: &State, body: &[u8]) -> bool {
    state.code(&code_hash(body)).is_some_and(is_delegation)
}

/// How many slots each contract has, in ascending order.
fn sizes(state: &State) -> Vec<usize> {
    let is_contract = |body: &[u8]| code_hash(body) != EMPTY_CODE && !is_delegated(state, body);
    let mut sizes: Vec<usize> = state
        .accounts()
        .iter()
        .filter(|(_, body)| is_contract(body))
        .map(|(account, _)| state.storage(account).map_or(0, Trie::len))
        .collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn a_realistic_state_has_the_proportions_of_a_small_mainnet() {
    const ACCOUNTS: u64 = 20_000;
    let state = Realistic::new(ACCOUNTS, 7).build();
    let counts = state.counts();
    assert_eq!(counts.accounts, ACCOUNTS);
    let slots = counts.slots as f64 / ACCOUNTS as f64;
    assert!((3.88..4.12).contains(&slots), "{slots} slots to an account");

    let sizes = sizes(&state);
    assert_eq!(sizes.len() as u64, ACCOUNTS / 4);
    let [.., third, second, giant] = sizes[..] else {
        panic!("no contracts")
    };
    assert_eq!(giant as u64, ACCOUNTS);
    assert!(third > 2_000 && second < 6_000, "{third} {second}");
    let share = |range: std::ops::RangeInclusive<usize>| {
        sizes.iter().filter(|size| range.contains(size)).count() as f64 / sizes.len() as f64
    };
    assert!((0.29..0.31).contains(&share(0..=0)));
    assert!((0.47..0.49).contains(&share(1..=5)));

    let (delegations, codes): (Vec<&[u8]>, Vec<&[u8]>) = state
        .codes()
        .map(|(_, code)| code)
        .partition(|code| is_delegation(code));
    assert_eq!((delegations.len(), codes.len()), (12, 101));
    let lengths = || codes.iter().map(|code| code.len());
    assert!(lengths().min().unwrap() < 200 && lengths().max().unwrap() > 20_000);
    assert!(lengths().all(|len| (100..=24_576).contains(&len)));
    let mean = lengths().sum::<usize>() / codes.len();
    assert!((4_000..7_000).contains(&mean), "{mean} bytes");

    let mut users: HashMap<Hash, u64> = HashMap::new();
    for (_, body) in state.accounts().iter() {
        *users.entry(code_hash(body)).or_default() += 1;
    }
    users.remove(&EMPTY_CODE);
    assert_eq!(users.len() as u64, counts.codes);
    let delegated: u64 = users
        .iter()
        .filter(|(code, _)| is_delegation(state.code(code).unwrap()))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(delegated, ACCOUNTS * 3 / 4 / 50);
    let mut users: Vec<u64> = users.into_values().collect();
    users.sort_unstable();
    let popular: u64 = users.iter().rev().take(10).sum();
    assert!(popular * 2 > ACCOUNTS / 4, "{popular} users of ten codes");
}

#[test]
fn giants_hold_a_slot_for_each_account_and_have_a_hundred_thousand_at_most() {
    let state = Realistic::new(200_000, 1).build();
    let sizes = sizes(&state);
    assert_eq!(sizes[sizes.len() - 2..], [100_000, 100_000]);
    assert!(sizes[sizes.len() - 3] < 6_000);
    let slots = state.counts().slots;
    assert!((776_000..824_000).contains(&slots), "{slots}");
}

#[test]
fn a_realistic_state_and_its_chain_do_not_change() {
    // Benchmarks of different days are comparable only if these roots stay the same.
    let state = Realistic::new(2000, 1).build();
    assert_eq!(
        hex(&state.root()),
        "a41c0cccd97e12e2d56e0cfbe0a595a5eebd31d4dca23c7ef4b2f3c0503a2439"
    );
    assert_ne!(Realistic::new(2000, 2).build().root(), state.root());
    let mut chain = Chain::new(state, 1);
    for share in [0.01, 0.1, 0.5, 1.0] {
        let counts = chain.server().head().counts();
        chain.advance(&Change::realistic(counts, share));
    }
    assert_eq!(
        hex(&chain.root()),
        "9327da7f9e696474a0d5ac166dddc07b433f228b4e1cefe71dfcc1c46c9c5bd8"
    );
}

#[test]
fn the_names_of_a_realistic_state_are_those_of_its_accounts() {
    let realistic = Realistic::new(400, 3);
    let state = realistic.build();
    for index in 0..400 {
        let account = keccak(&realistic.names().address(index));
        assert!(state.account(&account).is_some());
        let Some(storage) = state.storage(&account) else {
            continue;
        };
        let key = keccak(&realistic.names().slot_key(index, 0));
        assert!(storage.get(&key).is_some());
    }
}

/// What a block changed of contracts and delegations.
#[derive(Debug, Default)]
struct Deeds {
    created: u64,
    deleted: u64,
    emptied: u64,
    written: u64,
    set: u64,
    moved: u64,
    cleared: u64,
}

impl Deeds {
    fn count(&mut self, before: &State, after: &State) {
        let is_contract = |state: &State, body: &[u8]| {
            code_hash(body) != EMPTY_CODE && !is_delegated(state, body)
        };
        let slots = |state: &State, account| state.storage(account).map_or(0, Trie::len);
        for (account, old) in before.accounts().iter() {
            let Some(new) = after.account(account) else {
                self.deleted += u64::from(is_contract(before, old));
                continue;
            };
            if is_contract(before, old) {
                let is_emptied = slots(before, account) > 0 && slots(after, account) == 0;
                self.emptied += u64::from(is_emptied);
                let root = |state: &State| state.storage(account).map(Trie::root);
                self.written += u64::from(root(before) != root(after));
            }
            match (is_delegated(before, old), is_delegated(after, new)) {
                (false, true) => self.set += 1,
                (true, false) => self.cleared += 1,
                (true, true) => self.moved += u64::from(code_hash(old) != code_hash(new)),
                (false, false) => {}
            }
        }
        for (account, new) in after.accounts().iter() {
            let is_new = before.account(account).is_none() && is_contract(after, new);
            self.created += u64::from(is_new && slots(after, account) > 0);
        }
    }
}

/// Makes a realistic block and counts again: the states before and after it, and what it says it
/// changed.
fn advance(chain: &mut Chain, share: f64) -> (Arc<State>, Changed, Arc<State>) {
    let before = chain.state(&chain.root()).unwrap();
    let change = Change::realistic(before.counts(), share);
    let changed = chain.advance(&change).changed;
    let after = chain.state(&chain.root()).unwrap();
    assert_whole(&after);
    let recount = leaves_changed(&before, &after);
    assert_eq!((changed.accounts, changed.slots), recount);
    (before, changed, after)
}

#[test]
fn realistic_blocks_write_three_slots_an_account_and_change_contracts_and_delegations() {
    let mut chain = Chain::new(Realistic::new(4000, 5).build(), 5);
    let mut deeds = Deeds::default();
    let mut total = Changed::default();
    for share in [0.02, 0.1, 0.02, 0.1, 0.05, 0.1] {
        let (before, changed, after) = advance(&mut chain, share);
        let wanted = before.counts().accounts as f64 * share;
        let accounts = changed.accounts as f64 / wanted;
        assert!((0.95..1.05).contains(&accounts), "{share}: {changed:?}");
        deeds.count(&before, &after);
        total.accounts += changed.accounts;
        total.slots += changed.slots;
        total.codes += changed.codes;
    }
    let slots = total.slots as f64 / total.accounts as f64;
    assert!((2.7..3.6).contains(&slots), "{slots} slots an account");
    assert!(total.codes > 0);
    let Deeds {
        created,
        deleted,
        emptied,
        written,
        set,
        moved,
        cleared,
    } = deeds;
    assert!(created > 3 && deleted > 3 && emptied > 3, "{deeds:?}");
    // A quarter of the changed accounts.
    let contracts = written as f64 / total.accounts as f64;
    assert!((0.2..0.3).contains(&contracts), "{deeds:?}");
    assert!(set > 8 && moved > 3 && cleared > 3, "{deeds:?}");
    assert!(set > moved && set > cleared, "{deeds:?}");
}

#[test]
fn a_realistic_state_can_be_changed_as_a_whole_and_can_be_tiny() {
    for accounts in [1, 2, 5, 60, 1000] {
        let mut chain = Chain::new(Realistic::new(accounts, 9).build(), 9);
        for share in [1.0, 0.5, 0.1, 0.0] {
            advance(&mut chain, share);
        }
    }
}

#[test]
fn each_field_of_a_change_changes_only_its_own_kind() {
    let start = Realistic::new(2000, 11).build();
    let mut chain = Chain::new(start, 11);
    let before = chain.state(&chain.root()).unwrap();
    let delegations = Change {
        delegations: 40,
        ..Change::default()
    };
    let changed = chain.advance(&delegations).changed;
    assert_eq!((changed.accounts, changed.slots), (40, 0));
    let after = chain.state(&chain.root()).unwrap();
    let mut deeds = Deeds::default();
    deeds.count(&before, &after);
    assert_eq!(deeds.set + deeds.moved + deeds.cleared, 40);
    let contracts = Change {
        slots: 90,
        contracts: 30,
        ..Change::default()
    };
    let changed = chain.advance(&contracts).changed;
    assert_eq!(changed.accounts, 30);
    assert!((80..200).contains(&changed.slots), "{changed:?}");
}

/// Reads an export as a program would that only knows the description of the format.
struct Export<'a>(&'a [u8]);

impl<'a> Export<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn hash(&mut self) -> Hash {
        self.take(32).try_into().unwrap()
    }

    fn total(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn length(&mut self) -> usize {
        u32::from_le_bytes(self.take(4).try_into().unwrap()) as usize
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.length();
        self.take(length)
    }
}

fn assert_exported(bytes: &[u8], state: &State) {
    let mut export = Export(bytes);
    assert_eq!(export.take(8), b"snapst01");
    assert_eq!(export.hash(), state.root());
    let counts = state.counts();
    let [accounts, slots, codes] = [(); 3].map(|()| export.total());
    assert_eq!(
        (accounts, slots, codes),
        (counts.accounts, counts.slots, counts.codes)
    );
    let mut builder = Builder::new();
    let mut found = 0;
    for _ in 0..accounts {
        let hash = export.hash();
        let mut account = Account::new().raw_body(export.bytes().to_vec());
        for _ in 0..export.length() {
            let key = export.hash();
            account = account.raw_slot_at(key, export.bytes().to_vec());
            found += 1;
        }
        builder = builder.account_at(hash, account);
    }
    assert_eq!(found, slots);
    for _ in 0..codes {
        let code = export.bytes();
        assert_eq!(state.code(&keccak(code)), Some(code));
    }
    assert!(export.0.is_empty());
    // The bodies name the storages' roots, which are computed anew.
    let read = builder.build();
    assert_eq!(read.root(), state.root());
    for (account, storage) in state.storages() {
        assert_eq!(read.storage(account).map(Trie::root), Some(storage.root()));
    }
}

#[test]
fn an_export_has_the_whole_state_whatever_form_it_is_in() {
    let write = |state: &State| {
        let mut bytes = Vec::new();
        state.export(&mut bytes).unwrap();
        bytes
    };
    let state = Realistic::new(1000, 13).build();
    let flat = write(&state);
    assert_exported(&flat, &state);
    let mut chain = Chain::new(state, 13);
    let live: Arc<State> = chain.state(&chain.root()).unwrap();
    assert_eq!(write(&live), flat);
    chain.advance(&Change::realistic(live.counts(), 0.2));
    let changed = chain.state(&chain.root()).unwrap();
    assert_exported(&write(&changed), &changed);
    assert_exported(&write(&Builder::new().build()), &Builder::new().build());
}

/// Runs the program and sends lines to its standard input.
struct Program {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    fn start(args: &[&str]) -> (Program, serde_json::Value) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_snaplight-peer"))
            .args(args)
            .args(["--exit-with-stdin", "--max-seconds", "60"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut program = Program {
            child,
            stdin,
            stdout,
        };
        let ready = program.line();
        (program, ready)
    }

    fn line(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, order: &str) -> serde_json::Value {
        writeln!(self.stdin, "{order}").unwrap();
        self.line()
    }

    fn end(self) {
        let Program {
            mut child, stdin, ..
        } = self;
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn the_program_makes_realistic_blocks_and_exports_its_head() {
    let (mut program, ready) = Program::start(&["--realistic", "800", "--seed", "3", "--chain"]);
    let mut chain = Chain::new(Realistic::new(800, 3).build(), 3);
    let root = |chain: &Chain| format!("0x{}", hex(&chain.root()));
    assert_eq!(ready["root"], root(&chain));
    let counts = chain.server().head().counts();
    chain.advance(&Change::realistic(counts, 0.1));
    assert_eq!(program.ask("block 0.1")["stateRoot"], root(&chain));
    chain.advance(&Change {
        slots: 20,
        contracts: 10,
        delegations: 4,
        ..Change::default()
    });
    let block = program.ask("block slots=20 contracts=10 delegations=4");
    assert_eq!(block["stateRoot"], root(&chain));

    let folder = std::env::temp_dir().join(format!("snaplight export {}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("state");
    let told = program.ask(&format!("export {}", file.display()));
    assert_eq!(told["exported"], file.display().to_string());
    assert_eq!(told["root"], root(&chain));
    let state = chain.state(&chain.root()).unwrap();
    let counts = state.counts();
    for (name, count) in [
        ("accounts", counts.accounts),
        ("slots", counts.slots),
        ("codes", counts.codes),
    ] {
        assert_eq!(told[name], count);
    }
    assert_exported(&std::fs::read(&file).unwrap(), &state);
    // A folder is not a file.
    assert!(program.ask(&format!("export {}", folder.display()))["error"].is_string());
    program.end();

    let (mut program, _) = Program::start(&["--accounts", "10"]);
    let told = program.ask(&format!("export {}", file.display()));
    assert_eq!(told["accounts"], 10);
    program.end();
    std::fs::remove_dir_all(&folder).unwrap();
}
