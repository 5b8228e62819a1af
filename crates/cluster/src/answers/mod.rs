//! Stored answers that nodes share, in Redis.
//!
//! This side knows bytes, places and marks; what an answer is, and who may have it, the cache
//! decides. A purge raises marks in Redis, and an answer that was asked for before that is void,
//! whoever stores it and whenever it comes: see `docs/decisions/0009-shared-answers.md`.

mod line;
mod script;

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, counter};
use redis::RedisError;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::BusError;
use crate::redis::RedisLink;
use line::{Line, Lines};

/// Looks under way at once; one more finds nothing.
const MOST_LOOKS: usize = 1024;
/// Bytes on their way into Redis; more are not stored there.
const MOST_UNDER_WAY: usize = 32 << 20;
/// For a write, which nobody waits for.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// What an operator may set.
#[derive(Clone, Copy, Debug)]
pub struct AnswersOptions {
    /// Longest that a call waits for Redis.
    pub wait: Duration,
    /// Largest answer that is shared, in bytes with its head.
    pub largest: usize,
}

/// Where an answer is: a digest of all that it may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub [u8; 32]);

/// How many purges there were at a moment, in one life of the Redis server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    space: Arc<str>,
    count: u64,
}

/// What was found at some places.
#[derive(Clone, Debug)]
pub struct FoundAnswer {
    /// To be given back with what is stored after this look.
    pub count: Count,
    /// The place's number, and the answer.
    pub answer: Option<(usize, Vec<u8>)>,
}

/// An answer to store.
#[derive(Clone, Debug)]
pub struct New {
    pub api: u128,
    pub place: Place,
    pub variant: [u8; 16],
    /// The fields it varies by, as one line.
    pub names: String,
    /// As it was when the answer was asked for.
    pub begun: Count,
    /// By which it is purged.
    pub marks: Vec<u64>,
    pub keep: Duration,
    /// About how large it is.
    pub size: usize,
}

/// The way to shared answers. Clones are the same one; it ends with the last of them.
#[derive(Clone)]
pub struct Answers(Arc<Inner>);

struct Inner {
    options: AnswersOptions,
    lines: Arc<Lines>,
    looks: Semaphore,
    room: Arc<Semaphore>,
    runtime: Handle,
    meters: Meters,
    _task: DropGuard,
}

struct Meters {
    hit: Counter,
    miss: Counter,
    failed: Counter,
    skipped: Counter,
    stored: Counter,
    void: Counter,
    dropped: Counter,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Answers").field(&self.0.options).finish()
    }
}

impl Answers {
    /// Shares answers through the Redis at `url`, which is connected to in the background.
    ///
    /// # Errors
    /// When `url` cannot be read.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn redis(url: &str, options: AnswersOptions) -> Result<Self, BusError> {
        let link = || RedisLink::new(url, None).map_err(|error| BusError::Url(error.to_string()));
        let lines = Arc::new(Lines::new(link()?, link()?));
        let stop = CancellationToken::new();
        let kept = Arc::clone(&lines);
        let stopped = stop.clone();
        tokio::spawn(async move { kept.keep(stopped).await });
        Ok(Self(Arc::new(Inner {
            options,
            lines,
            looks: Semaphore::new(MOST_LOOKS),
            room: Arc::new(Semaphore::new(MOST_UNDER_WAY)),
            runtime: Handle::current(),
            meters: Meters::new(),
            _task: stop.drop_guard(),
        })))
    }

    /// Largest answer that is shared, in bytes with its head.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.0.options.largest
    }

    /// The first valid answer at `places`, among variants: `known` ones, and those that `variant`
    /// makes of the fields that answers at a place vary by. `None`: Redis is not to be had, and
    /// what is fetched now must not be shared. It takes [`AnswersOptions::wait`] at most.
    pub async fn find(
        &self,
        api: u128,
        places: &[Place],
        known: &[[u8; 16]],
        variant: impl Fn(&str) -> Option<[u8; 16]>,
    ) -> Option<FoundAnswer> {
        let inner = &self.0;
        let (line, _permit) = match (inner.lines.current(), inner.looks.try_acquire()) {
            (Some(line), Ok(permit)) => (line, permit),
            _ => {
                inner.meters.skipped.increment(1);
                return None;
            }
        };
        let look = look(line.clone(), api, places, known, variant);
        let found = match timeout(inner.options.wait, look).await {
            Ok(Ok(found)) => found,
            _ => {
                inner.meters.failed.increment(1);
                inner.lines.give_up(&line);
                return None;
            }
        };
        match &found {
            Some(found) if found.answer.is_some() => inner.meters.hit.increment(1),
            _ => inner.meters.miss.increment(1),
        }
        found
    }

    /// Stores an answer in the background, if it is not void by then. `write` appends its bytes.
    pub fn store(&self, new: New, write: impl FnOnce(&mut Vec<u8>) + Send + 'static) {
        let inner = Arc::clone(&self.0);
        let line = inner.lines.current();
        // A count of another life of the server says nothing about this one's purges.
        let line = line.filter(|line| line.space == new.begun.space);
        let size = u32::try_from(new.size).unwrap_or(u32::MAX);
        let room = Arc::clone(&inner.room).try_acquire_many_owned(size);
        let (Some(line), Ok(room)) = (line, room) else {
            inner.meters.dropped.increment(1);
            return;
        };
        self.0.runtime.spawn(async move {
            let mut bytes = script::head(&new).into_bytes();
            bytes.reserve(new.size);
            write(&mut bytes);
            let mut connection = line.writes.clone();
            let stored = script::store(&mut connection, &new, &bytes);
            match timeout(WRITE_TIMEOUT, stored).await {
                Ok(Ok(true)) => inner.meters.stored.increment(1),
                Ok(Ok(false)) => inner.meters.void.increment(1),
                Ok(Err(error)) if !is_broken(&error) => {
                    // Out of memory, say: the others can still be read.
                    tracing::warn!(%error, "redis did not take an answer");
                    inner.meters.dropped.increment(1);
                }
                _ => {
                    inner.meters.dropped.increment(1);
                    inner.lines.give_up(&line);
                }
            }
            drop(room);
        });
    }

    /// Voids the answers of an API that have one of `marks`; returns when that is done, which may
    /// be long after Redis has come back.
    pub async fn void(&self, api: u128, marks: &[u64]) {
        let lines = &self.0.lines;
        let mut retry = Duration::from_millis(100);
        loop {
            let line = lines.up().await;
            let mut connection = line.writes.clone();
            let done = script::void(&mut connection, &line.space, api, marks);
            match timeout(WRITE_TIMEOUT, done).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) if !is_broken(&error) => {
                    tracing::warn!(%error, "redis did not take a purge; trying again");
                }
                _ => lines.give_up(&line),
            }
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(Duration::from_secs(2));
        }
    }
}

async fn look(
    mut line: Line,
    api: u128,
    places: &[Place],
    known: &[[u8; 16]],
    variant: impl Fn(&str) -> Option<[u8; 16]>,
) -> Result<Option<FoundAnswer>, RedisError> {
    let mut wanted = vec![known.to_vec(); places.len()];
    let space = Arc::clone(&line.space);
    let Some(first) = script::find(&mut line.reads, &space, api, places, &wanted).await? else {
        return Ok(None);
    };
    let mut found = FoundAnswer {
        count: Count {
            space,
            count: first.count,
        },
        answer: first.answer,
    };
    if found.answer.is_some() {
        return Ok(Some(found));
    }
    let mut is_more = false;
    for (wanted, lists) in wanted.iter_mut().zip(&first.lists) {
        wanted.clear();
        let lists = std::str::from_utf8(lists).unwrap_or_default();
        for names in lists.lines() {
            if let Some(variant) = variant(names)
                && !known.contains(&variant)
            {
                wanted.push(variant);
                is_more = true;
            }
        }
    }
    if is_more {
        let space = Arc::clone(&found.count.space);
        let second = script::find(&mut line.reads, &space, api, places, &wanted).await?;
        // The first count stays: it is the one from before anything was fetched.
        found.answer = second.and_then(|second| second.answer);
    }
    Ok(Some(found))
}

/// Whether the connection is of no more use; otherwise the server said no.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_dropped()
}

impl Meters {
    fn new() -> Self {
        const LOOKS: &str = "apiverse_cache_shared_lookups_total";
        const WRITES: &str = "apiverse_cache_shared_writes_total";
        metrics::describe_gauge!(
            "apiverse_cache_shared",
            "1 while nodes share stored answers through Redis, 0 while each goes by its own"
        );
        metrics::describe_counter!(
            LOOKS,
            "Looks for shared answers: hit, miss, failed (slow or broken), skipped (Redis away)"
        );
        metrics::describe_counter!(
            WRITES,
            "Answers to be shared: stored, void (purged meanwhile), dropped"
        );
        let look = |result: &'static str| counter!(LOOKS, "result" => result);
        let write = |result: &'static str| counter!(WRITES, "result" => result);
        Self {
            hit: look("hit"),
            miss: look("miss"),
            failed: look("failed"),
            skipped: look("skipped"),
            stored: write("stored"),
            void: write("void"),
            dropped: write("dropped"),
        }
    }
}
