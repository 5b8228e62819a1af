//! Keys that are not in memory: read when a call brings one.

use std::sync::Arc;
use std::time::Duration;

use apiverse_contract::KeyId;
use tokio::time::timeout;

use super::{Candidate, from_query};
use crate::Gateway;
use crate::peer::Peer;
use crate::phases::{Located, may_guess, note_guess};
use crate::snapshot::{Snapshot, Wanted};
use crate::worker::Worker;

/// Longest wait for a key.
const PATIENCE: Duration = Duration::from_secs(2);

/// What has to be read before a call's key can be told. Not for an address that has sent too many
/// wrong ones: each would cost a query.
pub(crate) fn missing(
    worker: &Worker,
    peer: &Peer,
    snapshot: &Snapshot,
    located: &Located<'_>,
    offered: &Candidate<'_>,
    now_us: i64,
) -> Option<Wanted> {
    if !snapshot.lacks_keys() {
        return None;
    }
    let text = match offered {
        Candidate::Text(text) => text,
        Candidate::Ambiguous => return None,
        Candidate::None => match from_query(located.query) {
            Candidate::Text(text) => text,
            Candidate::None | Candidate::Ambiguous => return None,
        },
    };
    let wanted = worker.gateway.loader.missing(snapshot, text, now_us)?;
    may_guess(worker, peer).then_some(wanted)
}

/// Reads it; `false` when that cannot be done now.
pub(crate) async fn read(worker: &Worker, peer: &Peer, wanted: Wanted) -> bool {
    match worker.gateway.read_key(wanted).await {
        Some(true) => true,
        Some(false) => {
            note_guess(worker, peer);
            true
        }
        None => false,
    }
}

impl Gateway {
    /// Makes sure that [`Gateway::check_key`] and the like can tell what `text` is. Without the
    /// database, a key that is not in memory counts as unknown.
    pub async fn ready_key(self: &Arc<Self>, text: &str) {
        let wanted = {
            let snapshot = self.loader.current();
            // No time is needed: a ticket is taken by calls alone.
            self.loader.missing(&snapshot, text.as_bytes(), i64::MAX)
        };
        if let Some(wanted) = wanted {
            self.read_key(wanted).await;
        }
    }

    /// The same for a key that is known by its id.
    pub async fn ready_key_of_id(self: &Arc<Self>, id: KeyId) {
        let is_missing = {
            let snapshot = self.loader.current();
            snapshot.lacks_keys() && snapshot.key(id).is_none()
        };
        if is_missing {
            self.read_key(Wanted::Id(id)).await;
        }
    }

    /// Whether there is such a key; `None` when the database does not say in time.
    async fn read_key(self: &Arc<Self>, wanted: Wanted) -> Option<bool> {
        let shared = Arc::clone(self);
        // On the control plane's runtime, where the database's connections live.
        let read = self
            .runtime
            .spawn(async move { shared.loader.read_key(wanted).await });
        match timeout(PATIENCE, read).await {
            Ok(Ok(Ok(is_there))) => Some(is_there),
            Ok(Ok(Err(error))) => {
                tracing::debug!(%error, "a key could not be read");
                None
            }
            Ok(Err(_)) | Err(_) => None,
        }
    }
}
