//! What a database holds when it is opened or taken over: read, checked, and replaced where it is
//! not what was written.

use super::backend::Backend;
use super::errors::JsError;
use super::event_loop;
use crate::hash::Hash;
use crate::state::{Network, Record, RecordError};
use crate::store::Store;

/// Most codes whose hashes are kept in memory, 32 bytes each: twice what mainnet has. Those above
/// are asked for again.
const MAX_CODES_HELD: usize = 4_000_000;

/// The content of a database.
pub(super) struct StoredState {
    pub(super) record: Record,
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
}

/// The record of a database that holds nothing yet.
fn fresh(network: Network) -> Result<Record, JsError> {
    Ok(Record::fresh(event_loop::random()?, network))
}
