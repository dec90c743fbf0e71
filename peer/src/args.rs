//! The command line.

use crate::blocks::Blocks;
use lexopt::{Arg, Parser, ValueExt};
use snaplight_peer::{
    Hash,
    handshake::Offer,
    net::Options,
    state::{Realistic, Recipe},
    vice::Vice,
};
use std::{error::Error, net::SocketAddr, path::PathBuf, time::Duration};

pub(crate) const HELP: &str = "\
Serves an Ethereum state over WebSocket (snap/1, and GetNodeData of eth/66; see
docs/websocket-peers.md).

    snaplight-peer --genesis FILE [options]
    snaplight-peer --accounts N [--contracts SHARE] [--seed S] [--huge N:SLOTS]... [options]
    snaplight-peer --realistic N [--seed S] [options]

The state:
    --genesis FILE         {address: {balance, nonce, code, storage}}, or that under \"alloc\"
    --accounts N           N generated accounts
    --contracts SHARE      the share of them that are contracts, 0 to 1 (default 0)
    --realistic N          N generated accounts with the proportions of a small mainnet: a quarter
                           are contracts, there are four slots for each account, a few contracts are
                           giants, contracts share codes of 100 bytes to 24 kB, and some accounts
                           are delegated (EIP-7702)
    --seed S               another seed gives another state (default 1)
    --huge N:SLOTS         N contracts with this many slots each; may be repeated

A chain of states:
    --chain                make blocks that change the state, and print a line of JSON for each.
                           Any of the options below does the same
    --block-every TIME     such as 12s or 500ms. Without it, blocks are made only on demand
    --change SHARE         the share of accounts and slots that each block changes, 0 to 1
                           (default 0.001), by the seed of --seed. With --realistic it is a share of
                           the accounts, and three slots are written for each of them
    --keep N               how many roots are served (default 128)

On standard input, with --chain:
    block [SHARE]          makes a block
    block values=N insert=N delete=N slots=N contracts=N delegations=N
                           makes a block that changes exactly these numbers of things; each of them
                           may be left out
    sample N               prints N generated accounts as they are now, in one line of JSON:
                           address, slim body and first slots of each, many of them changed by
                           blocks; and how many accounts and slots there are

On standard input, with --chain or --exit-with-stdin:
    export FILE            writes the newest state to a file and prints a line of JSON: exported
                           (the file), root, accounts, slots and codes, or error. The format is
                           described in peer/src/state/export.rs
    genesis FILE           writes the first state, which must be a generated one, to a file of the
                           form of --genesis, and prints the same line of JSON

Options:
    --listen ADDRESS       default 127.0.0.1:0; with port 0 the system chooses a free port
    --by snap|hash|both    what is offered: eth/69 with snap/1, eth/66 with GetNodeData, or both
                           (default), and the client chooses
    --network-id ID        default 1 for mainnet's genesis state, and 1337 otherwise
    --genesis-hash HASH    default mainnet's for mainnet's genesis state, and otherwise one that is
                           made from the root
    --vice VICE            NAME[=ARGUMENT][@KIND][+HONEST[..UNTIL]], where KIND is accounts,
                           storage, codes, nodes, headers or node-data; may be repeated. It shows
                           after HONEST answers and before UNTIL answers. Names: slow=MS, again=MS,
                           capped=BYTES, drip=BYTES, padded=NODES, lacks-codes=HEX, lacks-nodes=HEX,
                           ends-at-nodes=HEX, silent-about=HEX, stray-item, repeat-item, late-item,
                           reversed, silent, empty, stale-root, drop-first-proof, drop-last-proof,
                           drop-item, swap-values, unsorted, modify-value, lie, short, stuck,
                           replay, twice, unasked, wrong-id, wrong-code, more, truncated, garbage,
                           oversized, text, always-prove, no-proof, shuffled-proof, huge-proof,
                           many-proof-nodes, codes-as-hashes, one-code, wrong-header,
                           corrupt-header, cut, wrong-network, wrong-genesis, no-hello, no-status,
                           no-snap, no-pong, too-many-peers, and corrupt=FIELD where FIELD is key,
                           nonce, balance, storage-root, code-hash, slot, code, node or proof
    --throttle BYTES       the most bytes per second for each connection
    --max-connections N    default 64
    --max-seconds N        end after this time
    --exit-with-stdin      end when standard input ends

Prints one line of JSON when it is ready: ready, url, root, accounts, slots, codes, networkId,
genesisHash, block {number, hash, stateRoot, timestamp}. With a chain, prints another line for each
block: number, hash, stateRoot, timestamp, and what the block changed: changedAccounts,
changedSlots, changedNodes (of all tries), changedNodeBytes, changedCodes, changedCodeBytes. Logs go
to standard error. Ends on SIGINT and SIGTERM.
";

pub(crate) struct Args {
    pub(crate) source: Source,
    pub(crate) listen: SocketAddr,
    pub(crate) network_id: Option<u64>,
    pub(crate) genesis_hash: Option<Hash>,
    pub(crate) options: Options,
    pub(crate) max_seconds: Option<u64>,
    pub(crate) exit_with_stdin: bool,
    /// `None` if the state does not change.
    pub(crate) blocks: Option<Blocks>,
}

/// Where the state comes from.
pub(crate) enum Source {
    Genesis(PathBuf),
    Recipe(Recipe),
    Realistic(Realistic),
}

impl Args {
    /// `None` if help was asked for.
    pub(crate) fn parse() -> Result<Option<Args>, Box<dyn Error>> {
        let mut genesis = None;
        let mut recipe = Recipe::plain(0, 1);
        let mut realistic = 0;
        let mut args = Args {
            source: Source::Recipe(Recipe::plain(0, 1)),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            network_id: None,
            genesis_hash: None,
            options: Options::default(),
            max_seconds: None,
            exit_with_stdin: false,
            blocks: None,
        };
        let mut parser = Parser::from_env();
        while let Some(arg) = parser.next()? {
            let Arg::Long(name) = arg else {
                return Err(arg.unexpected().into());
            };
            match name {
                "help" => return Ok(None),
                "genesis" => genesis = Some(PathBuf::from(parser.value()?)),
                "accounts" => recipe.accounts = parser.value()?.parse()?,
                "realistic" => realistic = parser.value()?.parse()?,
                "contracts" => {
                    let share = parser.value()?.parse_with(share)?;
                    recipe.contracts_per_mille = (share * 1000.0).round() as u16;
                }
                "seed" => recipe.seed = parser.value()?.parse()?,
                "huge" => recipe.huge.push(parser.value()?.parse_with(huge)?),
                "listen" => args.listen = parser.value()?.parse()?,
                "by" => args.options.offer = parser.value()?.parse_with(offer)?,
                "network-id" => args.network_id = Some(parser.value()?.parse()?),
                "genesis-hash" => args.genesis_hash = Some(parser.value()?.parse_with(hash)?),
                "vice" => args.options.vices.push(parser.value()?.parse::<Vice>()?),
                "throttle" => args.options.throttle = Some(parser.value()?.parse()?),
                "max-connections" => args.options.max_connections = parser.value()?.parse()?,
                "max-seconds" => args.max_seconds = Some(parser.value()?.parse()?),
                "chain" => drop(args.blocks()),
                "block-every" => args.blocks().every = Some(parser.value()?.parse_with(duration)?),
                "change" => args.blocks().change = parser.value()?.parse_with(share)?,
                "keep" => args.blocks().keep = parser.value()?.parse()?,
                "exit-with-stdin" => args.exit_with_stdin = true,
                _ => return Err(arg.unexpected().into()),
            }
        }
        if let Some(blocks) = &mut args.blocks {
            blocks.seed = recipe.seed;
            blocks.is_realistic = realistic > 0;
        }
        args.source = match (genesis, recipe.accounts, realistic) {
            (Some(path), 0, 0) => Source::Genesis(path),
            (None, 1.., 0) => Source::Recipe(recipe),
            (None, 0, 1..) if recipe == Recipe::plain(0, recipe.seed) => {
                Source::Realistic(Realistic::new(realistic, recipe.seed))
            }
            (None, 0, 1..) => {
                return Err("--contracts and --huge exclude --realistic".into());
            }
            _ => {
                return Err(
                    "give exactly one of --genesis FILE, --accounts N and --realistic N".into(),
                );
            }
        };
        Ok(Some(args))
    }

    fn blocks(&mut self) -> &mut Blocks {
        self.blocks.get_or_insert_default()
    }
}

fn share(text: &str) -> Result<f64, Box<dyn Error + Send + Sync>> {
    let share: f64 = text.parse()?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err("a share must be from 0 to 1".into())
    }
}

/// `12s`, `0.5s`, `500ms`, or a bare number of seconds. At least a millisecond: with less, the
/// program would do nothing but make blocks.
fn duration(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let time = Duration::try_from_secs_f64(number.parse::<f64>()? * unit)?;
    if time < Duration::from_millis(1) {
        return Err("the time must be at least a millisecond".into());
    }
    Ok(time)
}

fn offer(text: &str) -> Result<Offer, &'static str> {
    match text {
        "snap" => Ok(Offer::Snap),
        "hash" => Ok(Offer::Hash),
        "both" => Ok(Offer::Both),
        _ => Err("the ways are snap, hash and both"),
    }
}

fn huge(text: &str) -> Result<(u64, u64), Box<dyn Error + Send + Sync>> {
    let (count, slots) = text.split_once(':').ok_or("the form is N:SLOTS")?;
    Ok((count.parse()?, slots.parse()?))
}

fn hash(text: &str) -> Result<Hash, Box<dyn Error + Send + Sync>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("a hash is 32 bytes of hex".into());
    }
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16)?;
    }
    Ok(hash)
}
