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
    /// The scopes that the record names. Bound: [`MAX_SCOPES`](crate::store::MAX_SCOPES).
    pub(super) scopes: Vec<Scope>,
    /// The hashes of the codes, for a writer. Bound: [`MAX_CODES_HELD`].
    pub(super) codes: Vec<Hash>,
    /// What had to be given up, in words.
    pub(super) lost: Option<&'static str>,
}

impl StoredState {
    /// Reads the record, the scopes that it names, and a writer's codes.
    ///
    /// A fresh record replaces one that is damaged or gone, or that names a scope that is. Nothing
    /// leads to the old pages and codes then, and a writer clears them.
    pub(super) async fn load(
        store: &Backend,
        name: &str,
        network: Network,
        writes: bool,
    ) -> Result<StoredState, JsError> {
        let codes = if writes { MAX_CODES_HELD } else { 0 };
        let stored = store.contents(codes).await?;
        let label = stored.label.as_deref().and_then(Network::from_bytes);
        let decoded = stored.record.as_deref().map(Record::decode).transpose();
        let known = match &decoded {
            Ok(Some(record)) => Some(record.network),
            // Nothing was synced yet, or the record is lost.
            _ => label,
        };
        if let Some(known) = known.filter(|known| *known != network) {
            let message = format!(
                "The database '{name}' belongs to network {} with genesis block {}, and was opened \
                 for network {} with genesis block {}. Open it for its own, or choose another name.",
                known.id, known.genesis, network.id, network.genesis
            );
            return Err(JsError::new("WRONG_NETWORK", message));
        }
        let (record, lost) = match decoded {
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
        let (record, scopes, lost) = match record.scopes_of(&stored.scopes) {
            Some(scopes) => (record, scopes, lost),
            None => (
                fresh(network)?,
                Vec::new(),
                Some("a set that its root record names is gone, or is not what was written"),
            ),
        };
        let mut state = StoredState {
            record,
            scopes,
            codes: stored.codes,
            lost: lost.filter(|_| writes),
        };
        if state.lost.is_some() {
            store.clear().await?;
            state.codes = Vec::new();
        }
        if writes && (label.is_none() || state.lost.is_some()) {
            // The store does it in any case. Its answer is not waited for, and opening does not fail
            // by it: the first batch names the network too.
            drop(store.label(&network.to_bytes()));
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

/// The record of a database that holds nothing yet.
fn fresh(network: Network) -> Result<Record, JsError> {
    Ok(Record::fresh(event_loop::random()?, network))
}
