//! Writes a generated state as a genesis file. The state itself has only the hashes of addresses
//! and of slots' keys; the recipe that it was made by gives their names.

use super::{Recipe, State, code_hash};
use crate::{EMPTY_CODE, keccak::keccak, rlp};
use std::io::{self, Write};

impl State {
    /// Writes the state as `{address: {balance, nonce, code, storage}}`, which go-ethereum reads
    /// under `alloc` and [`State::from_genesis`] as it is. All numbers are strings of 0x and hex
    /// digits; keys and values of slots have 32 bytes. The single writes are small, so `out` should
    /// be buffered.
    ///
    /// # Errors
    /// The errors of `out`; and if an account or a slot is not one of the recipe's.
    pub fn write_genesis(&self, names: &Recipe, out: &mut impl Write) -> io::Result<()> {
        let unknown = || io::Error::other("the state has accounts or slots without a name");
        if self.counts().accounts != names.accounts {
            return Err(unknown());
        }
        for index in 0..names.accounts {
            let address = names.address(index);
            let account = keccak(&address);
            let slim = self.account(&account).ok_or_else(unknown)?;
            let (nonce, balance) = start_of(slim).ok_or_else(unknown)?;
            let opening = if index == 0 { "{" } else { ",\n" };
            write!(out, "{opening}\"{}\":", Hex(&address))?;
            write!(out, "{{\"nonce\":\"{nonce:#x}\",\"balance\":\"")?;
            put_number(balance, out)?;
            write!(out, "\"")?;
            let code = code_hash(slim);
            if code != EMPTY_CODE {
                let code = self.code(&code).ok_or_else(unknown)?;
                write!(out, ",\"code\":\"{}\"", Hex(code))?;
            }
            if let Some(storage) = self.storage(&account) {
                let mut comma = ",\"storage\":{";
                for slot in 0..storage.len() as u64 {
                    let key = names.slot_key(index, slot);
                    let value = storage.get(&keccak(&key)).ok_or_else(unknown)?;
                    let value = rlp::string(&mut &*value).map_err(|_| unknown())?;
                    let mut word = [0; 32];
                    let start = word.len().checked_sub(value.len()).ok_or_else(unknown)?;
                    word[start..].copy_from_slice(value);
                    write!(out, "{comma}\"{}\":\"{}\"", Hex(&key), Hex(&word))?;
                    comma = ",";
                }
                write!(out, "}}")?;
            }
            write!(out, "}}")?;
        }
        let closing = if names.accounts == 0 { "{}" } else { "}" };
        writeln!(out, "{closing}")
    }
}

/// The nonce and the balance of a slim body.
fn start_of(slim: &[u8]) -> Option<(u64, &[u8])> {
    let mut fields = rlp::list(&mut &*slim).ok()?;
    let nonce = rlp::uint(&mut fields).ok()?;
    Some((nonce, rlp::string(&mut fields).ok()?))
}

/// Writes a number without leading zeros, which go-ethereum refuses.
fn put_number(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    match bytes.split_first() {
        None => write!(out, "0x0"),
        Some((first, rest)) => {
            write!(out, "{first:#x}")?;
            rest.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
        }
    }
}

/// Bytes as 0x and hex digits.
struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Realistic;

    #[test]
    fn a_generated_state_that_is_written_with_its_names_is_read_as_the_same_state()
    -> Result<(), Box<dyn std::error::Error>> {
        let plain = Recipe {
            contracts_per_mille: 300,
            huge: vec![(1, 500)],
            ..Recipe::plain(200, 3)
        };
        let realistic = Realistic::new(300, 4);
        for (state, names) in [
            (plain.build(), &plain),
            (realistic.build(), realistic.names()),
            (Recipe::plain(0, 1).build(), &Recipe::plain(0, 1)),
        ] {
            let mut file = Vec::new();
            state.write_genesis(names, &mut file)?;
            let read = State::from_genesis(&String::from_utf8(file)?)?;
            assert_eq!(read.root(), state.root());
            assert_eq!(read.counts(), state.counts());
        }
        Ok(())
    }

    #[test]
    fn a_state_of_another_recipe_has_no_names() {
        let state = Recipe::plain(20, 1).build();
        for names in [Recipe::plain(20, 2), Recipe::plain(19, 1)] {
            assert!(state.write_genesis(&names, &mut Vec::new()).is_err());
        }
    }
}
