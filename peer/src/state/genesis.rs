//! Reads genesis files: `{address: {balance, nonce, code, storage}}`, or go-ethereum's files, which
//! have this under `alloc`. Numbers are JSON numbers, or strings of decimal digits or of 0x and hex
//! digits. Addresses, code and storage are hex with or without 0x.

use super::{Account, Builder, State, number};
use crate::{Hash, keccak::keccak};
use serde_json::{Map, Value};
use std::fmt;

/// Why a file is no genesis file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisError {
    /// The address and the field, as far as they are known.
    place: String,
    message: String,
}

impl fmt::Display for GenesisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            write!(f, "genesis: {}", self.message)
        } else {
            write!(f, "genesis: {}: {}", self.place, self.message)
        }
    }
}

impl std::error::Error for GenesisError {}

impl State {
    /// Reads a genesis file.
    ///
    /// # Errors
    /// If it is not JSON, or not of the form that this module's page describes.
    pub fn from_genesis(json: &str) -> Result<State, GenesisError> {
        let file: Value = serde_json::from_str(json).map_err(|error| fault("", error))?;
        let alloc = file.get("alloc").unwrap_or(&file);
        let alloc = alloc
            .as_object()
            .ok_or_else(|| fault("", "not an object of accounts"))?;
        let mut builder = Builder::new();
        for (address, fields) in alloc {
            let hash = number::bytes::<20>(address)
                .map(|address| keccak(&address))
                .ok_or_else(|| fault(address, "not an address of 20 bytes"))?;
            let fields = fields
                .as_object()
                .ok_or_else(|| fault(address, "not an object"))?;
            builder.insert(hash, account(address, fields)?);
        }
        Ok(builder.build())
    }
}

fn account(address: &str, fields: &Map<String, Value>) -> Result<Account, GenesisError> {
    let mut account = Account::new();
    for (name, value) in fields {
        let bad = |what: &str| fault(format!("{address}.{name}"), what);
        account = match name.as_str() {
            "balance" => account
                .balance_be(number_of(value).ok_or_else(|| bad("not a number of up to 256 bits"))?),
            "nonce" => {
                let nonce =
                    number_of(value).ok_or_else(|| bad("not a number of up to 256 bits"))?;
                let (high, low) = nonce.split_at(24);
                let low = low
                    .try_into()
                    .map_err(|_| bad("not a number of up to 256 bits"))?;
                if number::trimmed(high).is_empty() {
                    account.nonce(u64::from_be_bytes(low))
                } else {
                    return Err(bad("a nonce has at most 64 bits"));
                }
            }
            "code" => {
                let code = value
                    .as_str()
                    .and_then(number::hex)
                    .ok_or_else(|| bad("not hex"))?;
                account.code(code)
            }
            "storage" => {
                let slots = value.as_object().ok_or_else(|| bad("not an object"))?;
                slots.iter().try_fold(account, |account, (key, value)| {
                    let key = word(key).ok_or_else(|| bad("a key is not 32 bytes of hex"))?;
                    let value = value.as_str().and_then(word);
                    let value = value.ok_or_else(|| bad("a value is not 32 bytes of hex"))?;
                    Ok(account.slot(key, value))
                })?
            }
            // Unknown fields are ignored, such as go-ethereum's secretKey.
            _ => account,
        };
    }
    Ok(account)
}

fn number_of(value: &Value) -> Option<Hash> {
    match value {
        Value::String(text) => number::parse(text),
        // JSON's integers are exact only up to a limit, so a fraction is refused.
        Value::Number(number) => number::parse(&number.as_u64()?.to_string()),
        _ => None,
    }
}

/// Up to 32 bytes of hex, with or without leading zeros.
fn word(hex: &str) -> Option<Hash> {
    number::parse(&format!("0x{}", hex.strip_prefix("0x").unwrap_or(hex)))
}

fn fault(place: impl Into<String>, message: impl fmt::Display) -> GenesisError {
    GenesisError {
        place: place.into(),
        message: message.to_string(),
    }
}
