//! Plain connections to upstreams, kept for the next call.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::timer::Timer;
use crate::upstream::Origin;

/// A connection for one call at a time. Dropping it closes it, whatever goes on there: this is
/// what ends an upstream's work when its caller has gone.
pub(crate) struct Link {
    pub(crate) io: TcpStream,
    /// It has served a call before: the upstream may be closing it this very moment.
    pub(crate) is_used: bool,
    idle_since_ms: u64,
    /// How long the upstream said it keeps it.
    pub(crate) keep_ms: Option<u64>,
}

impl Link {
    pub(crate) fn new(io: TcpStream) -> Self {
        Self {
            io,
            is_used: false,
            idle_since_ms: 0,
            keep_ms: None,
        }
    }

    /// Whether nothing has happened on it while it was idle. Asks the runtime, not the system: a
    /// close that has not been noticed yet is met when the call finds no answer.
    fn is_quiet(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self.io.poll_read_ready(&mut cx) {
            Poll::Pending => true,
            // Either the upstream closed it, or it said something unasked.
            Poll::Ready(_) => self
                .io
                .try_read(&mut [0; 1])
                .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        }
    }
}

/// The idle connections of one thread.
#[derive(Clone)]
pub(crate) struct Links(Rc<Inner>);

struct Inner {
    /// By origin; the one used last is at the end and is taken first, so that the others can grow
    /// old.
    idle: RefCell<HashMap<Arc<Origin>, Vec<Link>, RandomState>>,
    timer: Timer,
    idle_ms: u64,
    max_idle: usize,
    /// A connection was put where there was none.
    filled: Notify,
}

impl Links {
    pub(crate) fn new(timer: Timer, idle_timeout: Duration, max_idle: usize) -> Self {
        Self(Rc::new(Inner {
            idle: RefCell::default(),
            timer,
            idle_ms: u64::try_from(idle_timeout.as_millis()).unwrap_or(u64::MAX),
            max_idle,
            filled: Notify::new(),
        }))
    }

    /// A connection that can take a call now.
    pub(crate) fn take(&self, origin: &Arc<Origin>) -> Option<Link> {
        let mut all = self.0.idle.borrow_mut();
        let idle = all.get_mut(origin)?;
        let now_ms = self.0.timer.now_ms();
        while let Some(link) = idle.pop() {
            if !self.0.is_stale(&link, now_ms) && link.is_quiet() {
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection whose answer has ended.
    pub(crate) fn put(&self, origin: &Arc<Origin>, mut link: Link) {
        link.idle_since_ms = self.0.timer.now_ms();
        link.is_used = true;
        let mut all = self.0.idle.borrow_mut();
        let idle = match all.get_mut(origin) {
            Some(idle) => idle,
            None => all.entry(Arc::clone(origin)).or_default(),
        };
        if idle.is_empty() {
            self.0.filled.notify_one();
        }
        if idle.len() < self.0.max_idle {
            idle.push(link);
        }
    }

    /// Closes what has been idle too long, and forgets origins without connections.
    pub(crate) fn sweep(&self) {
        let now_ms = self.0.timer.now_ms();
        self.0.idle.borrow_mut().retain(|_, idle| {
            idle.retain(|link| !self.0.is_stale(link, now_ms) && link.is_quiet());
            !idle.is_empty()
        });
    }

    /// Waits until there is something to look after.
    pub(crate) async fn filled(&self) {
        self.0.filled.notified().await;
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.idle.borrow().is_empty()
    }
}

impl Inner {
    fn is_stale(&self, link: &Link, now_ms: u64) -> bool {
        let limit = link
            .keep_ms
            .map_or(self.idle_ms, |keep| keep.min(self.idle_ms));
        now_ms.saturating_sub(link.idle_since_ms) >= limit
    }
}
