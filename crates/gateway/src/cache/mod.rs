//! The response cache: what `apiverse-cache` decides, put to work on calls.
//!
//! A call whose only policy is the cache and whose answer is fresh is answered from the bytes of
//! the edge ([`fast`]); everything else goes through [`call`], before the upstream is asked, and
//! [`settle`], when it has answered: revalidation, collapsing, what is stored and what is forgotten. A body is stored while it is passed on ([`pump`]), by a task of
//! its own, so that nobody who waits for it depends on another caller's connection.

mod address;
mod ask;
mod call;
mod compiled;
mod fast;
mod hints;
mod meters;
mod pump;
mod purge;
mod refresh;
mod reply;
mod settle;
mod shared;
mod spread;

use std::sync::Arc;

use apiverse_cache::{Entry, Flights, KeyWriter, Memory, Purge, What};
use apiverse_cluster::{Answers, Outlet};

pub(crate) use call::{Caching, Opened, open};
pub(crate) use compiled::CompiledCache;
pub(crate) use fast::{Hit, hit, write_hit};
pub(crate) use meters::CacheMeters;
pub use purge::PurgeWhat;
pub(crate) use settle::{Coming, Outcome};

use crate::call::unix_micros;
use hints::Hints;
use spread::Spread;

/// What all threads share.
pub(crate) struct Caches {
    pub(crate) memory: Memory,
    pub(crate) flights: Arc<Flights>,
    pub(crate) hints: Hints,
    pub(crate) meters: CacheMeters,
    pub(crate) spread: Spread,
}

impl Caches {
    /// Room for `capacity` bytes here; `answers` and `outlet` lead to other nodes.
    pub(crate) fn new(capacity: u64, answers: Option<Answers>, outlet: Option<Outlet>) -> Self {
        Self {
            memory: Memory::new(capacity),
            flights: Arc::default(),
            hints: Hints::default(),
            meters: CacheMeters::new(),
            spread: Spread::new(answers, outlet),
        }
    }

    /// Voids what a purge covers, here at once and elsewhere soon.
    fn void(&self, purge: &Purge) {
        self.spread.tell(purge);
        self.memory.mark(purge);
    }

    /// Forgets an answer that there is a newer one for, which is not stored.
    fn forget(&self, keys: &mut KeyWriter, entry: &Entry) {
        if self.spread.answers().is_some() {
            let what = What::Address((*entry.path).to_owned());
            let api = entry.api;
            self.spread.tell(&Purge { api, what });
        }
        self.memory.forget(keys, entry);
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    unix_micros() / 1000
}
