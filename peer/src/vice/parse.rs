//! Parses vices from the command line: `NAME[=ARGUMENT][@KIND][+HONEST[..UNTIL]]`.

use super::{Fault, Field, Kind, Vice};
use std::{fmt, str::FromStr, time::Duration};

/// Why a text is no vice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseViceError(String);

impl fmt::Display for ParseViceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseViceError {}

/// All vices without an argument, by name.
const PLAIN: [(&str, Fault); 44] = [
    ("silent", Fault::Silent),
    ("empty", Fault::Empty),
    ("stale-root", Fault::StaleRoot),
    ("wrong-state", Fault::WrongState),
    ("drop-first-proof", Fault::DropFirstProof),
    ("drop-last-proof", Fault::DropLastProof),
    ("drop-item", Fault::DropItem),
    ("swap-values", Fault::SwapValues),
    ("unsorted", Fault::Unsorted),
    ("modify-value", Fault::ModifyValue),
    ("stuck", Fault::Stuck),
    ("lie", Fault::Lie),
    ("short", Fault::Short),
    ("stray-item", Fault::StrayItem),
    ("repeat-item", Fault::RepeatItem),
    ("late-item", Fault::LateItem),
    ("reversed", Fault::Reversed),
    ("replay", Fault::Replay),
    ("twice", Fault::Twice),
    ("unasked", Fault::Unasked),
    ("wrong-id", Fault::WrongId),
    ("wrong-code", Fault::WrongCode),
    ("more", Fault::More),
    ("truncated", Fault::Truncated),
    ("garbage", Fault::Garbage),
    ("oversized", Fault::Oversized),
    ("text", Fault::Text),
    ("always-prove", Fault::AlwaysProve),
    ("no-proof", Fault::NoProof),
    ("shuffled-proof", Fault::ShuffledProof),
    ("huge-proof", Fault::HugeProof),
    ("many-proof-nodes", Fault::ManyProofNodes),
    ("codes-as-hashes", Fault::CodesAsHashes),
    ("one-code", Fault::OneCode),
    ("wrong-header", Fault::WrongHeader),
    ("corrupt-header", Fault::CorruptHeader),
    ("cut", Fault::Cut),
    ("wrong-network", Fault::WrongNetwork),
    ("wrong-genesis", Fault::WrongGenesis),
    ("no-hello", Fault::NoHello),
    ("no-status", Fault::NoStatus),
    ("no-snap", Fault::NoSnap),
    ("no-pong", Fault::NoPong),
    ("too-many-peers", Fault::TooManyPeers),
];

impl FromStr for Vice {
    type Err = ParseViceError;

    fn from_str(text: &str) -> Result<Vice, ParseViceError> {
        let error = |what: &str| ParseViceError(format!("{text}: {what}"));
        let (rest, after, until) = split_counts(text).map_err(error)?;
        let (rest, only) = match rest.split_once('@') {
            None => (rest, None),
            Some((rest, kind)) => {
                let kind = match kind {
                    "accounts" => Kind::Accounts,
                    "storage" => Kind::Storage,
                    "codes" => Kind::Codes,
                    "nodes" => Kind::Nodes,
                    "headers" => Kind::Headers,
                    "node-data" => Kind::NodeData,
                    _ => {
                        return Err(error(
                            "the kind must be accounts, storage, codes, nodes, headers or node-data",
                        ));
                    }
                };
                (rest, Some(kind))
            }
        };
        let fault = match rest.split_once('=') {
            None => {
                let known = PLAIN.iter().find(|(name, _)| *name == rest);
                known
                    .map(|(_, fault)| fault.clone())
                    .ok_or_else(|| error("there is no such vice"))?
            }
            Some(("corrupt", field)) => {
                let known = Field::ALL.iter().find(|(name, _)| *name == field);
                let (_, field) = known.ok_or_else(|| error("there is no such field"))?;
                Fault::Corrupt(*field)
            }
            Some((name, argument)) => with_argument(name, argument).map_err(error)?,
        };
        Ok(Vice {
            fault,
            only,
            after,
            until,
        })
    }
}

/// Splits off `+HONEST..UNTIL`.
fn split_counts(text: &str) -> Result<(&str, u64, u64), &'static str> {
    let Some((rest, counts)) = text.split_once('+') else {
        return Ok((text, 0, u64::MAX));
    };
    let number = |text: &str| text.parse().map_err(|_| "a number must follow '+' or '..'");
    match counts.split_once("..") {
        None => Ok((rest, number(counts)?, u64::MAX)),
        Some((after, until)) => Ok((rest, number(after)?, number(until)?)),
    }
}

/// A vice whose argument is a number or a prefix of hashes.
fn with_argument(name: &str, argument: &str) -> Result<Fault, &'static str> {
    let number = || argument.parse().map_err(|_| "a number must follow '='");
    let millis = || number().map(Duration::from_millis);
    let prefix = || {
        let prefix = argument.parse();
        prefix.map_err(|()| "at most 64 hexadecimal digits must follow '='")
    };
    match name {
        "slow" => millis().map(Fault::Slow),
        "again" => millis().map(Fault::Again),
        "capped" => number().map(Fault::Capped),
        "drip" => number().map(Fault::Drip),
        "padded" => number().map(Fault::Padded),
        "lacks-codes" => prefix().map(Fault::LacksCodes),
        "lacks-nodes" => prefix().map(Fault::LacksNodes),
        "silent-about" => prefix().map(Fault::SilentAbout),
        "ends-at-nodes" => prefix().map(Fault::EndsAtNodes),
        _ => Err("there is no such vice with an argument"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_vice_is_refused() {
        for text in [
            "",
            "bogus",
            "silent=5",
            "slow",
            "slow=x",
            "silent@bogus",
            "silent+x",
            "capped=",
            "drip=junk",
            "lacks-codes=0x12",
            "silent+2..",
            "silent..2",
        ] {
            assert!(text.parse::<Vice>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_vice_with_argument_kind_and_count_is_parsed() {
        let vice = Vice {
            fault: Fault::Capped(500),
            only: Some(Kind::Storage),
            after: 3,
            until: u64::MAX,
        };
        assert_eq!("capped=500@storage+3".parse(), Ok(vice.clone()));
        let once = Vice { until: 4, ..vice };
        assert_eq!("capped=500@storage+3..4".parse(), Ok(once));
        assert_eq!("silent".parse(), Ok(Vice::from(Fault::Silent)));
    }
}
