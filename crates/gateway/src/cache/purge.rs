//! Purges, as the control plane asks for them.

use std::sync::Arc;

use apiverse_cache::{Purge, What};
use apiverse_contract::ApiId;

use crate::Gateway;

/// Which stored answers of an API are to be forgotten. Paths are those below the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PurgeWhat {
    All,
    /// This path, with every query unless it has one itself.
    Path(String),
    /// This path and all below it, segment by segment.
    Prefix(String),
    Tag(String),
}

impl PurgeWhat {
    /// The number by which other nodes do the same; see `apiverse_cluster::Change::Purge`.
    #[must_use]
    pub fn sign(&self, api: ApiId) -> u64 {
        self.purge(api).sign()
    }

    fn purge(&self, api: ApiId) -> Purge {
        let what = match self.clone() {
            Self::All => What::All,
            Self::Path(path) if path.contains('?') => What::Address(path),
            Self::Path(path) => What::Path(path),
            Self::Prefix(prefix) => What::Prefix(prefix),
            Self::Tag(tag) => What::Tag(tag),
        };
        Purge {
            api: api.0.as_u128(),
            what,
        }
    }
}

impl Gateway {
    /// Forgets stored answers; how many there were on this node. Redis forgets them at the same
    /// time or as soon as it can be had, and then the other nodes are told.
    ///
    /// From when this is called none of them is given any more. To give the memory back it looks
    /// through all that is stored, on a thread of its own.
    pub async fn purge(self: &Arc<Self>, api: ApiId, what: PurgeWhat) -> u64 {
        let purge = what.purge(api);
        self.caches.void(&purge);
        self.caches.meters.purged.increment(1);
        let gateway = Arc::clone(self);
        let gone = tokio::task::spawn_blocking(move || gateway.caches.memory.purge(&purge));
        // The task does not panic; if it did, the marks are set.
        gone.await.unwrap_or(0)
    }
}
