//! What is still going on, for a shutdown to wait for.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Counts connections and tunnels of one thread.
#[derive(Clone, Default)]
pub(crate) struct Activities(Rc<Inner>);

#[derive(Default)]
struct Inner {
    open: Cell<usize>,
    changed: Notify,
}

/// One of them; it is over when this is dropped.
pub(crate) struct Activity(Rc<Inner>);

impl Activities {
    pub(crate) fn begin(&self) -> Activity {
        self.0.open.set(self.0.open.get() + 1);
        Activity(Rc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.open.get()
    }

    /// Waits until nothing is open.
    pub(crate) async fn none(&self) {
        while self.0.open.get() > 0 {
            self.0.changed.notified().await;
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.changed.notify_one();
    }
}
