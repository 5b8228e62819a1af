//! The bus: changes to every node that keeps a copy.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Change;
use crate::hub::{Hub, Outbound};
use crate::redis::{self, RedisLink};

/// How long `shutdown` waits for messages to other nodes that are still queued.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Tells whoever listens, here and on other nodes, that something changed. Clones are the same
/// bus; when the last one is dropped, its tasks end.
///
/// A handler must not hold a clone of the bus, which would keep both alive, and must not wait for
/// `publish`, which waits for the handlers.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Arc<Hub>,
    redis: Option<Arc<RedisLink>>,
    speaker: Mutex<Option<JoinHandle<()>>>,
    stop: DropGuard,
}

/// Why there is no bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The URL is not `redis://…`, `rediss://…` or `unix://…`. The text does not repeat it.
    #[error("the redis url cannot be used: {0}")]
    Url(String),
}

/// What carries changes to other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BusKind {
    /// Nothing: this node is alone.
    InProcess,
    /// Redis pub/sub.
    Redis,
    /// Whoever reads [`Bus::outbound`]: PostgreSQL's LISTEN/NOTIFY.
    Store,
}

/// How the bus is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusHealth {
    pub kind: BusKind,
    /// Redis answers and we are subscribed. True for the other kinds: there is nothing to ask.
    pub ok: bool,
    /// How long the answer took.
    pub latency: Duration,
}

impl Bus {
    /// A bus within this process, until [`Bus::outbound`] gives it a way out.
    #[must_use]
    pub fn local() -> Self {
        crate::meters::describe();
        let stop = CancellationToken::new();
        Self::with(Hub::new(rand::random()), None, None, stop)
    }

    /// A bus to all nodes at the same Redis, on the channel `apiverse:changes`. `password` goes
    /// before one in the URL.
    ///
    /// Returns at once, whether or not Redis is there: the bus connects, and reconnects with
    /// backoff, by itself. Handlers get a `Resync` after every connect. Must be called within a
    /// Tokio runtime; for `rediss://` a default rustls provider must be installed.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn redis(url: &str, password: Option<&str>) -> Result<Self, BusError> {
        let link =
            RedisLink::new(url, password).map_err(|error| BusError::Url(error.to_string()))?;
        crate::meters::describe();
        let link = Arc::new(link);
        let hub = Arc::new(Hub::new(rand::random()));
        let stop = CancellationToken::new();
        let speaker = redis::speak(Arc::clone(&link), hub.open_outbound(), stop.clone());
        let speaker = tokio::spawn(speaker);
        tokio::spawn(redis::listen(
            Arc::clone(&link),
            Arc::clone(&hub),
            stop.clone(),
        ));
        Ok(Self::with(hub, Some(link), Some(speaker), stop))
    }

    fn with(
        hub: impl Into<Arc<Hub>>,
        redis: Option<Arc<RedisLink>>,
        speaker: Option<JoinHandle<()>>,
        stop: CancellationToken,
    ) -> Self {
        let speaker = Mutex::new(speaker);
        let stop = stop.drop_guard();
        Self {
            inner: Arc::new(Inner {
                hub: hub.into(),
                redis,
                speaker,
                stop,
            }),
        }
    }

    /// Adds a handler. It is called for every change from anywhere, one change at a time, after
    /// the handlers added before it; the next change waits until its future is done.
    pub fn on_change(
        &self,
        handler: impl Fn(Change) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) {
        self.inner.hub.add_handler(Arc::new(handler));
    }

    /// Makes `change` known: when this returns, all handlers of this process are done, and the
    /// change is on its way to the other nodes. Call it after the change is committed.
    ///
    /// Nothing that goes wrong on the way fails the caller; it is logged, counted and tried
    /// again. When the future is dropped half-way, the rest happens nevertheless.
    pub async fn publish(&self, change: Change) {
        let hub = Arc::clone(&self.inner.hub);
        // A task of its own: the caller may be a request that is given up half-way.
        let work = tokio::spawn(async move {
            hub.dispatch(change).await;
            hub.send(&[change]);
        });
        // An error is the runtime shutting down; handlers' panics do not get here.
        if let Err(error) = work.await {
            tracing::warn!(%error, %change, "a change was not made known");
        }
    }

    /// A way to tell the other nodes alone.
    #[must_use]
    pub fn outlet(&self) -> Outlet {
        Outlet(Arc::downgrade(&self.inner.hub))
    }

    /// The messages for other nodes, for a transport that is not the bus' own (PostgreSQL):
    /// carry each text there and give it to [`Bus::inject`]. `None` when Redis does that.
    ///
    /// A second call ends the first one's stream.
    #[must_use]
    pub fn outbound(&self) -> Option<Outbound> {
        match self.inner.redis {
            Some(_) => None,
            None => Some(self.inner.hub.open_outbound()),
        }
    }

    /// Takes in a text that a node's [`Bus::outbound`] gave; our own are ignored. After a gap, in
    /// which texts may have been lost, inject `resync`. Returns when all handlers are done.
    pub async fn inject(&self, text: &str) {
        self.inner.hub.receive(text).await;
    }

    /// Asks the transport how it is: a PING to Redis, within 2 s.
    pub async fn health(&self) -> BusHealth {
        let Some(redis) = &self.inner.redis else {
            let carried = self.inner.hub.has_outbound();
            let kind = if carried {
                BusKind::Store
            } else {
                BusKind::InProcess
            };
            return BusHealth {
                kind,
                ok: true,
                latency: Duration::ZERO,
            };
        };
        let started = Instant::now();
        let ok = redis.is_well().await;
        BusHealth {
            kind: BusKind::Redis,
            ok,
            latency: started.elapsed(),
        }
    }

    /// Sends what is still queued for other nodes, for at most 2 s, and ends all tasks. Handlers
    /// of this process still hear of later changes.
    pub async fn shutdown(&self) {
        self.inner.hub.close_outbound();
        let speaker = self.inner.speaker.lock().take();
        if let Some(speaker) = speaker
            && tokio::time::timeout(DRAIN_TIMEOUT, speaker).await.is_err()
        {
            tracing::warn!("not all changes were sent to other nodes");
        }
        self.inner.stop.token().cancel();
    }
}

/// Changes of one message, which is under 4 KiB.
const MOST_TOLD: usize = 64;

/// Tells other nodes of changes that are in force here already. It does not keep the bus alive.
#[derive(Clone)]
pub struct Outlet(Weak<Hub>);

impl Outlet {
    /// Whether there is a way to other nodes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.upgrade().is_some_and(|hub| hub.has_outbound())
    }

    /// Puts changes on their way; they are sent until they have arrived.
    pub fn send(&self, changes: &[Change]) {
        if let Some(hub) = self.0.upgrade() {
            for some in changes.chunks(MOST_TOLD) {
                hub.send(some);
            }
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outlet").field(&self.is_open()).finish()
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("redis", &self.inner.redis.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use apiverse_contract::{ApiId, KeyId};
    use futures_util::FutureExt;
    use tokio::sync::Semaphore;
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> Change {
        Change::Key(KeyId(Uuid::from_u128(number)))
    }

    #[tokio::test]
    async fn handlers_are_done_in_order_when_publish_returns() {
        let bus = Bus::local();
        let steps = Arc::new(Mutex::new(Vec::new()));
        for name in ["first", "second"] {
            let steps = Arc::clone(&steps);
            bus.on_change(move |change| {
                let steps = Arc::clone(&steps);
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    steps.lock().push((name, change));
                })
            });
        }
        let api = Change::Api(ApiId(Uuid::from_u128(1)));
        bus.publish(api).await;
        assert_eq!(*steps.lock(), [("first", api), ("second", api)]);
        bus.clone().publish(key(2)).await;
        assert_eq!(steps.lock()[2..], [("first", key(2)), ("second", key(2))]);
    }

    #[tokio::test]
    async fn a_change_whose_publisher_gives_up_is_made_known_all_the_same() {
        let bus = Bus::local();
        let gate = Arc::new(Semaphore::new(0));
        let wait = Arc::clone(&gate);
        bus.on_change(move |_| {
            let wait = Arc::clone(&wait);
            Box::pin(async move {
                let _ = wait.acquire().await;
            })
        });
        let mut outbound = bus.outbound().unwrap();
        assert!(bus.publish(key(1)).now_or_never().is_none());
        gate.add_permits(1);
        assert!(
            outbound
                .recv()
                .await
                .unwrap()
                .ends_with(&key(1).to_string())
        );
    }

    #[tokio::test]
    async fn a_transport_of_others_carries_changes_between_buses() {
        let (here, there) = (Bus::local(), Bus::local());
        assert_eq!(here.health().await.kind, BusKind::InProcess);
        let mut outbound = here.outbound().unwrap();
        let health = here.health().await;
        assert_eq!((health.kind, health.ok), (BusKind::Store, true));

        let seen = Arc::new(Mutex::new(Vec::new()));
        for bus in [&here, &there] {
            let seen = Arc::clone(&seen);
            bus.on_change(move |change| {
                seen.lock().push(change);
                Box::pin(async {})
            });
        }
        here.publish(key(1)).await;
        let text = outbound.recv().await.unwrap();
        here.inject(&text).await;
        there.inject(&text).await;
        assert_eq!(*seen.lock(), [key(1); 2]);
        there.inject("resync").await;
        assert_eq!(seen.lock()[2..], [Change::Resync]);

        let outlet = here.outlet();
        assert!(outlet.is_open() && !there.outlet().is_open());
        outlet.send(&[Change::Purge(1), key(3)]);
        let text = outbound.recv().await.unwrap();
        here.inject(&text).await;
        assert_eq!(seen.lock().len(), 3, "they are in force here already");
        there.inject(&text).await;
        assert_eq!(seen.lock()[3..], [Change::Purge(1), key(3)]);
        seen.lock().truncate(3);

        here.shutdown().await;
        assert_eq!(outbound.recv().await, None);
        here.publish(key(2)).await;
        assert_eq!(seen.lock()[3..], [key(2)]);
    }

    #[tokio::test]
    async fn urls_that_cannot_be_used_are_told_without_repeating_them() {
        for url in [
            "",
            "redis://",
            "http://:hunter2@x/",
            "redis://:hunter2@x/nodb",
            "x hunter2",
        ] {
            let error = Bus::redis(url, None).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{error:?}"
            );
        }
    }
}
