//! How many calls at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts calls that are under way.
#[derive(Debug, Default)]
pub struct Gate {
    open: AtomicU32,
}

/// One call's place; free again when this is dropped.
#[derive(Debug)]
pub struct Permit(Arc<Gate>);

impl Gate {
    /// A place, if fewer than `limit` are taken. The limit is the caller's to say each time, so
    /// that it may change while calls are under way.
    #[must_use]
    pub fn enter(self: &Arc<Self>, limit: u32) -> Option<Permit> {
        self.open
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |open| {
                (open < limit).then_some(open + 1)
            })
            .ok()
            .map(|_| Permit(Arc::clone(self)))
    }

    /// Calls under way.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}
