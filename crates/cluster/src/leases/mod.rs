//! Limits that nodes share: the exchange of tokens with Redis, in the background.
//!
//! A call takes tokens that its node holds already (see `apiverse_limits::Lease`); this task tops
//! them up and settles what was taken on credit, many counters in one round trip. While Redis does
//! not answer, each node goes by its own counters.

mod script;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use apiverse_limits::{Ask, Hub, Lease, Moment};
use redis::RedisError;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::BusError;
use crate::redis::{RedisLink, jittered};

/// Longest wait for Redis before nodes go on alone.
const PATIENCE: Duration = Duration::from_millis(250);
/// Pause between exchanges, in which what comes is gathered.
const GATHER: Duration = Duration::from_millis(2);
/// How often held tokens are looked through for those that are not used.
const TICK: Duration = Duration::from_millis(20);
/// How often Redis is asked whether it is there when nothing is to be exchanged.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Counters of one round trip.
const MOST_AT_ONCE: usize = 500;
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// The way to the shared counts. Clones are the same one; it ends with the last of them.
#[derive(Clone)]
pub struct Leases(Arc<Inner>);

struct Inner {
    hub: Arc<Hub>,
    exchanged: Arc<Notify>,
    /// The clock of [`Moment::mono_ns`].
    origin: Instant,
    _task: DropGuard,
}

impl std::fmt::Debug for Leases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Leases").field(&self.0.hub).finish()
    }
}

impl Leases {
    /// Shares limits through the Redis at `url`, from a task on the current runtime. `password`
    /// goes before one in the URL. Connects in the background: until then, nodes go alone.
    ///
    /// # Errors
    /// When `url` cannot be read.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn redis(url: &str, password: Option<&str>) -> Result<Self, BusError> {
        let link =
            RedisLink::new(url, password).map_err(|error| BusError::Url(error.to_string()))?;
        let wake = Arc::new(Notify::new());
        let woken = Arc::clone(&wake);
        let hub = Hub::new(move || woken.notify_one());
        let exchanged = Arc::new(Notify::new());
        let origin = Instant::now();
        let stop = CancellationToken::new();
        describe_metrics();
        tokio::spawn(run(
            Exchange {
                link,
                hub: Arc::clone(&hub),
                exchanged: Arc::clone(&exchanged),
                wake,
                origin,
            },
            stop.clone(),
        ));
        Ok(Self(Arc::new(Inner {
            hub,
            exchanged,
            origin,
            _task: stop.drop_guard(),
        })))
    }

    /// Where counters get their shares.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    /// The moment that counters' clock counts from.
    #[must_use]
    pub fn origin(&self) -> Instant {
        self.0.origin
    }

    /// Whether Redis answers.
    #[must_use]
    pub fn is_well(&self) -> bool {
        !self.0.hub.is_away()
    }

    /// The end of the next exchange, counted from this call on. After it, make the attempt that
    /// may have to wait for it.
    #[must_use = "it is to be awaited"]
    pub fn exchanged(&self) -> OwnedNotified {
        Arc::clone(&self.0.exchanged).notified_owned()
    }
}

struct Exchange {
    link: RedisLink,
    hub: Arc<Hub>,
    exchanged: Arc<Notify>,
    wake: Arc<Notify>,
    origin: Instant,
}

async fn run(exchange: Exchange, stop: CancellationToken) {
    tokio::select! {
        () = exchange.for_ever() => {}
        () = stop.cancelled() => {}
    }
}

impl Exchange {
    async fn for_ever(&self) {
        let available = metrics::gauge!("apiverse_limits_shared");
        let mut retry = FIRST_RETRY;
        let mut heard = Instant::now();
        available.set(0.0);
        loop {
            if self.hub.is_away() {
                if self.ping().await.is_err() {
                    sleep(jittered(retry)).await;
                    retry = (retry * 2).min(LAST_RETRY);
                    continue;
                }
                retry = FIRST_RETRY;
                self.hub.came_back();
                available.set(1.0);
                tracing::info!("limits are shared through redis");
            }
            let tick = if self.hub.holds_tokens() {
                TICK
            } else {
                HEARTBEAT
            };
            // Timing out is the tick.
            let _ = timeout(tick, self.wake.notified()).await;
            let asks = self.hub.collect(self.now());
            if asks.is_empty() && heard.elapsed() < HEARTBEAT {
                continue;
            }
            let answered = if asks.is_empty() {
                self.ping().await
            } else {
                self.exchange(&asks).await
            };
            heard = Instant::now();
            if let Err(error) = answered {
                self.hub.went_away();
                self.link.disconnect().await;
                available.set(0.0);
                metrics::counter!("apiverse_limits_shared_failures_total").increment(1);
                tracing::warn!(%error, "redis is away; each node goes by its own limits");
            }
            self.exchanged.notify_waiters();
            sleep(GATHER).await;
        }
    }

    async fn ping(&self) -> Result<(), ExchangeError> {
        timeout(PATIENCE, self.link.run(&redis::cmd("PING"))).await??;
        Ok(())
    }

    async fn exchange(&self, asks: &[(Arc<Lease>, Ask)]) -> Result<(), ExchangeError> {
        for some in asks.chunks(MOST_AT_ONCE) {
            let now = self.now();
            let answers = timeout(PATIENCE, script::run(&self.link, some, now.unix_s)).await??;
            metrics::counter!("apiverse_limits_shared_exchanges_total").increment(1);
            let now = self.now();
            for ((lease, ask), answer) in some.iter().zip(answers) {
                lease.settle(*ask, answer, now.mono_ns);
            }
        }
        Ok(())
    }

    fn now(&self) -> Moment {
        Moment {
            mono_ns: u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX),
            unix_s: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| {
                    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
                }),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    #[error("no answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error(transparent)]
    Redis(#[from] RedisError),
}

fn describe_metrics() {
    metrics::describe_gauge!(
        "apiverse_limits_shared",
        "1 while nodes share their limits through Redis, 0 while each goes by its own"
    );
    metrics::describe_counter!(
        "apiverse_limits_shared_exchanges_total",
        "Round trips to Redis for shared limits"
    );
    metrics::describe_counter!(
        "apiverse_limits_shared_failures_total",
        "Times that Redis was found to be away"
    );
    for name in [
        "apiverse_limits_shared_exchanges_total",
        "apiverse_limits_shared_failures_total",
    ] {
        metrics::counter!(name).increment(0);
    }
}
