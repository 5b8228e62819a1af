//! Connections that are kept for the next call.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hyper::client::conn::{http1, http2};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Origin;
use crate::body::RequestBody;
use crate::timer::Timer;

/// A connection for one call at a time. Dropping it closes it, whatever goes on there: this is
/// what ends an upstream's work when its caller has gone.
pub(crate) struct Http1 {
    pub(crate) sender: http1::SendRequest<RequestBody>,
    task: Option<AbortHandle>,
    /// When it was put back, on the pool's clock.
    idle_since_ms: u64,
    /// How long the upstream said it keeps it.
    pub(crate) keep_ms: Option<u64>,
    peer: Option<SocketAddr>,
}

/// A connection that calls share.
pub(crate) type Http2 = http2::SendRequest<RequestBody>;

impl Http1 {
    pub(crate) fn new(
        sender: http1::SendRequest<RequestBody>,
        task: AbortHandle,
        peer: Option<SocketAddr>,
    ) -> Self {
        Self {
            sender,
            peer,
            task: Some(task),
            idle_since_ms: 0,
            keep_ms: None,
        }
    }

    /// Lets the connection live on its own: it has become a tunnel.
    pub(crate) fn detach(mut self) {
        self.task = None;
    }
}

impl Drop for Http1 {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The connection an answer comes from, until its body has ended.
pub(crate) enum Lease {
    Http1(Http1, Arc<Origin>),
    /// Dropping the answer resets its stream; the connection is everyone's.
    Http2,
}

impl Lease {
    /// The answer is passed on in full: the connection can serve another, if the answer `is_over`.
    pub(crate) fn give_back(self, pool: &Pool, is_over: bool) {
        if let (Self::Http1(connection, origin), true) = (self, is_over) {
            pool.put_http1(&origin, connection);
        }
    }
}

/// The idle connections of one thread.
#[derive(Clone)]
pub(crate) struct Pool(Rc<Inner>);

struct Inner {
    origins: RefCell<HashMap<Arc<Origin>, OriginPool, RandomState>>,
    timer: Timer,
    idle_ms: u64,
    max_idle: usize,
    /// A connection was put where there was none.
    filled: Notify,
}

#[derive(Default)]
struct OriginPool {
    /// The one used last is at the end and is taken first, so that the others can grow old.
    idle: Vec<Http1>,
    shared: Option<(Http2, Option<SocketAddr>)>,
}

impl Pool {
    pub(crate) fn new(timer: Timer, idle_timeout: Duration, max_idle: usize) -> Self {
        Self(Rc::new(Inner {
            origins: RefCell::default(),
            timer,
            idle_ms: u64::try_from(idle_timeout.as_millis()).unwrap_or(u64::MAX),
            max_idle,
            filled: Notify::new(),
        }))
    }

    /// A connection that can take a call now.
    pub(crate) fn take_http1(&self, origin: &Arc<Origin>) -> Option<Http1> {
        let mut origins = self.0.origins.borrow_mut();
        let idle = &mut origins.get_mut(origin)?.idle;
        let now_ms = self.0.timer.now_ms();
        let mut at = idle.len();
        while at > 0 {
            at -= 1;
            let connection = &idle[at];
            if connection.sender.is_closed()
                || self.0.is_stale(connection, now_ms)
                || !origin.is_current(connection.peer)
            {
                idle.remove(at);
            } else if idle[at].sender.is_ready() {
                return Some(idle.remove(at));
            }
            // Otherwise its task has yet to see that the last answer is over.
        }
        None
    }

    /// The shared connection, if the upstream speaks HTTP/2 and it is open.
    pub(crate) fn take_http2(&self, origin: &Arc<Origin>) -> Option<Http2> {
        let mut origins = self.0.origins.borrow_mut();
        let shared = &mut origins.get_mut(origin)?.shared;
        let is_over = |(connection, peer): &(Http2, Option<SocketAddr>)| {
            connection.is_closed() || !origin.is_current(*peer)
        };
        if shared.as_ref().is_some_and(is_over) {
            *shared = None;
        }
        shared.as_ref().map(|(connection, _)| connection.clone())
    }

    /// Keeps a connection whose answer has ended.
    pub(crate) fn put_http1(&self, origin: &Arc<Origin>, mut connection: Http1) {
        if connection.sender.is_closed() {
            return;
        }
        connection.idle_since_ms = self.0.timer.now_ms();
        let mut origins = self.0.origins.borrow_mut();
        let pool = match origins.get_mut(origin) {
            Some(pool) => pool,
            None => origins.entry(Arc::clone(origin)).or_default(),
        };
        if pool.idle.is_empty() {
            self.0.filled.notify_one();
        }
        if pool.idle.len() < self.0.max_idle {
            pool.idle.push(connection);
        }
    }

    /// Shares a new connection. When two were made at once the first stays; the other serves the
    /// call it was made for.
    pub(crate) fn put_http2(
        &self,
        origin: &Arc<Origin>,
        connection: &Http2,
        peer: Option<SocketAddr>,
    ) {
        let mut origins = self.0.origins.borrow_mut();
        let pool = origins.entry(Arc::clone(origin)).or_default();
        let is_closed = |(shared, _): &(Http2, Option<SocketAddr>)| shared.is_closed();
        if pool.shared.as_ref().is_none_or(is_closed) {
            pool.shared = Some((connection.clone(), peer));
        }
    }

    /// Closes what has been idle too long, and forgets origins without connections.
    pub(crate) fn sweep(&self) {
        let now_ms = self.0.timer.now_ms();
        self.0.origins.borrow_mut().retain(|_, pool| {
            pool.idle.retain(|connection| {
                !connection.sender.is_closed() && !self.0.is_stale(connection, now_ms)
            });
            if pool
                .shared
                .as_ref()
                .is_some_and(|(shared, _)| shared.is_closed())
            {
                pool.shared = None;
            }
            !pool.idle.is_empty() || pool.shared.is_some()
        });
    }

    /// Waits until there is something to look after.
    pub(crate) async fn filled(&self) {
        self.0.filled.notified().await;
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.origins.borrow().is_empty()
    }
}

impl Inner {
    fn is_stale(&self, connection: &Http1, now_ms: u64) -> bool {
        let limit = connection
            .keep_ms
            .map_or(self.idle_ms, |keep| keep.min(self.idle_ms));
        now_ms.saturating_sub(connection.idle_since_ms) >= limit
    }
}
