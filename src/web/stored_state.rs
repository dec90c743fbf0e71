//! What a database holds when it is opened or taken over: read, checked, and replaced where it is
//! not what was written.

use super::backend::Backend;
use super::errors::JsError;
use super::event_loop;
use crate::hash::Hash;
use crate::state::{Network, Record, RecordError, Scope};
use crate::store::Store;

/// Most codes whose hashes are kept in memory, 32 bytes each: twice what mainnet has. Those above
/// are asked for again.
const MAX_CODES_HELD: usize = 4_000_000;

/// What a database is opened to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Everything,
    Set,
}

/// The content of a database.
pub(super) struct StoredState {
    pub(super) record: Record,
    /// The scopes that the record names. Bound: the states that it names, and today's.
    pub(super) scopes: Vec<Scope>,
    /// The hashes of the codes, for a writer. Bound: [`MAX_CODES_HELD`].
    pub(super) codes: Vec<Hash>,
    /// What had to be given up, in words.
    pub(super) lost: Option<&'static str>,
}

impl StoredState {
    /// Reads the record, and a writer's codes.
    ///
    /// A fresh record replaces one that is damaged or gone. Nothing leads to the old pages and
    /// codes then, and a writer clears them.
    pub(super) async fn load(
        store: &Backend,
        name: &str,
        network: Network,
        writes: bool,
    ) -> Result<StoredState, JsError> {
        let stored = store.record().await?;
        let decoded = stored.as_deref().map(Record::decode).transpose();
        let mut scopes = match &decoded {
            Ok(Some(_)) => scopes(store).await?,
            _ => Vec::new(),
        };
        let (record, lost) = match decoded {
            Ok(Some(record)) if !has_scopes(&record, &scopes) => {
                scopes.clear();
                (
                    fresh(network)?,
                    Some("a set that its root record names is gone, or is not what was written"),
                )
            }
            Ok(Some(record)) => (record, None),
            Ok(None) if writes && store.holds_pages().await? => (
                fresh(network)?,
                Some("its root record is gone, without which nothing of it can be proven"),
            ),
            Ok(None) => (fresh(network)?, None),
            Err(RecordError::Damaged) => (
                fresh(network)?,
                Some("its root record is not what was written, or names a page of another state"),
            ),
            Err(newer) => return Err(newer.into()),
        };
        if record.network != network {
            let message = format!(
                "The database '{name}' belongs to network {} with genesis block {}. Open it for \
                 that one, or choose another name.",
                record.network.id, record.network.genesis
            );
            return Err(JsError::new("WRONG_NETWORK", message));
        }
        let mut state = StoredState {
            record,
            scopes,
            codes: Vec::new(),
            lost: lost.filter(|_| writes),
        };
        if state.lost.is_some() {
            store.clear().await?;
        } else if writes {
            state.codes = store.codes_held(MAX_CODES_HELD).await?;
        }
        Ok(state)
    }

    /// Whether this is a new database that is to hold a set.
    pub(super) fn begins_set(&self, hold: Option<Hold>) -> bool {
        hold == Some(Hold::Set) && self.record.sequence == 0
    }

    /// Refuses a database that holds something else than it is opened for. A new one holds what it
    /// is opened for.
    pub(super) fn check_hold(&self, name: &str, hold: Option<Hold>) -> Result<(), JsError> {
        let wants_set = hold.map(|hold| hold == Hold::Set);
        let version = self.record.scope;
        let today = self.scopes.iter().find(|scope| scope.version() == version);
        let holds_set = today.is_some_and(|scope| !scope.is_everything());
        if self.record.sequence == 0 || wants_set.is_none_or(|wants_set| wants_set == holds_set) {
            return Ok(());
        }
        let (holds, other) = match holds_set {
            true => ("a set", "everything"),
            false => ("everything", "a set"),
        };
        let message = format!(
            "The database '{name}' holds {holds}. Open it without `hold` and call db.hold to have \
             it hold {other}, or choose another name."
        );
        Err(JsError::new("WRONG_HOLD", message))
    }
}

/// All scopes that are stored and can be read.
pub(super) async fn scopes(store: &Backend) -> Result<Vec<Scope>, JsError> {
    let stored = store.scopes().await?;
    let scopes = stored.iter().filter_map(|bytes| Scope::decode(bytes).ok());
    Ok(scopes.collect())
}

/// Whether the scopes that a record names are among these. Version 0 is never stored.
pub(super) fn has_scopes(record: &Record, scopes: &[Scope]) -> bool {
    let states = record.complete.iter().chain(&record.kept);
    let versions = states.map(|state| state.scope);
    versions
        .chain(record.building.iter().map(|state| state.scope))
        .chain([record.scope])
        .all(|version| version == 0 || scopes.iter().any(|scope| scope.version() == version))
}

/// The record of a database that holds nothing yet.
fn fresh(network: Network) -> Result<Record, JsError> {
    Ok(Record::fresh(event_loop::random()?, network))
}
