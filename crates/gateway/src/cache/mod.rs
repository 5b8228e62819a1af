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

use std::sync::Arc;

use apiverse_cache::{Flights, Memory};

pub(crate) use call::{Caching, Opened, open};
pub(crate) use compiled::CompiledCache;
pub(crate) use fast::{Hit, hit, write_hit};
pub(crate) use meters::CacheMeters;
pub use purge::PurgeWhat;
pub(crate) use settle::{Coming, Outcome};

use crate::call::unix_micros;
use hints::Hints;

/// What all threads share.
pub(crate) struct Caches {
    pub(crate) memory: Memory,
    pub(crate) flights: Arc<Flights>,
    pub(crate) hints: Hints,
    pub(crate) meters: CacheMeters,
}

impl Caches {
    /// Room for `capacity` bytes.
    pub(crate) fn new(capacity: u64) -> Self {
        Self {
            memory: Memory::new(capacity),
            flights: Arc::default(),
            hints: Hints::default(),
            meters: CacheMeters::new(),
        }
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    unix_micros() / 1000
}
