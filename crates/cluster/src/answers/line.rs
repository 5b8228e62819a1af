//! Connections for stored answers, and whether Redis is to be asked at all.
//!
//! One slow answer, or an error, takes the line down; it is up again when Redis has answered in
//! time. So a Redis that is slow or away costs a few calls a short wait now and then, and the
//! others nothing.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::redis::{RedisLink, jittered};

/// Longest wait for the first answer on a new connection.
const FIRST_ANSWER: Duration = Duration::from_millis(250);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// A line that lasted so long was no failure.
const LASTS: Duration = Duration::from_secs(10);

/// A way to Redis that works, as far as is known.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) reads: MultiplexedConnection,
    /// Apart, so that no look waits behind a large answer.
    pub(super) writes: MultiplexedConnection,
    /// Unlike that of any other life of the server, which may have lost purges with its memory.
    pub(super) space: Arc<str>,
    number: u64,
}

/// Keeps a line up.
pub(super) struct Lines {
    reads: RedisLink,
    writes: RedisLink,
    current: RwLock<Option<Line>>,
    broken: Notify,
    came: Notify,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("the server does not tell which one it is")]
    Nameless,
}

impl Lines {
    pub(super) fn new(reads: RedisLink, writes: RedisLink) -> Self {
        Self {
            reads,
            writes,
            current: RwLock::default(),
            broken: Notify::new(),
            came: Notify::new(),
        }
    }

    pub(super) fn current(&self) -> Option<Line> {
        self.current.read().clone()
    }

    /// Waits until there is one.
    pub(super) async fn up(&self) -> Line {
        loop {
            let came = self.came.notified();
            tokio::pin!(came);
            came.as_mut().enable();
            if let Some(line) = self.current() {
                return line;
            }
            came.await;
        }
    }

    /// Takes a line down; a newer one stays.
    pub(super) fn give_up(&self, line: &Line) {
        let mut current = self.current.write();
        if current
            .as_ref()
            .is_some_and(|now| now.number == line.number)
        {
            *current = None;
            self.broken.notify_one();
        }
    }

    pub(super) async fn keep(&self, stop: CancellationToken) {
        tokio::select! {
            () = self.for_ever() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn for_ever(&self) {
        let shared = metrics::gauge!("apiverse_cache_shared");
        let mut retry = FIRST_RETRY;
        let mut is_told = false;
        for number in 0.. {
            shared.set(0.0);
            match self.connect(number).await {
                Ok(line) => {
                    tracing::info!("stored answers are shared through redis");
                    is_told = false;
                    let since = Instant::now();
                    *self.current.write() = Some(line);
                    shared.set(1.0);
                    self.came.notify_waiters();
                    self.broken.notified().await;
                    if since.elapsed() > LASTS {
                        retry = FIRST_RETRY;
                    }
                    tracing::warn!("redis is slow or away; each node goes by its own answers");
                }
                Err(error) if !is_told => {
                    tracing::warn!(%error, "stored answers are not shared");
                    is_told = true;
                }
                Err(_) => {}
            }
            self.reads.disconnect().await;
            self.writes.disconnect().await;
            sleep(jittered(retry)).await;
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    async fn connect(&self, number: u64) -> Result<Line, Trouble> {
        let mut reads = self.reads.connection().await?;
        let writes = self.writes.connection().await?;
        let mut ask = async |section: &str| {
            let mut command = redis::cmd("INFO");
            command.arg(section);
            let told: String = timeout(FIRST_ANSWER, command.query_async(&mut reads)).await??;
            Ok::<_, Trouble>(told)
        };
        let (server, replication) = (ask("server").await?, ask("replication").await?);
        let run = field(&server, "run_id").ok_or(Trouble::Nameless)?;
        let history = field(&replication, "master_replid").unwrap_or_default();
        Ok(Line {
            reads,
            writes,
            space: format!("{}{}", short(run), short(history)).into(),
            number,
        })
    }
}

/// A line of `INFO`.
fn field<'a>(told: &'a str, name: &str) -> Option<&'a str> {
    told.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?.trim();
        (!value.is_empty()).then_some(value)
    })
}

/// They are random: some of it is enough.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
